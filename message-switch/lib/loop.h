/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one event loop of a process: libuv's, with posting from other threads. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

typedef struct Loop Loop;
typedef void (*LoopFunction)(void *data);

Loop *loop_new(void);
/* Runs what is still posted and the close callbacks of handles that are being closed. Handles of others must have been
 * closed before (uv_close called). NULL is legal. */
void loop_free(Loop *loop);
uv_loop_t *loop_uv(Loop *loop);
void loop_run(Loop *loop);  /* until loop_stop; the calling thread is the loop's from now on */
void loop_stop(Loop *loop); /* any thread; functions posted before still run */
/* Runs function(data) on the loop's thread, soon, in the order of posting. Any thread; never blocks. */
void loop_post(Loop *loop, LoopFunction function, void *data);
/* Whether the calling thread is the one that runs the loop (or made it, before it was ever run). */
bool loop_is_here(Loop *loop);

uint64_t clock_usec(void);      /* CLOCK_MONOTONIC, microseconds; the base of every deadline */
uint64_t clock_real_usec(void); /* CLOCK_REALTIME */
