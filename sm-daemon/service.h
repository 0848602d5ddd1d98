/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sm-daemon on the bus: the queue org.xen.xapi.storage, and org.xen.xapi.storage.TYPE for each plugin, where what needs
 * to know the type takes it from the queue. */
#pragma once

#include "idl/runtime/bus-service.h"
#include "manager.h"

typedef struct Services Services;

/* All borrowed until services_free, which must come after bus_close and workers_free. */
Services *services_new(Manager *manager, Loop *loop, Bus *bus, Workers *workers);
/* Answers who waits for updates; on the loop's thread, when nobody is served any more. */
void services_stop_waiting(Services *services);
void services_free(Services *services);
