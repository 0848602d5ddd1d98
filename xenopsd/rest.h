/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that restarts itself, or stops, again and again would keep the host busy: from the second time on it rests before it
 * goes on. */
#pragma once

#include <stdint.h>

typedef struct Rests Rests;

/* Twice within `window_usec` is again; then it rests for `usec`. */
Rests *rests_new(uint64_t window_usec, uint64_t usec);
void rests_free(Rests *rests); /* NULL is legal */

/* The guest ended, and is about to go on: how long it is to rest before, 0 for not at all. Any thread, as what follows. */
uint64_t rests_note(Rests *rests, const char *vm, uint64_t now_usec);
void rests_forget(Rests *rests, const char *vm);
