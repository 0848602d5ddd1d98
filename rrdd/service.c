/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include "idl/bus/rrd.h"

/* Nothing is kept of any VM. */
static bool has_vm_rrd(void *data, const ServiceCall *call, RrdHasVmRrdArgs *args, bool *ret,
                       RrdError **error)
{
        *ret = false;
        return true;
}

BusService *rrdd_serve(Daemon *daemon)
{
        /* Of the others, each is answered as not implemented. */
        static const RrdService functions = { .has_vm_rrd = has_vm_rrd };

        return rrd_serve(&functions, NULL,
                         &(BusServiceOptions){ .bus = daemon->bus, .workers = daemon->workers });
}
