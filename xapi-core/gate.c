/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include <glib.h>

struct Gate {
        pthread_mutex_t lock; /* guards all below; innermost */
        pthread_cond_t turn;
        size_t at_once, in_all;
        size_t n_inside, n;
        bool stopped;
};

Gate *gate_new(size_t at_once, size_t in_all)
{
        Gate *gate = g_new0(Gate, 1);

        gate->at_once = at_once;
        gate->in_all = in_all;
        pthread_mutex_init(&gate->lock, NULL);
        pthread_cond_init(&gate->turn, NULL);
        return gate;
}

void gate_free(Gate *gate)
{
        pthread_mutex_destroy(&gate->lock);
        pthread_cond_destroy(&gate->turn);
        g_free(gate);
}

/* With the lock held. */
static int wait_for_turn(Gate *gate)
{
        while (gate->n_inside >= gate->at_once && !gate->stopped)
                pthread_cond_wait(&gate->turn, &gate->lock);
        if (gate->stopped)
                return -ECANCELED;
        gate->n_inside++;
        return 0;
}

int gate_enter(Gate *gate)
{
        int r = -EBUSY;

        pthread_mutex_lock(&gate->lock);
        if (gate->n < gate->in_all) {
                gate->n++;
                r = wait_for_turn(gate);
                if (r < 0)
                        gate->n--;
        }
        pthread_mutex_unlock(&gate->lock);
        return r;
}

void gate_leave(Gate *gate)
{
        pthread_mutex_lock(&gate->lock);
        gate->n_inside--;
        gate->n--;
        pthread_cond_signal(&gate->turn);
        pthread_mutex_unlock(&gate->lock);
}

void gate_stop(Gate *gate)
{
        pthread_mutex_lock(&gate->lock);
        gate->stopped = true;
        pthread_cond_broadcast(&gate->turn);
        pthread_mutex_unlock(&gate->lock);
}
