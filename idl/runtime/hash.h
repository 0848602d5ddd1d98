/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hashes for tables whose keys are sent by clients: GLib's are known beforehand, and a client that makes all its keys fall
 * into one place would have the loop compare each with all others. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* SipHash-2-4 (Aumasson and Bernstein, 2012), as 64 bits. */
uint64_t hash_keyed(const uint8_t key[16], const void *bytes, size_t n);

/* By a key that each process makes for itself. Of texts, beside g_str_equal; of int64_t, beside g_int64_equal. */
unsigned hash_text(const void *text);
unsigned hash_int64(const void *i);
