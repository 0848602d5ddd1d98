/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shares.h"

#include <assert.h>
#include <pthread.h>

#include <glib.h>

struct Shares {
        pthread_mutex_t lock;
        size_t free;
        GHashTable *taken; /* session -> how many, not 0 */
};

Shares *shares_new(size_t places)
{
        Shares *s = g_new0(Shares, 1);

        pthread_mutex_init(&s->lock, NULL);
        s->free = places;
        s->taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        return s;
}

void shares_free(Shares *s)
{
        if (!s)
                return;
        g_hash_table_unref(s->taken);
        pthread_mutex_destroy(&s->lock);
        g_free(s);
}

bool shares_take(Shares *s, const char *session)
{
        pthread_mutex_lock(&s->lock);
        size_t has = GPOINTER_TO_SIZE(g_hash_table_lookup(s->taken, session));
        bool ok = has < s->free;

        if (ok) {
                s->free--;
                g_hash_table_replace(s->taken, g_strdup(session), GSIZE_TO_POINTER(has + 1));
        }
        pthread_mutex_unlock(&s->lock);
        return ok;
}

void shares_give_back(Shares *s, const char *session)
{
        pthread_mutex_lock(&s->lock);
        size_t has = GPOINTER_TO_SIZE(g_hash_table_lookup(s->taken, session));

        assert(has > 0);
        s->free++;
        if (has > 1)
                g_hash_table_replace(s->taken, g_strdup(session), GSIZE_TO_POINTER(has - 1));
        else
                g_hash_table_remove(s->taken, session);
        pthread_mutex_unlock(&s->lock);
}
