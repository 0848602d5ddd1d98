/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much of the host's memory a VM takes beyond its own, and whether its limits fit each other. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What a domain costs beside its memory: a page table and a shadow of it, which grow with its memory and its processors,
 * and what Xen keeps for it. In bytes, whole MiB. */
int64_t vm_memory_overhead_bytes(int64_t static_max_bytes, int64_t vcpus, double shadow_multiplier);
/* The largest memory, in whole MiB, that fits into total_bytes together with its overhead; 0 where none does. */
int64_t vm_memory_maximise_bytes(int64_t total_bytes, int64_t vcpus, double shadow_multiplier);

typedef struct VmMemoryLimits {
        int64_t static_min_bytes, dynamic_min_bytes, dynamic_max_bytes, static_max_bytes;
} VmMemoryLimits;
/* 0 <= static_min <= dynamic_min <= dynamic_max <= static_max */
bool vm_memory_limits_valid(const VmMemoryLimits *limits);
