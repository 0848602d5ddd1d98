/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rest.h"

#include <pthread.h>
#include <stdbool.h>

#include <glib.h>

struct Rests {
        uint64_t window_usec, usec;
        pthread_mutex_t lock;
        GHashTable *last; /* VM -> uint64_t, when it was noted */
};

Rests *rests_new(uint64_t window_usec, uint64_t usec)
{
        Rests *rests = g_new0(Rests, 1);
        *rests = (Rests){ .window_usec = window_usec, .usec = usec };
        pthread_mutex_init(&rests->lock, NULL);
        rests->last = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        return rests;
}

void rests_free(Rests *rests)
{
        if (!rests)
                return;
        g_hash_table_destroy(rests->last);
        pthread_mutex_destroy(&rests->lock);
        g_free(rests);
}

uint64_t rests_note(Rests *rests, const char *vm, uint64_t now_usec)
{
        pthread_mutex_lock(&rests->lock);
        const uint64_t *last = g_hash_table_lookup(rests->last, vm);
        bool again = last && now_usec < *last + rests->window_usec;
        /* It goes on later, and counts from then. */
        uint64_t rest_usec = again ? rests->usec : 0, next_usec = now_usec + rest_usec;
        g_hash_table_insert(rests->last, g_strdup(vm), g_memdup2(&next_usec, sizeof next_usec));
        pthread_mutex_unlock(&rests->lock);
        return rest_usec;
}

void rests_forget(Rests *rests, const char *vm)
{
        pthread_mutex_lock(&rests->lock);
        g_hash_table_remove(rests->last, vm);
        pthread_mutex_unlock(&rests->lock);
}
