/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lock.h"

#include <assert.h>
#include <errno.h>

#include "message-switch/lib/condition.h"

void lock_init(Lock *lock)
{
        pthread_mutex_init(&lock->mutex, NULL);
        condition_init(&lock->changed);
        lock->n_shared = 0;
        lock->n_waiting = 0;
        lock->exclusive = false;
}

void lock_destroy(Lock *lock)
{
        assert(!lock->exclusive && lock->n_shared == 0 && lock->n_waiting == 0);
        pthread_cond_destroy(&lock->changed);
        pthread_mutex_destroy(&lock->mutex);
}

static bool lock_free_for(const Lock *lock, bool exclusive)
{
        if (exclusive)
                return !lock->exclusive && lock->n_shared == 0;
        return !lock->exclusive && lock->n_waiting == 0;
}

/* With the mutex held. */
static int lock_wait(Lock *lock, bool exclusive, uint64_t deadline_usec)
{

        while (!lock_free_for(lock, exclusive))
                if (condition_wait(&lock->changed, &lock->mutex, deadline_usec) == ETIMEDOUT)
                        return lock_free_for(lock, exclusive) ? 0 : -ETIMEDOUT;
        return 0;
}

int lock_take(Lock *lock, bool exclusive, uint64_t deadline_usec)
{
        int r;

        pthread_mutex_lock(&lock->mutex);
        lock->n_waiting += exclusive;
        r = lock_wait(lock, exclusive, deadline_usec);
        lock->n_waiting -= exclusive;
        if (r == 0 && exclusive)
                lock->exclusive = true;
        else if (r == 0)
                lock->n_shared++;
        else
                pthread_cond_broadcast(&lock->changed);
        pthread_mutex_unlock(&lock->mutex);
        return r;
}

void lock_release(Lock *lock)
{
        pthread_mutex_lock(&lock->mutex);
        assert(lock->exclusive || lock->n_shared > 0);
        if (lock->exclusive)
                lock->exclusive = false;
        else
                lock->n_shared--;
        pthread_cond_broadcast(&lock->changed);
        pthread_mutex_unlock(&lock->mutex);
}

bool lock_wanted(Lock *lock)
{
        bool wanted;

        pthread_mutex_lock(&lock->mutex);
        wanted = lock->n_waiting > 0;
        pthread_mutex_unlock(&lock->mutex);
        return wanted;
}
