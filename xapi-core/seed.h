/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMs to begin with, for tests and for figures. */
#pragma once

#include "manager.h"

/* Makes n halted VMs, each with two disks and an interface, in a store that has none yet. */
bool seed_vms(Manager *manager, int n, XapiError **error);
