/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call from its admission to its reply: where it runs, its task, its cancelling. */
#pragma once

#include "call.h"

typedef struct Job Job;

/* How a job ends: error is NULL on success, when job_call(job)->result is set. On the loop, exactly once. */
typedef void (*JobDone)(Job *job, const XapiError *error, void *data);

/* A job for a message; params are message->n_params owned values, taken. */
Job *job_new(Manager *manager, const Message *message, Value *params);
Call *job_call(Job *job);
/* Runs it and calls done. When `async`, done is called as soon as the task is durable (job_call()->task names it), and
 * the call goes on. The job frees itself. On the loop. */
void job_run(Job *job, bool async, JobDone done, void *data);

/* Work of an HTTP handler: a job like a message's, on a worker, with a task that clients see. */
typedef struct JobWork {
        const char *label; /* of its task */
        const char *session;
        uint32_t roles;
        bool local_root;
        const char *task; /* one of the client's that is to be followed; NULL: a new one */
        /* On the loop, when the task is durable, right before run: false with *error ends it. May be NULL. */
        bool (*begin)(Call *call, void *data, XapiError **error);
        bool (*run)(Call *call, void *data, XapiError **error);
        /* On the worker, after run and when the task's end is there for others to see. May be NULL. */
        void (*ended)(const XapiError *error, void *data);
        /* On the loop, exactly once, when the task has its end; error NULL: run returned true. `ran`: it was called. */
        void (*done)(const XapiError *error, bool ran, void *data);
        void *data;
} JobWork;
/* HANDLE_INVALID, RBAC_PERMISSION_DENIED or OPERATION_NOT_ALLOWED where the task is none that may be followed; then
 * nothing is called. On the loop. */
bool job_run_work(Manager *manager, const JobWork *work, XapiError **error);

/* Asks the job of this task to stop. Any thread. False: no job runs for it. */
bool job_cancel(Manager *manager, const char *task);
/* The server ends: nothing on a worker waits any longer than it must. */
void jobs_stop(Manager *manager);
