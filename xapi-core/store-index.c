/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-index.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <glib.h>

#define INDEX_BUCKETS_MIN 64

static uint64_t index_secret;
static pthread_once_t index_secret_once = PTHREAD_ONCE_INIT;

/* Clients choose names and references: without a secret they could choose ones that collide. */
static void index_make_secret(void)
{
        if (getrandom(&index_secret, sizeof(index_secret), GRND_NONBLOCK) != sizeof(index_secret))
                index_secret = (uint64_t)(uintptr_t)&index_secret;
}

static uint64_t index_mix(uint64_t a, uint64_t b)
{
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t index_hash(const char *key)
{
        const uint64_t k1 = 0x9e3779b97f4a7c15u, k2 = 0xd6e8feb86659fd93u;
        size_t len = strlen(key);
        uint64_t hash = index_secret ^ (len * k1);
        for (; len >= 8; len -= 8, key += 8) {
                uint64_t word;
                memcpy(&word, key, 8);
                hash = index_mix(hash ^ word, k1 ^ index_secret);
        }
        uint64_t tail = 0;
        memcpy(&tail, key, len);
        return index_mix(hash ^ tail, k2);
}

void index_init(Index *index)
{
        pthread_once(&index_secret_once, index_make_secret);
        *index = (Index){
                .buckets = g_new0(IndexLink *, INDEX_BUCKETS_MIN),
                .n_buckets = INDEX_BUCKETS_MIN,
        };
}

void index_clear(Index *index)
{
        g_free(index->buckets);
        *index = (Index){ 0 };
}

static void index_link(Index *index, IndexLink *link)
{
        IndexLink **bucket = &index->buckets[link->hash & (index->n_buckets - 1)];
        link->next = *bucket;
        if (link->next != NULL)
                link->next->previous = &link->next;
        link->previous = bucket;
        *bucket = link;
}

static void index_grow(Index *index)
{
        size_t n_old = index->n_buckets;
        g_autofree IndexLink **old = index->buckets;
        index->n_buckets = n_old * 2;
        index->buckets = g_new0(IndexLink *, index->n_buckets);
        for (size_t i = 0; i < n_old; i++) {
                IndexLink *next;
                for (IndexLink *link = old[i]; link != NULL; link = next) {
                        next = link->next;
                        index_link(index, link);
                }
        }
}

void index_add(Index *index, IndexLink *link, Str key)
{
        assert(link->previous == NULL);
        if (index->n >= index->n_buckets)
                index_grow(index);
        link->key = str_ref(key);
        link->hash = index_hash(key);
        index_link(index, link);
        index->n++;
}

void index_remove(Index *index, IndexLink *link)
{
        if (link->previous == NULL)
                return;
        *link->previous = link->next;
        if (link->next != NULL)
                link->next->previous = link->previous;
        str_unref(link->key);
        *link = (IndexLink){ 0 };
        index->n--;
}

static IndexLink *index_match(IndexLink *link, uint64_t hash, const char *key)
{
        while (link != NULL && (link->hash != hash || strcmp(link->key, key) != 0))
                link = link->next;
        return link;
}

IndexLink *index_find(const Index *index, const char *key)
{
        uint64_t hash = index_hash(key);
        return index_match(index->buckets[hash & (index->n_buckets - 1)], hash, key);
}

IndexLink *index_find_next(const IndexLink *link)
{
        return index_match(link->next, link->hash, link->key);
}
