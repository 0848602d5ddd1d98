/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cancel.h"

#include <assert.h>

#include <glib.h>

#include "condition.h"
#include "loop.h"

void cancel_init(Cancel *cancel)
{
        *cancel = (Cancel){ 0 };
        pthread_mutex_init(&cancel->lock, NULL);
        condition_init(&cancel->changed);
}

void cancel_destroy(Cancel *cancel)
{
        assert(!cancel->wake);
        pthread_cond_destroy(&cancel->changed);
        pthread_mutex_destroy(&cancel->lock);
}

void cancel_ask(Cancel *cancel)
{
        pthread_mutex_lock(&cancel->lock);
        if (!cancel->asked) {
                cancel->asked = true;
                pthread_cond_broadcast(&cancel->changed);
                if (cancel->wake)
                        cancel->wake(cancel->data);
        }
        pthread_mutex_unlock(&cancel->lock);
}

bool cancel_asked(Cancel *cancel)
{
        if (!cancel)
                return false;
        pthread_mutex_lock(&cancel->lock);
        bool asked = cancel->asked;
        pthread_mutex_unlock(&cancel->lock);
        return asked;
}

void cancel_listen(Cancel *cancel, void (*wake)(void *data), void *data)
{
        if (!cancel)
                return;
        pthread_mutex_lock(&cancel->lock);
        cancel->wake = wake;
        cancel->data = data;
        if (wake && cancel->asked)
                wake(data);
        pthread_mutex_unlock(&cancel->lock);
}

bool cancel_sleep(Cancel *cancel, uint64_t usec)
{
        if (!cancel) {
                g_usleep(usec);
                return false;
        }
        uint64_t deadline = clock_usec() + usec;
        pthread_mutex_lock(&cancel->lock);
        while (!cancel->asked && condition_wait(&cancel->changed, &cancel->lock, deadline) == 0)
                ;
        bool asked = cancel->asked;
        pthread_mutex_unlock(&cancel->lock);
        return asked;
}
