/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hash index whose links stand inside what they index; one key may have several. Not locked. */
#pragma once

#include <stddef.h>

#include "str.h"

typedef struct IndexLink {
        struct IndexLink *next;
        struct IndexLink **previous; /* NULL: in no index */
        Str key;
        unsigned hash;
} IndexLink;

typedef struct Index {
        IndexLink **buckets;
        size_t n_buckets; /* a power of two */
        size_t n;
} Index;

void index_init(Index *index);
void index_clear(Index *index);                             /* links left in it are not touched */
void index_add(Index *index, IndexLink *link, Str key);     /* references key; link must be in no index */
void index_remove(Index *index, IndexLink *link);           /* legal for a link that is in none */
IndexLink *index_find(const Index *index, const char *key); /* the latest added; NULL: none */
IndexLink *index_find_next(const IndexLink *link);          /* another with the same key; NULL: no more */
