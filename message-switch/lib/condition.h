/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conditions whose deadlines are clock_usec's, so that nobody waits longer or shorter when the time of day is set. */
#pragma once

#include <pthread.h>
#include <stdint.h>

/* To be destroyed by pthread_cond_destroy. */
void condition_init(pthread_cond_t *condition);
/* With the lock held, as pthread_cond_wait: 0, for no reason too, or ETIMEDOUT at deadline_usec; UINT64_MAX: never. */
int condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t deadline_usec);
