/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one event loop of a process: libuv's, with posting from other threads. */
#pragma once

#include <stdint.h>

#include <uv.h>

typedef struct Loop Loop;
typedef void (*LoopFunction)(void *data);

Loop *loop_new(void);
void loop_free(Loop *loop);
uv_loop_t *loop_uv(Loop *loop);
void loop_run(Loop *loop);  /* until loop_stop */
void loop_stop(Loop *loop); /* any thread */
/* Runs function(data) on the loop's thread, soon, in the order of posting. Any thread; never blocks. */
void loop_post(Loop *loop, LoopFunction function, void *data);

uint64_t clock_usec(void);      /* CLOCK_MONOTONIC, microseconds; the base of every deadline */
uint64_t clock_real_usec(void); /* CLOCK_REALTIME */
