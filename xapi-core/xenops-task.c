/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for xenopsd's tasks. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "condition.h"
#include "manager.h"
#include "xenapi.h"
#include "xenops-internal.h"

#define WAIT_CHECK_SEC 60 /* a task is asked for at least that often, should its event be lost */

/* Somebody who waits for a task. */
typedef struct Waiter {
        pthread_cond_t changed;
        bool woken;
} Waiter;

struct XenopsTasks {
        pthread_mutex_t lock; /* innermost */
        GHashTable *waiters;  /* task id -> Waiter */
};

XenopsTasks *xenops_tasks_new(void)
{
        XenopsTasks *tasks = g_new0(XenopsTasks, 1);

        pthread_mutex_init(&tasks->lock, NULL);
        tasks->waiters = g_hash_table_new(g_str_hash, g_str_equal);
        return tasks;
}

void xenops_tasks_free(XenopsTasks *tasks)
{
        pthread_mutex_destroy(&tasks->lock);
        g_hash_table_unref(tasks->waiters);
        g_free(tasks);
}

void xenops_tasks_wake(XenopsTasks *tasks, const char *task)
{
        Waiter *w;

        pthread_mutex_lock(&tasks->lock);
        w = g_hash_table_lookup(tasks->waiters, task);
        if (w) {
                w->woken = true;
                pthread_cond_signal(&w->changed);
        }
        pthread_mutex_unlock(&tasks->lock);
}

void xenops_tasks_wake_all(XenopsTasks *tasks)
{
        GHashTableIter i;
        void *w;

        pthread_mutex_lock(&tasks->lock);
        g_hash_table_iter_init(&i, tasks->waiters);
        while (g_hash_table_iter_next(&i, NULL, &w)) {
                ((Waiter *)w)->woken = true;
                pthread_cond_signal(&((Waiter *)w)->changed);
        }
        pthread_mutex_unlock(&tasks->lock);
}

static Bus *bus_of(Xenops *x)
{
        return xenops_manager(x)->daemon->bus;
}

typedef struct Cancelling {
        XenopsTasks *tasks;
        const char *task;
} Cancelling;

static void on_cancel(void *user)
{
        Cancelling *c = user;

        xenops_tasks_wake(c->tasks, c->task);
}

static void wait_for_event(XenopsTasks *tasks, Waiter *w)
{
        uint64_t until_usec = clock_usec() + WAIT_CHECK_SEC * UINT64_C(1000000);

        pthread_mutex_lock(&tasks->lock);
        while (!w->woken)
                if (condition_wait(&w->changed, &tasks->lock, until_usec) == ETIMEDOUT)
                        break;
        w->woken = false;
        pthread_mutex_unlock(&tasks->lock);
}

static bool fail_task(Call *call, const char *vm, const char *device, const json_t *json, XapiError **error)
{
        XenopsError *e = bus_decode_error(&xenops_interface, json);

        if (e->tag == XENOPS_ERROR_CANCELLED) {
                xenops_error_free(e);
                return xapi_fail(error, ERR_TASK_CANCELLED, call->task, NULL);
        }
        return xenops_fail_device(vm, device, e, error);
}

typedef enum WaitState { WAIT_PENDING, WAIT_DONE, WAIT_FAILED } WaitState;

/* One look at the task. A call that failed, as when xenopsd restarts, is no answer yet. */
static WaitState look(Xenops *x, Call *call, const char *vm, const char *device, const char *id,
                      XapiError **error)
{
        XenopsTask task = { 0 };
        XenopsError *e = NULL;
        WaitState state = WAIT_PENDING;

        if (!xenops_task_stat(bus_of(x), XENOPS_CALL_USEC, call->task, id, &task, &e)) {
                if (e->tag == XENOPS_ERROR_DOES_NOT_EXIST) {
                        xapi_fail_internal(
                            error, "xenopsd was restarted while it worked on this: the outcome is not known");
                        state = WAIT_FAILED;
                } else if (xenops_error_failure(e) && xenops_error_failure(e)->outcome == BUS_DISCONNECTED &&
                           xenops_stopping(x)) {
                        xapi_fail_internal(error,
                                           "The server was stopped while this ran: its outcome is not known");
                        state = WAIT_FAILED;
                }
                xenops_error_free(e);
                return state;
        }
        if (task.state.tag == XENOPS_TASK_STATE_COMPLETED) {
                state = WAIT_DONE;
        } else if (task.state.tag == XENOPS_TASK_STATE_FAILED) {
                fail_task(call, vm, device, task.state.failed, error);
                state = WAIT_FAILED;
        }
        xenops_task_clear(&task);
        return state;
}

static void cancel_task(Xenops *x, const char *id)
{
        XenopsError *e = NULL;

        if (!xenops_task_cancel(bus_of(x), XENOPS_CALL_USEC, "cancel", id, &e))
                xenops_error_free(e);
}

static WaitState wait_until_ended(Xenops *x, Call *call, const char *vm, const char *device, const char *id,
                                  Waiter *w, XapiError **error)
{
        uint64_t deadline = clock_usec() + XENOPS_OPERATION_USEC;
        bool cancelled = false;

        for (;;) {
                WaitState state = look(x, call, vm, device, id, error);

                if (state != WAIT_PENDING)
                        return state;
                if (clock_usec() > deadline) {
                        cancel_task(x, id);
                        xapi_fail_internal(error,
                                           "The operation did not end in time: its outcome is not known");
                        return WAIT_FAILED;
                }
                if (!cancelled && !xenops_stopping(x) && call_cancelled(call)) {
                        cancelled = true;
                        cancel_task(x, id);
                        continue;
                }
                wait_for_event(xenops_tasks(x), w);
        }
}

bool xenops_wait(Xenops *x, Call *call, const char *vm, char *id, XapiError **error)
{
        return xenops_wait_device(x, call, vm, vm, id, error);
}

bool xenops_wait_device(Xenops *x, Call *call, const char *vm, const char *device, char *id,
                        XapiError **error)
{
        Waiter w = { 0 };
        XenopsTasks *tasks = xenops_tasks(x);
        Cancelling c = { tasks, id };
        XenopsError *e = NULL;
        WaitState state;

        condition_init(&w.changed);
        pthread_mutex_lock(&tasks->lock);
        g_hash_table_insert(tasks->waiters, id, &w);
        pthread_mutex_unlock(&tasks->lock);
        call_on_cancel(call, on_cancel, &c);
        state = wait_until_ended(x, call, vm, device, id, &w, error);
        call_on_cancel(call, NULL, NULL);
        pthread_mutex_lock(&tasks->lock);
        g_hash_table_remove(tasks->waiters, id);
        pthread_mutex_unlock(&tasks->lock);
        pthread_cond_destroy(&w.changed);
        if (!xenops_task_destroy(bus_of(x), XENOPS_CALL_USEC, call->task, id, &e))
                xenops_error_free(e);
        free(id);
        return state == WAIT_DONE;
}
