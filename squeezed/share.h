/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How memory is split: everyone gets the same part of the way from its minimum to its maximum. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Share {
        int64_t minimum_kib, maximum_kib; /* 0 <= minimum <= maximum */
        int64_t kib;                      /* what it gets: whole MiB above its minimum, or its maximum */
} Share;

/* Splits at most kib among them. The result is how far between minimum and maximum everyone is, 0 to 1; negative: the
 * minima alone are more than there is, and are what everyone gets. */
double shares_split(Share *shares, size_t n, int64_t kib);
/* What one with that range gets at such a part. */
int64_t share_at(int64_t minimum_kib, int64_t maximum_kib, double part);
