/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

#include "tool.h"

#define SAMPLES_FIRST 4096

void samples_add(Samples *samples, uint64_t nsec)
{
        if (samples->n == samples->room) {
                samples->room = samples->room ? samples->room * 2 : SAMPLES_FIRST;
                samples->usec = realloc(samples->usec, samples->room * sizeof *samples->usec);
                if (!samples->usec)
                        die("memory");
        }
        samples->usec[samples->n++] = (uint32_t)(nsec / 1000);
}

static int compare(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
        return (x > y) - (x < y);
}

void samples_print(Samples *samples, const char *name)
{
        if (samples->n == 0)
                die("nothing was measured");
        qsort(samples->usec, samples->n, sizeof *samples->usec, compare);
        printf("\"%s_p50\": %u, \"%s_p99\": %u, \"%s_max\": %u", name, samples->usec[samples->n / 2], name,
               samples->usec[samples->n * 99 / 100], name, samples->usec[samples->n - 1]);
}
