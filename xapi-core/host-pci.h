/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The PCI devices of this machine as objects. */
#pragma once

#include "store.h"
#include "xenapi.h"

/* Makes an object of each device that the kernel shows and has none, and removes those of devices that are gone. */
void host_pci_refresh(Txn *txn, const HostRow *host);
