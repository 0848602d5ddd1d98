/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is due when: a heap of things with deadlines, cheap for those that end before theirs. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Stands inside the thing that has the deadline. */
typedef struct Deadline {
        uint64_t usec; /* clock_usec */
        size_t place;  /* in the heap, plus 1; 0: in none */
} Deadline;

/* Zeroed is empty. */
typedef struct Deadlines {
        Deadline **heap;
        size_t n, room;
} Deadlines;

void deadlines_add(Deadlines *deadlines, Deadline *deadline, uint64_t usec); /* must be in none */
void deadlines_remove(Deadlines *deadlines, Deadline *deadline);             /* nothing if it is in none */
void deadlines_clear(Deadlines *deadlines);                                  /* must be empty */

/* The earliest, or NULL. */
static inline Deadline *deadlines_first(const Deadlines *deadlines)
{
        return deadlines->n ? deadlines->heap[0] : NULL;
}
