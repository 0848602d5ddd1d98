/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory of xenopsd's simulated host. */
#include <glib.h>

#include "backend.h"
#include "sim-memory.h"

#define POLL_USEC 2000u

typedef struct Simulator {
        Backend backend;
        SimMemory *memory;
} Simulator;

static int simulator_look(Backend *backend, Host *ret)
{
        SimMemory *memory = ((Simulator *)backend)->memory;
        g_autofree SimMemoryDomain *list = NULL;
        size_t n = sim_memory_list(memory, &list);

        *ret = (Host){ .total_kib = sim_memory_total_kib(memory),
                       .free_kib = sim_memory_free_kib(memory),
                       .n = n,
                       .domains = g_new0(HostDomain, n) };
        for (size_t i = 0; i < n; i++)
                ret->domains[i] = (HostDomain){ .domid = list[i].domid,
                                                .actual_kib = list[i].actual_kib,
                                                .target_kib = list[i].target_kib,
                                                .dynamic_min_kib = list[i].dynamic_min_kib,
                                                .dynamic_max_kib = list[i].dynamic_max_kib,
                                                .managed = list[i].dynamic_max_kib > 0,
                                                .ran = list[i].ran,
                                                .running = list[i].ran };
        host_sort(ret);
        return 0;
}

static int simulator_set_target(Backend *backend, int64_t domid, int64_t kib)
{
        return sim_memory_set_target(((Simulator *)backend)->memory, domid, kib);
}

static void simulator_free(Backend *backend)
{
        sim_memory_close(((Simulator *)backend)->memory);
        g_free(backend);
}

Backend *simulator_new(const char *folder, char **ret_error)
{
        static const BackendOperations operations = { .name = "simulator",
                                                      .poll_usec = POLL_USEC,
                                                      .free = simulator_free,
                                                      .look = simulator_look,
                                                      .set_target = simulator_set_target };
        g_autofree char *path = g_build_filename(folder, "memory", NULL);
        SimMemory *memory = sim_memory_open(path, 0, ret_error);

        if (!memory)
                return NULL;
        Simulator *simulator = g_new(Simulator, 1);
        *simulator = (Simulator){ { &operations }, memory };
        return &simulator->backend;
}
