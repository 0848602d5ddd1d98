/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serving an interface: a call is decoded, given to the function that does it, and its result encoded. */
#pragma once

#include "message-switch/lib/service.h"

#include "bus-error.h"

typedef struct BusServiceOptions {
        Bus *bus;
        Workers *workers;
        const char *queue;          /* NULL: the interface's */
        const char *const *on_loop; /* ended by NULL; methods that never block, and so run on the loop */
        const char *const *urgent;  /* ended by NULL; methods that get a worker from the reserve if need be */
} BusServiceOptions;

/* An interface being served. `functions` is the generated service struct: use the generated ..._serve. A function that
 * is NULL, a method that is unknown and parameters that cannot be read are answered by an error that says so. */
typedef struct BusService BusService;
BusService *bus_service_new(const BusInterface *interface, const void *functions, void *data,
                            const BusServiceOptions *options);
/* When service_free may be called. NULL is legal. */
void bus_service_free(BusService *service);
