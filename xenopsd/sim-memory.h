/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory of the simulated host: who has how much of it, and how balloons move. It stands in a file that the simulator
 * of xenopsd and that of squeezed both map, and outlives either, as a hypervisor would. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct SimMemory SimMemory;

#define SIM_MEMORY_DOMAINS 32000u /* at a time; ids that differ by a multiple of it exclude each other */

typedef struct SimMemoryDomain {
        int64_t domid; /* positive */
        int64_t actual_kib, target_kib;
        int64_t static_max_kib, dynamic_min_kib, dynamic_max_kib;
        int64_t delay_usec; /* after which the balloon is where it was told to be */
        bool balloons;      /* false: never, whatever it is told */
        bool ran;           /* it was unpaused once */
} SimMemoryDomain;

/* Maps the file, made with its folder if need be; what is of before the machine's last boot is forgotten. total_kib is all
 * that domains may have; 0: what whoever else mapped it said. NULL:
 * *ret_error says why (g_free). */
SimMemory *sim_memory_open(const char *path, int64_t total_kib, char **ret_error);
void sim_memory_close(SimMemory *memory); /* NULL is legal */

/* Any thread of any process. -ESRCH: there is no such domain. */
int sim_memory_add(SimMemory *memory, const SimMemoryDomain *domain); /* -EEXIST */
int sim_memory_remove(SimMemory *memory, int64_t domid);
int sim_memory_get(SimMemory *memory, int64_t domid, SimMemoryDomain *ret);
/* Gives the domain so much at once, as when it is built. -ENOMEM, with nothing changed: more than is free. */
int sim_memory_take(SimMemory *memory, int64_t domid, int64_t kib, int64_t *ret_free_kib);
/* The balloon is told, and will be there after the domain's delay, as far as the host has memory. */
int sim_memory_set_target(SimMemory *memory, int64_t domid, int64_t kib);
int sim_memory_set_range(SimMemory *memory, int64_t domid, int64_t static_max_kib, int64_t dynamic_min_kib,
                         int64_t dynamic_max_kib);
int sim_memory_set_guest(SimMemory *memory, int64_t domid, bool balloons, int64_t delay_usec);
int sim_memory_set_ran(SimMemory *memory, int64_t domid);
int64_t sim_memory_total_kib(SimMemory *memory);
int64_t sim_memory_free_kib(SimMemory *memory);
/* Every domain, in no order; *ret is owned (g_free). Returns how many. */
size_t sim_memory_list(SimMemory *memory, SimMemoryDomain **ret);
