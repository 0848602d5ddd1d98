/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads for operations that wait: small stacks, reused, limited, with a reserve for what must always get through. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define WORKERS_STACK_BYTES (512u << 10) /* of each thread's stack; touched pages alone cost memory */

typedef struct Workers Workers;
typedef void (*WorkFunction)(void *data);

/* At most `limit` operations at a time, and `reserve` more for urgent ones. */
Workers *workers_new(size_t limit, size_t reserve);
void workers_free(Workers *workers); /* waits for every operation to end */
/* Runs function(data) on a thread of its own. False, and nothing run, when at the limit (or the system has no thread
 * to give). Any thread. */
bool workers_run(Workers *workers, bool urgent, WorkFunction function, void *data);
size_t workers_busy(Workers *workers);
