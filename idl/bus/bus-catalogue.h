/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every interface, for tests that go through all types. */
#pragma once

#include "host.h"
#include "memory.h"
#include "network.h"
#include "rrd.h"
#include "smapi.h"
#include "storage.h"
#include "xenops.h"

static const BusInterface *const bus_catalogue[] = {
        &host_interface,  &memory_interface,  &network_interface, &rrd_interface,
        &smapi_interface, &storage_interface, &xenops_interface,
};
#define BUS_CATALOGUE_N (sizeof(bus_catalogue) / sizeof(bus_catalogue[0]))

/* The types that a call can bring, counted through: of each interface its error, then of each method the result and
 * the parameters. NULL: there are no more. */
static inline const BusType *bus_catalogue_type(size_t index)
{
        for (size_t i = 0; i < BUS_CATALOGUE_N; i++) {
                const BusInterface *interface = bus_catalogue[i];

                if (index-- == 0)
                        return interface->error;
                for (size_t j = 0; j < interface->n_methods; j++) {
                        const BusMethod *method = &interface->methods[j];

                        if (index-- == 0)
                                return method->result;
                        if (index < method->n_params)
                                return method->params[index].type;
                        index -= method->n_params;
                }
        }
        return NULL;
}
