/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiters.h"

#include <pthread.h>
#include <stdbool.h>

#include <glib.h>

#include "deadlines.h"

typedef struct Waiter {
        Deadline deadline; /* first: the heap gives it back */
        uint64_t since;
        void (*done)(uint64_t since, void *data);
        void *data;
} Waiter;

struct Waiters {
        Loop *loop;
        Deadlines *deadlines;
        GPtrArray *waiting;    /* the loop's own */
        pthread_mutex_t mutex; /* of what follows */
        uint64_t latest;
        bool posted, freed;
};

static void finish(Waiter *waiter)
{
        waiter->done(waiter->since, waiter->data);
        g_free(waiter);
}

static void on_due(Deadline *deadline, void *data)
{
        Waiters *waiters = data;
        Waiter *waiter = (Waiter *)deadline;

        g_ptr_array_remove_fast(waiters->waiting, waiter);
        finish(waiter);
}

/* Takes out those that have something to hear, or all, before any is told: who is told may wait again. */
static void tell(Waiters *waiters, uint64_t latest, bool all)
{
        g_autoptr(GPtrArray) told = g_ptr_array_new();

        for (guint i = waiters->waiting->len; i-- > 0;) {
                Waiter *waiter = g_ptr_array_index(waiters->waiting, i);

                if (!all && waiter->since >= latest)
                        continue;
                g_ptr_array_remove_index_fast(waiters->waiting, i);
                deadlines_remove(waiters->deadlines, &waiter->deadline);
                g_ptr_array_add(told, waiter);
        }
        for (guint i = 0; i < told->len; i++)
                finish(g_ptr_array_index(told, i));
}

static void destroy(Waiters *waiters)
{
        pthread_mutex_destroy(&waiters->mutex);
        g_free(waiters);
}

static void on_posted(void *data)
{
        Waiters *waiters = data;
        uint64_t latest;
        bool freed;

        pthread_mutex_lock(&waiters->mutex);
        waiters->posted = false;
        latest = waiters->latest;
        freed = waiters->freed;
        pthread_mutex_unlock(&waiters->mutex);
        if (freed)
                destroy(waiters);
        else
                tell(waiters, latest, false);
}

/* With the mutex held. */
static void post(Waiters *waiters)
{
        if (!waiters->posted)
                loop_post(waiters->loop, on_posted, waiters);
        waiters->posted = true;
}

void waiters_advance(Waiters *waiters, uint64_t latest)
{
        pthread_mutex_lock(&waiters->mutex);
        if (latest > waiters->latest) {
                waiters->latest = latest;
                post(waiters);
        }
        pthread_mutex_unlock(&waiters->mutex);
}

void waiters_wait(Waiters *waiters, uint64_t since, uint64_t deadline_usec,
                  void (*done)(uint64_t since, void *data), void *data)
{
        Waiter *waiter = g_new0(Waiter, 1);

        *waiter = (Waiter){ .since = since, .done = done, .data = data };
        g_ptr_array_add(waiters->waiting, waiter);
        deadlines_add(waiters->deadlines, &waiter->deadline, deadline_usec);
        pthread_mutex_lock(&waiters->mutex);
        if (since < waiters->latest)
                post(waiters);
        pthread_mutex_unlock(&waiters->mutex);
}

Waiters *waiters_new(Loop *loop)
{
        Waiters *waiters = g_new0(Waiters, 1);

        waiters->loop = loop;
        waiters->deadlines = deadlines_new(loop, on_due, waiters);
        waiters->waiting = g_ptr_array_new();
        pthread_mutex_init(&waiters->mutex, NULL);
        return waiters;
}

void waiters_free(Waiters *waiters)
{
        bool posted;

        if (waiters == NULL)
                return;
        tell(waiters, 0, true);
        deadlines_free(waiters->deadlines);
        g_ptr_array_unref(waiters->waiting);
        pthread_mutex_lock(&waiters->mutex);
        waiters->freed = true;
        posted = waiters->posted;
        pthread_mutex_unlock(&waiters->mutex);
        if (!posted)
                destroy(waiters);
}
