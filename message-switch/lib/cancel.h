/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wish that an operation should end: asked for once, heard by whatever the operation waits in. Where it is waited, NULL
 * stands for an operation that has none: the wish never comes. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Cancel {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool asked;
        void (*wake)(void *data);
        void *data;
} Cancel;

void cancel_init(Cancel *cancel);
void cancel_destroy(Cancel *cancel);
/* Any thread, any number of times. */
void cancel_ask(Cancel *cancel);
bool cancel_asked(Cancel *cancel);
/* Until it is called with NULL again, wake(data) is called once when the wish comes, at once if it has come already.
 * It is called with the lock of this object held, so that it does not run after cancel_listen(…, NULL) returned; it
 * must not call back here. */
void cancel_listen(Cancel *cancel, void (*wake)(void *data), void *data);
/* Waits for the wish. True: it came; false: the time passed. */
bool cancel_sleep(Cancel *cancel, uint64_t usec);
