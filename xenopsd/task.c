/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "message-switch/lib/condition.h"
#include "message-switch/lib/loop.h"
#include "message-switch/lib/service.h"

struct Task {
        Tasks *tasks;
        unsigned refs; /* under Tasks.lock, as is all that changes */
        char *id, *debug_info;
        const char *operation; /* in debug_info; NULL: none, or not in by_operation */
        double created;
        uint64_t began_usec;
        TaskState state;
        double progress, duration;
        XenopsError *error;
        bool known; /* in by_id */
        bool destroy_on_finish;
        Cancel cancel;
        pthread_cond_t ended;
        GList link; /* in Tasks.ended */
};

struct Tasks {
        Updates *updates;
        pthread_mutex_t lock;
        GHashTable *by_id, *by_operation;
        GQueue ended;         /* the oldest first */
        uint64_t first, last; /* of this process: they tell its tasks' ids from those of its predecessors */
};

Tasks *tasks_new(Updates *updates)
{
        Tasks *tasks = g_new0(Tasks, 1);
        tasks->updates = updates;
        pthread_mutex_init(&tasks->lock, NULL);
        tasks->by_id = g_hash_table_new(g_str_hash, g_str_equal);
        tasks->by_operation = g_hash_table_new(g_str_hash, g_str_equal);
        g_queue_init(&tasks->ended);
        tasks->first = clock_real_usec();
        return tasks;
}

static void task_free(Task *task)
{
        cancel_destroy(&task->cancel);
        pthread_cond_destroy(&task->ended);
        xenops_error_free(task->error);
        g_free(task->id);
        g_free(task->debug_info);
        g_free(task);
}

static void task_unref_locked(Task *task)
{
        if (--task->refs == 0)
                task_free(task);
}

void task_unref(Task *task)
{
        if (!task)
                return;
        Tasks *tasks = task->tasks;
        pthread_mutex_lock(&tasks->lock);
        task_unref_locked(task);
        pthread_mutex_unlock(&tasks->lock);
}

static void task_forget(Tasks *tasks, Task *task)
{
        if (!task->known)
                return;
        task->known = false;
        g_hash_table_remove(tasks->by_id, task->id);
        if (task->operation)
                g_hash_table_remove(tasks->by_operation, task->operation);
        if (task->state != TASK_PENDING)
                g_queue_unlink(&tasks->ended, &task->link);
        updates_forget(tasks->updates, UPDATE_TASK, task->id, NULL);
        task_unref_locked(task);
}

void tasks_free(Tasks *tasks)
{
        if (!tasks)
                return;
        GHashTableIter iter;
        gpointer task;
        g_hash_table_iter_init(&iter, tasks->by_id);
        while (g_hash_table_iter_next(&iter, NULL, &task)) {
                assert(((Task *)task)->refs == 1);
                task_free(task);
        }
        g_hash_table_destroy(tasks->by_id);
        g_hash_table_destroy(tasks->by_operation);
        pthread_mutex_destroy(&tasks->lock);
        g_free(tasks);
}

static Task *task_new(Tasks *tasks, const char *debug_info)
{
        Task *task = g_new0(Task, 1);
        task->tasks = tasks;
        task->refs = 1;
        task->id = g_strdup_printf("%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT, tasks->first, ++tasks->last);
        task->debug_info = g_strdup(debug_info);
        task->created = (double)clock_real_usec() / 1e6;
        task->began_usec = clock_usec();
        cancel_init(&task->cancel);
        condition_init(&task->ended);
        return task;
}

Task *tasks_begin(Tasks *tasks, const char *debug_info, bool *ret_repeat)
{
        const char *operation = service_operation_id(debug_info);
        pthread_mutex_lock(&tasks->lock);
        Task *task = operation ? g_hash_table_lookup(tasks->by_operation, operation) : NULL;
        *ret_repeat = task;
        if (!task) {
                task = task_new(tasks, debug_info);
                task->operation = service_operation_id(task->debug_info);
                task->known = true;
                g_hash_table_insert(tasks->by_id, task->id, task);
                if (task->operation)
                        g_hash_table_insert(tasks->by_operation, (gpointer)task->operation, task);
        }
        task->refs++;
        pthread_mutex_unlock(&tasks->lock);
        return task;
}

Task *tasks_begin_silent(Tasks *tasks, const char *label)
{
        pthread_mutex_lock(&tasks->lock);
        Task *task = task_new(tasks, label);
        pthread_mutex_unlock(&tasks->lock);
        return task;
}

Task *tasks_find(Tasks *tasks, const char *id)
{
        pthread_mutex_lock(&tasks->lock);
        Task *task = g_hash_table_lookup(tasks->by_id, id);
        if (task)
                task->refs++;
        pthread_mutex_unlock(&tasks->lock);
        return task;
}

bool tasks_destroy(Tasks *tasks, const char *id)
{
        pthread_mutex_lock(&tasks->lock);
        Task *task = g_hash_table_lookup(tasks->by_id, id);
        bool found = task;
        if (task && task->state == TASK_PENDING)
                task->destroy_on_finish = true;
        else if (task)
                task_forget(tasks, task);
        pthread_mutex_unlock(&tasks->lock);
        return found;
}

const char *task_id(const Task *task)
{
        return task->id;
}

const char *task_debug_info(const Task *task)
{
        return task->debug_info;
}

static TaskStat task_stat_locked(Task *task)
{
        return (TaskStat){
                .id = g_strdup(task->id),
                .label = g_strndup(task->debug_info, strcspn(task->debug_info, "\n")),
                .created = task->created,
                .state = task->state,
                .progress = task->progress,
                .duration = task->duration,
                .error = task->error ? xenops_error_dup(task->error) : NULL,
                .cancellable = task->state == TASK_PENDING && !cancel_asked(&task->cancel),
        };
}

TaskStat task_stat(Task *task)
{
        pthread_mutex_lock(&task->tasks->lock);
        TaskStat stat = task_stat_locked(task);
        pthread_mutex_unlock(&task->tasks->lock);
        return stat;
}

void task_stat_clear(TaskStat *stat)
{
        g_free(stat->id);
        g_free(stat->label);
        xenops_error_free(stat->error);
        *stat = (TaskStat){ 0 };
}

TaskStat *tasks_list(Tasks *tasks, size_t *ret_n)
{
        pthread_mutex_lock(&tasks->lock);
        TaskStat *stats = g_new(TaskStat, g_hash_table_size(tasks->by_id));
        GHashTableIter iter;
        gpointer task;
        *ret_n = 0;
        g_hash_table_iter_init(&iter, tasks->by_id);
        while (g_hash_table_iter_next(&iter, NULL, &task))
                stats[(*ret_n)++] = task_stat_locked(task);
        pthread_mutex_unlock(&tasks->lock);
        return stats;
}

Cancel *task_cancel(Task *task)
{
        return &task->cancel;
}

bool task_check_cancelled(Task *task, XenopsError **error)
{
        return !cancel_asked(&task->cancel) || xenops_fail_cancelled(error, task->id);
}

void task_set_progress(Task *task, double progress)
{
        pthread_mutex_lock(&task->tasks->lock);
        task->progress = progress;
        pthread_mutex_unlock(&task->tasks->lock);
}

void task_end(Task *task, XenopsError *error)
{
        Tasks *tasks = task->tasks;
        pthread_mutex_lock(&tasks->lock);
        assert(task->state == TASK_PENDING);
        task->state = error ? TASK_FAILED : TASK_COMPLETED;
        task->error = error;
        task->duration = (double)(clock_usec() - task->began_usec) / 1e6;
        pthread_cond_broadcast(&task->ended);
        if (task->known) {
                task->link.data = task;
                g_queue_push_tail_link(&tasks->ended, &task->link);
                updates_add(tasks->updates, UPDATE_TASK, task->id, NULL);
        }
        if (task->destroy_on_finish)
                task_forget(tasks, task);
        while (tasks->ended.length > TASKS_ENDED_MAX)
                task_forget(tasks, tasks->ended.head->data);
        pthread_mutex_unlock(&tasks->lock);
}

void task_wait(Task *task)
{
        pthread_mutex_lock(&task->tasks->lock);
        while (task->state == TASK_PENDING)
                pthread_cond_wait(&task->ended, &task->tasks->lock);
        pthread_mutex_unlock(&task->tasks->lock);
}
