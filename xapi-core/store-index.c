/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-index.h"

#include <assert.h>
#include <string.h>

#include <glib.h>

#include "hash.h"

#define INDEX_BUCKETS_MIN 64

void index_init(Index *index)
{
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
        link->hash = hash_text(key);
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

static IndexLink *index_match(IndexLink *link, unsigned hash, const char *key)
{
        while (link != NULL && (link->hash != hash || strcmp(link->key, key) != 0))
                link = link->next;
        return link;
}

IndexLink *index_find(const Index *index, const char *key)
{
        unsigned hash = hash_text(key);
        return index_match(index->buckets[hash & (index->n_buckets - 1)], hash, key);
}

IndexLink *index_find_next(const IndexLink *link)
{
        return index_match(link->next, link->hash, link->key);
}
