/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One queue a VM: its operations run one after another, those of different VMs side by side. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "message-switch/lib/workers.h"

typedef struct Queues Queues;

/* Embedded in an operation, first. */
typedef struct Job {
        /* On a worker's thread; once. */
        void (*run)(struct Job *job);
        /* Called last, after `run`; the job is not touched any more. */
        void (*free)(struct Job *job);
        /* NULL, or what an urgent job calls so that this one, while it runs, ends soon. Called with the queue's lock
         * held, perhaps several times, only while `run` is under way. */
        void (*overtake)(struct Job *job);
        bool urgent; /* goes before those that wait and are not, and overtakes the one that runs */
        bool owed;   /* nobody would ask again: never refused, but late where no thread is free */
        struct Job *next;
} Job;

Queues *queues_new(Workers *workers);
void queues_free(Queues *queues); /* nothing may run or wait any more */

#define QUEUE_JOBS_MAX 256u /* that wait for one VM, urgent ones not counted */

/* 0; -EAGAIN: no thread is free, or too many wait for this VM; then neither `run` nor `free` is called. Any thread. Never
 * for one that is owed: its VM's queue waits until another's ends, or queues_kick. */
int queues_push(Queues *queues, const char *vm, Job *job);
/* Gives threads that have become free otherwise to queues that wait for one. Any thread. */
void queues_kick(Queues *queues);
/* Jobs that wait or run. */
size_t queues_length(Queues *queues);
