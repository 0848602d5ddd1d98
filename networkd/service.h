/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interface org.xen.xapi.networkd. */
#pragma once

#include "idl/runtime/bus-service.h"
#include "manager.h"

/* Serves it on the bus; freed between daemon_close and daemon_free. */
BusService *networkd_serve(Manager *manager, Bus *bus, Workers *workers);
