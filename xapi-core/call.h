/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One XenAPI call under way: what handlers are given, and the shape of their tables. */
#pragma once

#include "error.h"
#include "model.h"
#include "store.h"

typedef struct Manager Manager;

typedef struct Call {
        Manager *manager;
        Store *store;
        const Message *message;
        Str session;      /* "" for messages without one */
        Str task;         /* the task's ref: of the database for async messages, else DummyRef */
        uint32_t role;    /* ROLE_ bit(s) of the session */
        bool local_root;  /* came as the local super-user */
        Txn *txn;         /* PLACE_LOOP: use call_txn() */
        Value result;     /* of message->result's type; owned */
} Call;

/* A handler's parameters are the generated struct of its message (VmStartParams), one 8-byte member a parameter.
 * It returns false with *error, or true with call->result set where the message has one.
 *
 * PLACE_LOOP: runs on the loop; reads the store and changes it in call_txn(call), which is committed after it returned
 * true and aborted otherwise; the reply waits until all is durable. It never waits for anything.
 * PLACE_THREAD: runs on a worker; opens and commits transactions itself, may call daemons and wait. */
typedef bool (*HandlerFunction)(Call *call, const Value *params, XapiError **error);

typedef enum HandlerPlace { PLACE_NONE, PLACE_LOOP, PLACE_THREAD, PLACE_URGENT } HandlerPlace;

/* The generated handler structs (VmHandlers) have one member of this layout a message, its function typed with the
 * message's own parameters: `.start = { PLACE_THREAD, vm_start }`. A member left out is not written yet. PLACE_URGENT is
 * PLACE_THREAD from the workers' reserve. */
typedef struct Handler {
        HandlerPlace place;
        HandlerFunction function;
} Handler;

Txn *call_txn(Call *call);
/* Progress of the task, 0 to 1; true when the client has asked to cancel. PLACE_THREAD only. */
bool call_progress(Call *call, double progress);
bool call_cancelled(Call *call);
