/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changed of volumes' datapaths, in order, for UPDATES.get. */
#pragma once

#include <stdint.h>

#include "idl/bus/storage.h"

#define UPDATES_KEPT 4096u /* the latest changes; who asks for older ones is told of these */

typedef struct Updates Updates;

Updates *updates_new(void);
void updates_free(Updates *updates);
/* Calls `changed` with the number of each change, or NULL: nobody. It is called with a mutex held, and may not wait. */
void updates_listen(Updates *updates, void (*changed)(uint64_t number, void *data), void *data);
/* Any thread. */
void updates_add(Updates *updates, StorageEventIdTag tag, const char *id);
/* The number of the last change before `from`, which is what an earlier answer called `next`; 0 for "", for one of another
 * process and for what is none: the beginning. */
uint64_t updates_since(Updates *updates, const char *from);
/* The changes after that one, each thing once; none is an answer, too. */
void updates_take(Updates *updates, uint64_t since, StorageUpdates *ret);
