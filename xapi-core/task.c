/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec.h"
#include "handlers.h"
#include "job.h"
#include "manager.h"
#include "uuid.h"
#include "xenapi.h"

/* ---- the life of a task ---- */

static void mark_running(Manager *manager, TaskRow *task)
{
        Value cancel = { .i = TASK_ALLOWED_OPERATIONS_CANCEL };

        slot_str(&task->forwarded_to, manager->host);
        slot_set(&task->allowed_operations, set_with(task->allowed_operations, cancel));
}

Str task_create(Txn *txn, Manager *manager, const char *label, const char *description, const char *session,
                bool running)
{
        TaskRow *task = (TaskRow *)txn_create(txn, &CLASS_TASK, NULL, NULL);

        slot_str(&task->name_label, label);
        slot_str(&task->name_description, description);
        slot_str(&task->session, session);
        slot_str(&task->resident_on, manager->host);
        slot_str(&task->type, "<none/>");
        slot_str(&task->backtrace, "()");
        task->created = time(NULL);
        task->status = TASK_STATUS_TYPE_PENDING;
        if (running)
                mark_running(manager, task);
        return str_ref(task->row.ref);
}

static bool count_clients(const Row *row, void *user)
{
        const TaskRow *task = (const TaskRow *)row;
        size_t *n = user;

        *n += strcmp(task->forwarded_to, NULL_REF) == 0;
        return true;
}

bool task_has_room(Txn *txn, uint32_t roles, bool local_root, XapiError **error)
{
        bool manages = local_root || (roles & (ROLE_POOL_ADMIN | ROLE_POOL_OPERATOR));
        size_t n = 0;

        txn_each(txn, &CLASS_TASK, count_clients, &n);
        return n < (manages ? TASK_CLIENTS_MAX : TASK_CLIENTS_MAX / 2) ||
               xapi_fail(error, ERR_TOO_MANY_PENDING_TASKS, NULL);
}

bool task_is_ours(Txn *txn, const TaskRow *task, const char *session, uint32_t roles, bool local_root)
{
        const SessionRow *mine, *owner;

        if (local_root || (roles & (ROLE_POOL_ADMIN | ROLE_POOL_OPERATOR)))
                return true;
        mine = (const SessionRow *)txn_get(txn, &CLASS_SESSION, session);
        owner = (const SessionRow *)txn_get(txn, &CLASS_SESSION, task->session);
        return mine && owner && strcmp(mine->auth_user_name, owner->auth_user_name) == 0;
}

bool task_follow(Txn *txn, Manager *manager, const char *ref, const char *session, uint32_t roles,
                 bool local_root, XapiError **error)
{
        TaskRow *task = (TaskRow *)txn_require_edit(txn, &CLASS_TASK, ref, error);

        if (!task)
                return false;
        if (!task_is_ours(txn, task, session, roles, local_root))
                return xapi_fail(error, ERR_RBAC_PERMISSION_DENIED, "task/any",
                                 "No permission in user session", NULL);
        if (task->status != TASK_STATUS_TYPE_PENDING || strcmp(task->forwarded_to, NULL_REF) != 0)
                return xapi_fail(error, ERR_OPERATION_NOT_ALLOWED, "The task has ended, or is worked on",
                                 NULL);
        mark_running(manager, task);
        return true;
}

static void end(TaskRow *task, int64_t status)
{
        task->status = status;
        task->finished = time(NULL);
        task->progress = 1.0;
        slot_set(&task->allowed_operations, set_empty(task->allowed_operations->element));
}

void task_succeed(Txn *txn, const char *ref, const Type *type, Value result)
{
        TaskRow *task = (TaskRow *)txn_edit(txn, &CLASS_TASK, ref);
        auto_buffer text = { 0 };

        if (!task)
                return;
        value_write(&text, DIALECT_XML, type, result);
        slot_str(&task->result, buffer_terminate(&text));
        end(task, TASK_STATUS_TYPE_SUCCESS);
}

static Set *error_info(const Type *element, const XapiError *error)
{
        const char **texts = g_new0(const char *, error->n_params + 2);
        Set *set;

        texts[0] = error->code;
        for (size_t i = 0; i < error->n_params; i++)
                texts[i + 1] = error->params[i];
        set = set_of_strings(element, texts);
        g_free(texts);
        return set;
}

void task_fail(Txn *txn, const char *ref, const XapiError *error, bool cancelled)
{
        TaskRow *task = (TaskRow *)txn_edit(txn, &CLASS_TASK, ref);

        if (!task)
                return;
        slot_set(&task->error_info, error_info(task->error_info->element, error));
        end(task, cancelled && xapi_error_is(error, ERR_TASK_CANCELLED) ? TASK_STATUS_TYPE_CANCELLED
                                                                        : TASK_STATUS_TYPE_FAILURE);
}

Str task_dummy_ref(const char *label)
{
        char uuid[UUID_TEXT_SIZE];

        uuid_make(uuid);
        return str_printf("DummyRef:|%s|%s", uuid, label);
}

/* ---- what is over ---- */

static bool pending(const TaskRow *task)
{
        return task->status == TASK_STATUS_TYPE_PENDING || task->status == TASK_STATUS_TYPE_CANCELLING;
}

#define INTERRUPTED "The server was restarted while this ran: its outcome is not known"

bool task_was_interrupted(const TaskRow *task)
{
        return task->status == TASK_STATUS_TYPE_FAILURE && task->error_info->n == 2 &&
               strcmp(task->error_info->items[1].s, INTERRUPTED) == 0;
}

static void fail_interrupted(Txn *txn, void *refs)
{
        g_autoptr(XapiError) error = xapi_error_new(ERR_INTERNAL_ERROR, INTERRUPTED, NULL);

        for (char **ref = refs; *ref; ref++)
                task_fail(txn, *ref, error, false);
}

static void free_refs(void *refs)
{
        g_strfreev(refs);
}

void tasks_fail_interrupted(Store *store)
{
        g_autoptr(GStrvBuilder) interrupted = g_strv_builder_new();
        size_t n;
        const Row **rows = store_rows(store, &CLASS_TASK, &n);
        Txn *txn = txn_begin(store);
        char **refs;

        for (size_t i = 0; i < n; i++) {
                const TaskRow *task = (const TaskRow *)rows[i];

                if (pending(task) && strcmp(task->forwarded_to, NULL_REF) != 0)
                        g_strv_builder_add(interrupted, task->row.ref);
        }
        refs = g_strv_builder_end(interrupted);
        fail_interrupted(txn, refs);
        txn_owe(txn, fail_interrupted, refs, free_refs);
        txn_commit(txn, NULL, NULL);
        store_rows_free(rows, n);
}

static bool marked(const TaskRow *task)
{
        auto_str key = str_new("task");

        return map_get(task->current_operations, (Value){ .s = key });
}

/* What is worked on may take days, or seem to when the clock is set. */
static bool too_old(const TaskRow *task, time_t now)
{
        if (pending(task))
                return strcmp(task->forwarded_to, NULL_REF) == 0 &&
                       now - task->created > TASK_PENDING_KEPT_SEC;
        return now - task->finished > TASK_COMPLETED_KEPT_SEC &&
               now - task->created > TASK_COMPLETED_KEPT_SEC;
}

void tasks_collect(Store *store)
{
        time_t now = time(NULL);
        size_t n, completed = 0;
        const Row **rows = store_rows(store, &CLASS_TASK, &n);
        Txn *txn = txn_begin(store);

        for (size_t i = n; i-- > 0;) { /* the newest first: the oldest above the limit go */
                const TaskRow *task = (const TaskRow *)rows[i];

                if (!pending(task))
                        completed++;
                if (too_old(task, now) ||
                    (!pending(task) && (completed > TASK_COMPLETED_MAX || marked(task))))
                        txn_delete(txn, &CLASS_TASK, task->row.ref);
        }
        txn_commit(txn, NULL, NULL);
        store_rows_free(rows, n);
}

/* ---- which run ---- */

struct RunningTasks {
        pthread_mutex_t lock; /* held while a job is told to cancel */
        GHashTable *jobs;     /* task ref -> job */
        atomic_bool stopping;
};

RunningTasks *running_tasks_new(void)
{
        RunningTasks *running = g_new0(RunningTasks, 1);

        pthread_mutex_init(&running->lock, NULL);
        running->jobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        return running;
}

void running_tasks_free(RunningTasks *running)
{
        g_hash_table_unref(running->jobs);
        pthread_mutex_destroy(&running->lock);
        g_free(running);
}

void running_tasks_add(RunningTasks *running, const char *task, void *job)
{
        pthread_mutex_lock(&running->lock);
        g_hash_table_insert(running->jobs, g_strdup(task), job);
        pthread_mutex_unlock(&running->lock);
}

void running_tasks_remove(RunningTasks *running, const char *task)
{
        pthread_mutex_lock(&running->lock);
        g_hash_table_remove(running->jobs, task);
        pthread_mutex_unlock(&running->lock);
}

bool running_tasks_with(RunningTasks *running, const char *task, void (*function)(void *job))
{
        void *job;

        pthread_mutex_lock(&running->lock);
        job = g_hash_table_lookup(running->jobs, task);
        if (job)
                function(job);
        pthread_mutex_unlock(&running->lock);
        return job;
}

void running_tasks_stop(RunningTasks *running, void (*function)(void *job))
{
        GHashTableIter i;
        void *job;

        atomic_store(&running->stopping, true);
        pthread_mutex_lock(&running->lock);
        g_hash_table_iter_init(&i, running->jobs);
        while (g_hash_table_iter_next(&i, NULL, &job))
                function(job);
        pthread_mutex_unlock(&running->lock);
}

bool running_tasks_stopping(RunningTasks *running)
{
        return atomic_load(&running->stopping);
}
