/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include <glib.h>

#include "workers.h"

#define LIMIT   4
#define RESERVE 2
#define JOBS    10000

/* Holds whoever comes until it is opened. */
typedef struct Gate {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool open;
        unsigned n_ran;
} Gate;

static void pass(void *data)
{
        Gate *gate = data;
        pthread_mutex_lock(&gate->lock);
        while (!gate->open)
                pthread_cond_wait(&gate->changed, &gate->lock);
        gate->n_ran++;
        pthread_cond_broadcast(&gate->changed);
        pthread_mutex_unlock(&gate->lock);
}

static void gate_open(Gate *gate)
{
        pthread_mutex_lock(&gate->lock);
        gate->open = true;
        pthread_cond_broadcast(&gate->changed);
        pthread_mutex_unlock(&gate->lock);
}

#define GATE_INIT                                                                                            \
        {                                                                                                    \
                .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                       \
        }

static void test_limits(void)
{
        Gate gate = GATE_INIT;
        Workers *workers = workers_new(LIMIT, RESERVE);
        for (unsigned i = 0; i < LIMIT; i++)
                g_assert_true(workers_run(workers, false, pass, &gate));
        g_assert_false(workers_run(workers, false, pass, &gate));
        for (unsigned i = 0; i < RESERVE; i++)
                g_assert_true(workers_run(workers, true, pass, &gate));
        g_assert_false(workers_run(workers, true, pass, &gate));
        g_assert_cmpuint(workers_busy(workers), ==, LIMIT + RESERVE);
        gate_open(&gate);
        workers_free(workers); /* waits */
        g_assert_cmpuint(gate.n_ran, ==, LIMIT + RESERVE);
        workers_free(NULL);
}

static atomic_uint n_done;

static void work(void *data)
{
        sigset_t blocked;
        pthread_sigmask(SIG_SETMASK, NULL, &blocked);
        g_assert_true(sigismember(&blocked, SIGTERM)); /* signals are the loop's */
        atomic_fetch_add(&n_done, 1);
}

static void test_reuse(void)
{
        Workers *workers = workers_new(LIMIT, 0);
        unsigned n = 0;
        while (n < JOBS) {
                if (workers_run(workers, false, work, NULL))
                        n++;
                else
                        g_thread_yield();
        }
        workers_free(workers);
        g_assert_cmpuint(atomic_load(&n_done), ==, JOBS);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/workers/limits", test_limits);
        g_test_add_func("/workers/reuse", test_reuse);
        return g_test_run();
}
