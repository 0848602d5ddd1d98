/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A lock of one object, held while plugins run: shared or exclusive, and never waited for beyond a deadline. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Lock {
        pthread_mutex_t mutex; /* of what follows; held for moments */
        pthread_cond_t changed;
        unsigned n_shared;
        unsigned n_waiting; /* for exclusive: nobody else is let in shared meanwhile, so that they get in */
        bool exclusive;
} Lock;

void lock_init(Lock *lock);
void lock_destroy(Lock *lock); /* free */
/* Waits until it is had, or until deadline_usec (clock_usec). 0 or -ETIMEDOUT. Not recursive. */
int lock_take(Lock *lock, bool exclusive, uint64_t deadline_usec);
void lock_release(Lock *lock); /* what this thread took */
bool lock_wanted(Lock *lock);  /* whether somebody waits to have it alone */
