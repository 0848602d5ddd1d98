/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "share.h"

#include <glib.h>

#define MIB_KIB 1024

int64_t share_at(int64_t minimum_kib, int64_t maximum_kib, double part)
{
        if (part >= 1)
                return maximum_kib;
        if (part <= 0)
                return minimum_kib;
        int64_t more = (int64_t)((double)(maximum_kib - minimum_kib) * part);
        return minimum_kib + MIN(more / MIB_KIB * MIB_KIB, maximum_kib - minimum_kib);
}

double shares_split(Share *shares, size_t n, int64_t kib)
{
        int64_t minimum = 0, range = 0;
        double part;

        for (size_t i = 0; i < n; i++) {
                minimum += shares[i].minimum_kib;
                range += shares[i].maximum_kib - shares[i].minimum_kib;
        }
        if (minimum > kib)
                part = -1;
        else if (kib - minimum >= range)
                part = 1;
        else
                part = (double)(kib - minimum) / (double)range;
        for (size_t i = 0; i < n; i++)
                shares[i].kib = share_at(shares[i].minimum_kib, shares[i].maximum_kib, part);
        return part;
}
