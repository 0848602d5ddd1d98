/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hash.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include <glib.h>

static uint8_t process_key[16];

static void make_process_key(void)
{
        if (getrandom(process_key, sizeof(process_key), 0) != sizeof(process_key))
                g_error("no random bytes");
}

static uint64_t rotate(uint64_t x, int bits)
{
        return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
}

/* Up to eight bytes as a number in little endian. */
static uint64_t read_word(const uint8_t *bytes, size_t n)
{
        uint64_t word = 0;

        memcpy(&word, bytes, n);
        return GUINT64_FROM_LE(word);
}

uint64_t hash_keyed(const uint8_t key[16], const void *bytes, size_t n)
{
        const uint64_t k0 = read_word(key, 8), k1 = read_word(key + 8, 8);
        uint64_t v[4] = { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                          k1 ^ 0x7465646279746573 };
        const uint8_t *at = bytes;
        size_t left = n;

        for (; left >= 8; at += 8, left -= 8)
                sip_word(v, read_word(at, 8));
        sip_word(v, read_word(at, left) | (uint64_t)n << 56);
        v[2] ^= 0xff;
        for (int i = 0; i < 4; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static unsigned hash_bytes(const void *bytes, size_t n)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, make_process_key);
        return (unsigned)hash_keyed(process_key, bytes, n);
}

unsigned hash_text(const void *text)
{
        return hash_bytes(text, strlen(text));
}

unsigned hash_int64(const void *i)
{
        return hash_bytes(i, sizeof(int64_t));
}
