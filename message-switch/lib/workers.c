/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include <glib.h>

#include "condition.h"
#include "loop.h"

/* A thread that has had nothing to do for this long ends. */
#define WORKERS_IDLE_SEC 10

typedef struct Worker Worker;
struct Worker {
        Workers *workers;
        Worker *next_idle;
        pthread_cond_t wake;
        WorkFunction function; /* NULL: idle */
        void *data;
};

struct Workers {
        size_t limit, reserve;
        pthread_mutex_t lock; /* of all below, and of each Worker */
        pthread_cond_t ended; /* a thread has gone */
        Worker *idle;         /* latest first, so that its stack is still in the cache */
        size_t n_busy, n_threads;
        bool closing;
};

Workers *workers_new(size_t limit, size_t reserve)
{
        Workers *workers = g_new0(Workers, 1);
        workers->limit = limit;
        workers->reserve = reserve;
        pthread_mutex_init(&workers->lock, NULL);
        pthread_cond_init(&workers->ended, NULL);
        return workers;
}

static void workers_forget_idle(Workers *workers, Worker *worker)
{
        Worker **link = &workers->idle;
        while (*link != worker)
                link = &(*link)->next_idle;
        *link = worker->next_idle;
}

/* With the lock held: waits for work. False: there is none, the worker has left the idle list and should end. */
static bool worker_wait(Worker *worker)
{
        Workers *workers = worker->workers;
        worker->next_idle = workers->idle;
        workers->idle = worker;
        uint64_t until_usec = clock_usec() + WORKERS_IDLE_SEC * UINT64_C(1000000);
        while (!worker->function) {
                int r =
                    workers->closing ? ETIMEDOUT : condition_wait(&worker->wake, &workers->lock, until_usec);
                if (r == ETIMEDOUT && !worker->function) {
                        workers_forget_idle(workers, worker);
                        return false;
                }
        }
        return true;
}

static void *worker_main(void *data)
{
        Worker *worker = data;
        Workers *workers = worker->workers;
        pthread_mutex_lock(&workers->lock);
        do {
                WorkFunction function = worker->function;
                void *function_data = worker->data;
                pthread_mutex_unlock(&workers->lock);
                function(function_data);
                pthread_mutex_lock(&workers->lock);
                worker->function = NULL;
                workers->n_busy--;
        } while (worker_wait(worker));
        workers->n_threads--;
        pthread_cond_broadcast(&workers->ended);
        pthread_mutex_unlock(&workers->lock);
        pthread_cond_destroy(&worker->wake);
        g_free(worker);
        return NULL;
}

static Worker *worker_new(Workers *workers)
{
        Worker *worker = g_new0(Worker, 1);
        worker->workers = workers;
        condition_init(&worker->wake);
        return worker;
}

/* Signals are the loop's: workers start with all of them blocked. */
static int worker_start(Worker *worker)
{
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, WORKERS_STACK_BYTES);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pthread_t thread;
        int r = pthread_create(&thread, &attributes, worker_main, worker);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        return -r;
}

static bool workers_hand_out(Workers *workers, WorkFunction function, void *data)
{
        Worker *worker = workers->idle;
        if (worker) {
                workers->idle = worker->next_idle;
                worker->function = function;
                worker->data = data;
                pthread_cond_signal(&worker->wake);
                return true;
        }
        worker = worker_new(workers);
        worker->function = function;
        worker->data = data;
        if (worker_start(worker) < 0) {
                pthread_cond_destroy(&worker->wake);
                g_free(worker);
                return false;
        }
        workers->n_threads++;
        return true;
}

bool workers_run(Workers *workers, bool urgent, WorkFunction function, void *data)
{
        pthread_mutex_lock(&workers->lock);
        bool taken = workers->n_busy < workers->limit + (urgent ? workers->reserve : 0) &&
                     workers_hand_out(workers, function, data);
        if (taken)
                workers->n_busy++;
        pthread_mutex_unlock(&workers->lock);
        return taken;
}

size_t workers_busy(Workers *workers)
{
        pthread_mutex_lock(&workers->lock);
        size_t n_busy = workers->n_busy;
        pthread_mutex_unlock(&workers->lock);
        return n_busy;
}

void workers_free(Workers *workers)
{
        if (!workers)
                return;
        pthread_mutex_lock(&workers->lock);
        workers->closing = true;
        for (Worker *worker = workers->idle; worker; worker = worker->next_idle)
                pthread_cond_signal(&worker->wake);
        while (workers->n_threads)
                pthread_cond_wait(&workers->ended, &workers->lock);
        pthread_mutex_unlock(&workers->lock);
        pthread_cond_destroy(&workers->ended);
        pthread_mutex_destroy(&workers->lock);
        g_free(workers);
}
