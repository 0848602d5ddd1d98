/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An operation as a list of steps: done in order, undone in reverse when one fails. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "task.h"
#include "xenops.h"

typedef struct Step {
        const char *name; /* for logs; borrowed */
        /* Does it, whole or not at all. False: *error is set. */
        bool (*run)(void *context, const void *item, XenopsError **error);
        /* Undoes it once it has been done; cannot fail. NULL: there is nothing to undo. */
        void (*undo)(void *context, const void *item);
        const void *item; /* the device that the step is about, or NULL; borrowed */
} Step;

typedef struct Steps {
        Step *items;
        size_t n;
} Steps;
void steps_add(Steps *steps, const Step *step); /* copied */
void steps_clear(Steps *steps);
#define auto_steps __attribute__((cleanup(steps_clear))) Steps

/* Runs the steps; tells the task how far they got. Between two of them it ends with Cancelled when the task was
 * cancelled. False: all that was done is undone. */
bool steps_run(const Steps *steps, void *context, Task *task, XenopsError **error);
