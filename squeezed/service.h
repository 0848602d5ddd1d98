/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interface org.xen.xapi.memory. */
#pragma once

#include "idl/runtime/bus-service.h"
#include "manager.h"

/* Serves it on the daemon's bus; freed between daemon_close and daemon_free. Borrows both. */
BusService *squeezed_serve(Daemon *daemon, Manager *manager);
