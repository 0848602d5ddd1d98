/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that wait for the next change of something whose changes are numbered, and hold no thread: long polls. */
#pragma once

#include <stdint.h>

#include "loop.h"

typedef struct Waiters Waiters;

Waiters *waiters_new(Loop *loop);
/* Everybody's time is over. On the loop's thread, and nobody calls waiters_advance any more; the loop runs, or is freed,
 * afterwards. NULL is legal. */
void waiters_free(Waiters *waiters);
/* A change has the number `latest`, or several up to it have theirs. Any thread; never blocks. */
void waiters_advance(Waiters *waiters, uint64_t latest);
/* Calls `done` once, on the loop, not before this returns: as soon as there is a change after `since`, or at the deadline
 * (clock_usec's). On the loop. */
void waiters_wait(Waiters *waiters, uint64_t since, uint64_t deadline_usec,
                  void (*done)(uint64_t since, void *data), void *data);
