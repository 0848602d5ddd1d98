/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changed of volumes' datapaths, in order, for UPDATES.get. */
#pragma once

#include <stdbool.h>

#include "idl/bus/storage.h"

#define UPDATES_KEPT    4096u /* the latest changes; who asks for older ones is told of these */
#define UPDATES_WAITERS 64u   /* calls that wait at a time: each has a thread */

typedef struct Updates Updates;

Updates *updates_new(void);
void updates_close(Updates *updates); /* from now on nobody waits */
void updates_free(Updates *updates);
void updates_add(Updates *updates, StorageEventIdTag tag, const char *id);
/* The changes after `from` ("": from the beginning), each thing once; waits until deadline_usec (clock_usec) if there is
 * none. `from` of another process counts as the beginning. Fails when too many wait already. */
bool updates_get(Updates *updates, const char *from, uint64_t deadline_usec, StorageUpdates *ret,
                 StorageError **error);
