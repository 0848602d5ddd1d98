/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tasks in the store, and the jobs that run for them. */
#pragma once

#include "call.h"
#include "xenapi.h"

/* A pending task. `running`: this server works on it, so that it can be cancelled, and fails if the server restarts.
 * Returns its ref, owned. */
Str task_create(Txn *txn, Manager *manager, const char *label, const char *description, const char *session,
                bool running);
void task_succeed(Txn *txn, const char *ref, const Type *type, Value result);
void task_fail(Txn *txn, const char *ref, const XapiError *error, bool cancelled);
/* Anyone may make tasks. TOO_MANY_PENDING_TASKS []: there are as many of clients' as there may be. */
bool task_has_room(Txn *txn, uint32_t roles, bool local_root, XapiError **error);
/* Whether a session with these roles may change it: its own user's, or any with pool-operator. */
bool task_is_ours(Txn *txn, const TaskRow *task, const char *session, uint32_t roles, bool local_root);
/* From now on this server works on a pending task that a client made (task.create). HANDLE_INVALID,
 * RBAC_PERMISSION_DENIED, or OPERATION_NOT_ALLOWED where it has ended or is worked on. */
bool task_follow(Txn *txn, Manager *manager, const char *ref, const char *session, uint32_t roles,
                 bool local_root, XapiError **error);
/* "DummyRef:|<uuid>|label", for calls whose task is not in the store. Returns owned. */
Str task_dummy_ref(const char *label);

/* Whether it is one of those that tasks_fail_interrupted ended, at this start or an earlier one. */
bool task_was_interrupted(const TaskRow *task);
/* At start: the tasks of a server that died have ended, and nobody knows how. */
void tasks_fail_interrupted(Store *store);
/* Forgets what is finished or abandoned for long enough. */
void tasks_collect(Store *store);

#define TASK_COMPLETED_KEPT_SEC (65 * 60)
#define TASK_PENDING_KEPT_SEC   (24 * 60 * 60)
#define TASK_COMPLETED_MAX      200
#define TASK_CLIENTS_MAX        10000 /* of those that clients made; half of it without a role that manages */
#define TASK_TEXT_BYTES_MAX     (32u << 10) /* of each field that clients write */

/* Which jobs run, by task. */
typedef struct RunningTasks RunningTasks;
RunningTasks *running_tasks_new(void);
void running_tasks_free(RunningTasks *running);
void running_tasks_add(RunningTasks *running, const char *task, void *job);
void running_tasks_remove(RunningTasks *running, const char *task);
/* Calls function for each that runs; those that come later find out by running_tasks_stopping. */
void running_tasks_stop(RunningTasks *running, void (*function)(void *job));
bool running_tasks_stopping(RunningTasks *running);
/* Calls function(job), the job kept from going away meanwhile. False: none runs. */
bool running_tasks_with(RunningTasks *running, const char *task, void (*function)(void *job));
