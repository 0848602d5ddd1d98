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

/* Asks the job of this task to stop. Any thread. False: no job runs for it. */
bool job_cancel(Manager *manager, const char *task);
/* The server ends: nothing on a worker waits any longer than it must. */
void jobs_stop(Manager *manager);
