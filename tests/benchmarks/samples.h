/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times, and what is said of many. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Samples {
        uint32_t *usec;
        size_t n, room;
} Samples;

void samples_add(Samples *samples, uint64_t nsec);
/* Prints "NAME_p50": ..., "NAME_p99": ..., "NAME_max": ... for use in a JSON object; in microseconds. Sorts. */
void samples_print(Samples *samples, const char *name);
