/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells whole bytes from torn or damaged ones; no protection against intent. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* FNV-1a, 64 bits. */
static inline uint64_t checksum(const void *data, size_t len)
{
        const unsigned char *bytes = data;
        uint64_t sum = 0xcbf29ce484222325u;
        for (size_t i = 0; i < len; i++)
                sum = (sum ^ bytes[i]) * 0x100000001b3u;
        return sum;
}
