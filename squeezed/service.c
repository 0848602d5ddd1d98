/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include "config.h"
#include "idl/bus/memory.h"

static bool get_diagnostics(void *data, const ServiceCall *call, MemoryGetDiagnosticsArgs *args, char **ret,
                            MemoryError **error)
{
        *ret = bus_strdup("squeezed " XAPI_VERSION ": balances nothing, has no reservations\n");
        return true;
}

BusService *squeezed_serve(Daemon *daemon)
{
        /* Of the others, each is answered as not implemented. */
        static const MemoryService functions = { .get_diagnostics = get_diagnostics };

        return memory_serve(&functions, NULL,
                            &(BusServiceOptions){ .bus = daemon->bus, .workers = daemon->workers });
}
