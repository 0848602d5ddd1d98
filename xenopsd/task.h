/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client asked for and can follow: an operation's progress, end, and cancelling. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message-switch/lib/cancel.h"
#include "updates.h"
#include "xenops.h"

typedef struct Task Task;
typedef struct Tasks Tasks;

typedef enum TaskState { TASK_PENDING, TASK_COMPLETED, TASK_FAILED } TaskState;

/* What Task.stat tells; all of it owned by whoever asked. */
typedef struct TaskStat {
        char *id;
        char *label;    /* the first line of debug_info */
        double created; /* seconds since the epoch */
        TaskState state;
        double progress;    /* TASK_PENDING */
        double duration;    /* seconds; once ended */
        XenopsError *error; /* TASK_FAILED */
        bool cancellable;
} TaskStat;
void task_stat_clear(TaskStat *stat);

Tasks *tasks_new(Updates *updates);
void tasks_free(Tasks *tasks);

#define TASKS_ENDED_MAX 10000u /* ended tasks that nobody destroyed: the oldest go first */

/* A task for what debug_info asks for. When an operation of that id is known, its task, and *ret_repeat is true.
 * Returns owned (task_unref). */
Task *tasks_begin(Tasks *tasks, const char *debug_info, bool *ret_repeat);
/* One that no client asked for: not listed, and nobody is told of its end. Returns owned. */
Task *tasks_begin_silent(Tasks *tasks, const char *label);
/* NULL: no such task. Returns owned. */
Task *tasks_find(Tasks *tasks, const char *id);
/* Forgets the task: at once when it has ended, else as soon as it ends. False: no such task. */
bool tasks_destroy(Tasks *tasks, const char *id);
/* All of them; returns owned (the array by g_free, each by task_stat_clear). */
TaskStat *tasks_list(Tasks *tasks, size_t *ret_n);

void task_unref(Task *task);
const char *task_id(const Task *task);
const char *task_debug_info(const Task *task);
TaskStat task_stat(Task *task);
Cancel *task_cancel(Task *task);
/* False, with the error Cancelled, when it was asked for. */
bool task_check_cancelled(Task *task, XenopsError **error);
void task_set_progress(Task *task, double progress);
/* Ends it; takes the error (NULL: it succeeded). Exactly once. */
void task_end(Task *task, XenopsError *error);
/* Waits for the end. Takes part of no lock; for tests and for operations made of others. */
void task_wait(Task *task);
