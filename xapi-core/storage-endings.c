/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>

#include "condition.h"
#include "storage-internal.h"

struct Endings {
        pthread_mutex_t lock; /* guards what follows; innermost */
        pthread_cond_t changed;
        uint64_t count;
};

Endings *endings_new(void)
{
        Endings *endings = g_new0(Endings, 1);

        pthread_mutex_init(&endings->lock, NULL);
        condition_init(&endings->changed);
        return endings;
}

void endings_free(Endings *endings)
{
        pthread_cond_destroy(&endings->changed);
        pthread_mutex_destroy(&endings->lock);
        g_free(endings);
}

uint64_t endings_count(Endings *endings)
{
        uint64_t count;

        pthread_mutex_lock(&endings->lock);
        count = endings->count;
        pthread_mutex_unlock(&endings->lock);
        return count;
}

void endings_add(void *user)
{
        Endings *endings = user;

        pthread_mutex_lock(&endings->lock);
        endings->count++;
        pthread_cond_broadcast(&endings->changed);
        pthread_mutex_unlock(&endings->lock);
}

bool endings_wait(Endings *endings, uint64_t seen, uint64_t until_usec)
{
        int r = 0;
        bool more;

        pthread_mutex_lock(&endings->lock);
        while (endings->count == seen && r == 0)
                r = condition_wait(&endings->changed, &endings->lock, until_usec);
        more = endings->count != seen;
        pthread_mutex_unlock(&endings->lock);
        return more;
}
