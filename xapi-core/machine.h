/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the machine says of itself, without Xen. */
#pragma once

#include <stdint.h>

typedef struct Machine {
        char *hostname, *address; /* owned, as all strings here */
        char *cpu_vendor, *cpu_model, *cpu_flags, *cpu_family, *cpu_model_number, *cpu_stepping;
        int n_cpus, n_sockets;
        double cpu_mhz;
        int64_t boot_time; /* seconds since 1970 */
        int64_t memory_total_bytes, memory_free_bytes;
} Machine;

void machine_read(Machine *ret); /* what cannot be read is empty or zero */
void machine_clear(Machine *machine);
