/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is due when: a heap of things with deadlines and one timer of the loop, cheap for things that end before theirs. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "loop.h"

/* Stands inside the thing that has the deadline. */
typedef struct Deadline {
        uint64_t usec; /* clock_usec */
        size_t place;  /* in the heap, plus 1; 0: in none */
} Deadline;

typedef struct Deadlines Deadlines;

/* `on_due` is called on the loop for each that has passed, when it is in the heap no more. */
Deadlines *deadlines_new(Loop *loop, void (*on_due)(Deadline *deadline, void *data), void *data);
void deadlines_free(Deadlines *deadlines); /* those in it are forgotten. NULL is legal */
/* All on the loop. */
void deadlines_add(Deadlines *deadlines, Deadline *deadline, uint64_t usec); /* must be in none */
void deadlines_remove(Deadlines *deadlines, Deadline *deadline);             /* nothing if it is in none */
