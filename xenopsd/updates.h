/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changed lately: the ids of changed objects in the order of their latest change, for UPDATES.get to wait on.
 * Counters grow over a restart too, for they begin at the clock's microseconds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message-switch/lib/loop.h"

typedef enum UpdateKind {
        UPDATE_VM,
        UPDATE_VBD,
        UPDATE_VIF,
        UPDATE_PCI,
        UPDATE_VGPU,
        UPDATE_VUSB,
        UPDATE_TASK,
} UpdateKind;

/* An object: a VM or a task by its id, a device by its VM's and its own. */
typedef struct UpdateId {
        UpdateKind kind;
        char *id;
        char *device; /* NULL for a VM and a task */
} UpdateId;

typedef struct UpdateBarrier {
        int64_t id;
        size_t n_ids;
        UpdateId *ids;
} UpdateBarrier;

/* Owned by whoever got it. */
typedef struct UpdateBatch {
        size_t n_barriers;
        UpdateBarrier *barriers;
        size_t n_ids;
        UpdateId *ids;
        uint64_t next; /* to be passed as `since` the next time */
} UpdateBatch;
void update_batch_clear(UpdateBatch *batch);

typedef struct Updates Updates;

Updates *updates_new(Loop *loop);
/* Nothing may be added any more. The loop must run, or be freed, after; waiters are then answered with what there
 * is. NULL is legal. */
void updates_free(Updates *updates);

#define UPDATES_GONE_MAX     4096u /* removed objects that are still told of */
#define UPDATES_BARRIERS_MAX 1024u

/* The object changed. Any thread. */
void updates_add(Updates *updates, UpdateKind kind, const char *id, const char *device);
/* The object is gone: told once more, and forgotten once UPDATES_GONE_MAX others went later. Any thread. */
void updates_gone(Updates *updates, UpdateKind kind, const char *id, const char *device);
/* The object is gone and nobody need hear of it. Any thread. */
void updates_forget(Updates *updates, UpdateKind kind, const char *id, const char *device);
/* A mark that getters meet after all that happened before, with the VM's objects as they are known. Any thread.
 * 0, or -ENOSPC past UPDATES_BARRIERS_MAX. */
int updates_inject_barrier(Updates *updates, int64_t barrier, const char *vm, size_t n_devices,
                           const UpdateId *devices);
void updates_remove_barrier(Updates *updates, int64_t barrier);
uint64_t updates_last(Updates *updates); /* of the latest change */

/* All that happened after `since` (0, or what was never given out: all that is known), at once or as soon as there is any, or nothing, with the
 * same `next`, at the deadline (clock_usec's). `done` is called once, on the loop, not before this returns; it owns
 * the batch. To be called on the loop. Holds no thread. */
void updates_wait(Updates *updates, uint64_t since, uint64_t deadline_usec,
                  void (*done)(UpdateBatch *batch, void *data), void *data);
