/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's memory, total and free, as squeezed tells of it, in the host's metrics. */
#pragma once

#include "manager.h"

typedef struct HostMemory HostMemory;

/* Begins to ask squeezed, which need not be there: until it is, the figures are those of this machine. */
HostMemory *host_memory_new(Manager *manager);
void host_memory_stop(HostMemory *memory); /* before the bus is closed */
void host_memory_free(HostMemory *memory); /* NULL is legal */
