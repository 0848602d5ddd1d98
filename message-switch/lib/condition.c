/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "condition.h"

#include <time.h>

void condition_init(pthread_cond_t *condition)
{
        pthread_condattr_t attributes;

        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(condition, &attributes);
        pthread_condattr_destroy(&attributes);
}

int condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t deadline_usec)
{
        struct timespec until = { .tv_sec = (time_t)(deadline_usec / 1000000),
                                  .tv_nsec = (long)(deadline_usec % 1000000) * 1000 };

        if (deadline_usec == UINT64_MAX)
                return pthread_cond_wait(condition, lock);
        return pthread_cond_timedwait(condition, lock, &until);
}
