/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interface org.xen.xapi.networkd. */
#pragma once

#include "idl/runtime/bus-service.h"
#include "message-switch/lib/daemon.h"

/* Serves it on the daemon's bus; freed between daemon_close and daemon_free. */
BusService *networkd_serve(Daemon *daemon);
