/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "codec.h"
#include "condition.h"
#include "daemon.h"
#include "generic.h"
#include "handlers.h"
#include "manager.h"
#include "task.h"
#include "xenapi.h"

struct Job {
        Call call; /* first: handlers are given it, and job_of goes back */
        Value *params;
        const Handler *handler;
        bool async;
        bool listed;  /* in Manager.running */
        JobWork work; /* of a job that is no message's; run NULL: it is one's */
        bool ran;
        JobDone done;
        void *data;
        XapiError *error;
        atomic_bool cancelled;       /* the client asked for it */
        pthread_mutex_t cancel_lock; /* guards the two below; taken under no other lock but RunningTasks' */
        void (*on_cancel)(void *data);
        void *on_cancel_data;
};

static Job *job_of(Call *call)
{
        return (Job *)call;
}

Job *job_new(Manager *manager, const Message *message, Value *params)
{
        Job *job = g_new0(Job, 1);

        job->call.manager = manager;
        job->call.store = manager->store;
        job->call.message = message;
        job->call.session = str_empty();
        job->call.task = str_empty();
        job->call.result = value_zero(message->result);
        job->params = params;
        job->handler = handler_find(message);
        pthread_mutex_init(&job->cancel_lock, NULL);
        return job;
}

Call *job_call(Job *job)
{
        return &job->call;
}

static void job_free(Job *job)
{
        const Message *m = job->call.message;

        for (size_t i = 0; i < m->n_params; i++)
                value_unref(m->params[i].type, job->params[i]);
        g_free(job->params);
        value_unref(m->result, job->call.result);
        str_unref(job->call.session);
        str_unref(job->call.task);
        xapi_error_free(job->error);
        pthread_mutex_destroy(&job->cancel_lock);
        g_free(job);
}

bool call_cancelled(Call *call)
{
        return atomic_load(&job_of(call)->cancelled) || running_tasks_stopping(call->manager->running);
}

void call_on_cancel(Call *call, void (*function)(void *data), void *data)
{
        Job *job = job_of(call);

        pthread_mutex_lock(&job->cancel_lock);
        job->on_cancel = function;
        job->on_cancel_data = data;
        if (function && call_cancelled(call))
                function(data);
        pthread_mutex_unlock(&job->cancel_lock);
}

typedef struct Sleep {
        pthread_mutex_t lock;
        pthread_cond_t woken;
        bool cancelled;
} Sleep;

static void wake(void *user)
{
        Sleep *sleep = user;

        pthread_mutex_lock(&sleep->lock);
        sleep->cancelled = true;
        pthread_cond_signal(&sleep->woken);
        pthread_mutex_unlock(&sleep->lock);
}

bool call_sleep(Call *call, uint64_t usec)
{
        Sleep sleep = { .lock = PTHREAD_MUTEX_INITIALIZER };
        uint64_t deadline_usec = clock_usec() + usec;

        condition_init(&sleep.woken);
        call_on_cancel(call, wake, &sleep);
        pthread_mutex_lock(&sleep.lock);
        while (!sleep.cancelled && condition_wait(&sleep.woken, &sleep.lock, deadline_usec) == 0)
                ;
        pthread_mutex_unlock(&sleep.lock);
        call_on_cancel(call, NULL, NULL);
        pthread_cond_destroy(&sleep.woken);
        return !sleep.cancelled;
}

static void cancel(void *user)
{
        Job *job = user;

        pthread_mutex_lock(&job->cancel_lock);
        if (!atomic_exchange(&job->cancelled, true) && job->on_cancel)
                job->on_cancel(job->on_cancel_data);
        pthread_mutex_unlock(&job->cancel_lock);
}

bool job_cancel(Manager *manager, const char *task)
{
        return running_tasks_with(manager->running, task, cancel);
}

static void interrupt(void *user)
{
        Job *job = user;

        pthread_mutex_lock(&job->cancel_lock);
        if (job->on_cancel)
                job->on_cancel(job->on_cancel_data);
        pthread_mutex_unlock(&job->cancel_lock);
}

void jobs_stop(Manager *manager)
{
        running_tasks_stop(manager->running, interrupt);
}

void call_progress(Call *call, double progress)
{
        Txn *txn;
        TaskRow *task;

        if (!call->task_stored)
                return;
        txn = txn_begin(call->store);
        task = (TaskRow *)txn_edit(txn, &CLASS_TASK, call->task);
        if (task)
                task->progress = progress;
        txn_commit(txn, NULL, NULL);
}

/* ---- the end ---- */

static void finish_on_loop(void *user)
{
        Job *job = user;

        if (job->done)
                job->done(job, job->error, job->data);
        if (job->work.done)
                job->work.done(job->error, job->ran, job->work.data);
        job_free(job);
}

static void finish(Job *job)
{
        loop_post(job->call.manager->daemon->loop, finish_on_loop, job);
}

static void list(Job *job)
{
        job->listed = true;
        running_tasks_add(job->call.manager->running, job->call.task, job);
}

typedef struct TaskEnd {
        Str task;
        bool forgotten, cancelled;
        XapiError *error; /* NULL: it succeeded */
        const Type *type;
        Value result;
} TaskEnd;

static void task_end_free(void *user)
{
        TaskEnd *end = user;

        str_unref(end->task);
        xapi_error_free(end->error);
        value_unref(end->type, end->result);
        g_free(end);
}

static void write_task_end(Txn *txn, void *user)
{
        const TaskEnd *end = user;

        if (end->forgotten)
                txn_delete(txn, &CLASS_TASK, end->task);
        else if (end->error)
                task_fail(txn, end->task, end->error, end->cancelled);
        else
                task_succeed(txn, end->task, end->type, end->result);
}

/* The task says how it ended, even if the disk refuses that for now; nobody waits but those who watch the task. */
static void end_task(Job *job, bool wait)
{
        const Type *type = job->call.message->result;
        TaskEnd *end;
        Txn *txn;

        if (job->listed)
                running_tasks_remove(job->call.manager->running, job->call.task);
        if (!job->call.task_stored)
                return;
        end = g_new(TaskEnd, 1);
        *end = (TaskEnd){ .task = str_ref(job->call.task),
                          .forgotten = !job->async,
                          .cancelled = atomic_load(&job->cancelled),
                          .error = job->error ? xapi_error_copy(job->error) : NULL,
                          .type = type,
                          .result = value_ref(type, job->call.result) };
        txn = txn_begin(job->call.store);
        write_task_end(txn, end);
        txn_owe(txn, write_task_end, end, task_end_free);
        if (wait) {
                XapiError *owed = NULL;

                txn_commit_wait(txn, &owed);
                xapi_error_free(owed);
        } else {
                txn_commit(txn, NULL, NULL);
        }
}

static void end_job(Job *job)
{
        end_task(job, false);
        finish(job);
}

/* ---- on the loop ---- */

static void durable(const XapiError *error, void *user)
{
        Job *job = user;

        if (error)
                job->error = xapi_error_copy(error);
        end_job(job);
}

static bool run_handler(Job *job)
{
        if (job->work.run) {
                job->ran = true;
                return job->work.run(&job->call, job->work.data, &job->error);
        }
        if (!job->handler)
                return generic_call(&job->call, job->params, &job->error);
        return job->handler->function(&job->call, job->params, &job->error);
}

static void run_on_loop(Job *job)
{
        bool ok = run_handler(job);
        Txn *txn = g_steal_pointer(&job->call.txn);

        assert(ok == !job->error);
        if (txn && ok) {
                txn_commit(txn, durable, job);
                return;
        }
        if (txn)
                txn_abort(txn);
        end_task(job, false);
        finish_on_loop(job);
}

/* ---- on a thread ---- */

static void run_on_thread(void *user)
{
        Job *job = user;
        bool ok = run_handler(job);

        assert(ok == !job->error);
        assert(!job->call.txn);
        if (!job->work.ended) {
                end_job(job);
                return;
        }
        end_task(job, true);
        job->work.ended(job->error, job->work.data);
        finish(job);
}

static void start(Job *job)
{
        Manager *manager = job->call.manager;
        HandlerPlace place = job->handler ? job->handler->place : PLACE_LOOP;

        if (place == PLACE_LOOP) {
                run_on_loop(job);
                return;
        }
        if (!job->listed) {
                str_unref(job->call.task);
                job->call.task = task_dummy_ref(job->call.message->name);
                list(job);
        }
        if (workers_run(manager->daemon->workers, place == PLACE_URGENT, run_on_thread, job))
                return;
        xapi_fail(&job->error, ERR_TOO_BUSY, NULL);
        end_job(job);
}

/* ---- tasks ---- */

/* Upstream gives synchronous calls a task that clients can see only where VM.current_operations needs one. */
static bool sync_task_stored(const Message *m)
{
        if (m->class != &CLASS_VM || !m->async)
                return false;
        return m->tag == MESSAGE_CTOR || m->tag == MESSAGE_DTOR ||
               enum_index(&ENUM_VM_OPERATIONS, strchr(m->name, '.') + 1) >= 0;
}

typedef struct AsyncReply {
        Manager *manager;
        JobDone done;
        void *data;
        Job *job; /* only its call is shown to done: a copy, since the job goes on and frees itself */
        XapiError *error;
} AsyncReply;

static void async_reply_on_loop(void *user)
{
        AsyncReply *reply = user;

        reply->done(reply->job, reply->error, reply->data);
        xapi_error_free(reply->error);
        job_free(reply->job);
        g_free(reply);
}

static void task_durable(const XapiError *error, void *user)
{
        AsyncReply *reply = user;

        if (error)
                reply->error = xapi_error_copy(error);
        loop_post(reply->manager->daemon->loop, async_reply_on_loop, reply);
}

static AsyncReply *async_reply_new(Job *job)
{
        AsyncReply *reply = g_new0(AsyncReply, 1);
        Job *shown = job_new(job->call.manager, job->call.message, NULL);

        shown->params = g_new0(Value, job->call.message->n_params + 1);
        for (size_t i = 0; i < job->call.message->n_params; i++)
                shown->params[i] = value_ref(job->call.message->params[i].type, job->params[i]);
        str_set(&shown->call.task, job->call.task);
        reply->manager = job->call.manager;
        reply->done = g_steal_pointer(&job->done);
        reply->data = job->data;
        reply->job = shown;
        return reply;
}

static void make_task(Job *job)
{
        const Message *m = job->call.message;
        auto_str label = NULL;
        Txn *txn;

        job->call.task_stored = job->async || sync_task_stored(m);
        job->call.task_kept = job->async;
        if (!job->call.task_stored)
                return;
        label = job->async ? str_printf("Async.%s", m->name) : str_new(m->name);
        txn = txn_begin(job->call.store);
        str_unref(job->call.task);
        job->call.task = task_create(txn, job->call.manager, label, "", job->call.session, true);
        list(job);
        if (job->async) {
                txn_commit(txn, task_durable, async_reply_new(job));
                return;
        }
        txn_make_volatile(txn, &CLASS_TASK, job->call.task);
        txn_commit(txn, NULL, NULL);
}

void job_run(Job *job, bool async, JobDone done, void *data)
{
        job->async = async;
        job->done = done;
        job->data = data;
        make_task(job);
        start(job);
}

/* ---- work that is no message's ---- */

static const Type NOTHING = { .kind = TYPE_VOID };
static const Message WORK = { .name = "", .result = &NOTHING, .handler = -1 };

static void begin_work(void *user)
{
        Job *job = user;

        if (!job->error && call_cancelled(&job->call))
                xapi_fail(&job->error, ERR_TASK_CANCELLED, job->call.task, NULL);
        if (!job->error && job->work.begin && !job->work.begin(&job->call, job->work.data, &job->error))
                assert(job->error);
        if (!job->error) {
                if (workers_run(job->call.manager->daemon->workers, false, run_on_thread, job))
                        return; /* it is the worker's now */
                xapi_fail(&job->error, ERR_TOO_BUSY, NULL);
        }
        end_job(job);
}

static void work_durable(const XapiError *error, void *user)
{
        Job *job = user;

        if (error)
                job->error = xapi_error_copy(error);
        loop_post(job->call.manager->daemon->loop, begin_work, job);
}

bool job_run_work(Manager *manager, const JobWork *work, XapiError **error)
{
        Txn *txn = txn_begin(manager->store);
        Job *job;
        Str task;

        if (!work->task)
                task = task_create(txn, manager, work->label, "", work->session, true);
        else if (task_follow(txn, manager, work->task, work->session, work->roles, work->local_root, error))
                task = str_new(work->task);
        else {
                txn_abort(txn);
                return false;
        }
        job = job_new(manager, &WORK, g_new0(Value, 1));
        job->work = *work;
        job->async = true; /* its task stays, for clients to see how it ended */
        str_set(&job->call.session, work->session);
        job->call.roles = work->roles;
        job->call.local_root = work->local_root;
        str_unref(job->call.task);
        job->call.task = task;
        job->call.task_stored = true;
        list(job);
        txn_commit(txn, work_durable, job);
        return true;
}
