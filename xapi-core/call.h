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
        Str session; /* its reference, not what the client sent (session_ref); "" for messages without one */
        Str task; /* the task's ref: in the store for calls that have a task there; else DummyRef on a worker, "" on
                      * the loop */
        bool task_stored;
        bool task_kept;      /* on the disk from the beginning */
        uint32_t roles;      /* ROLE_ bits of the session */
        bool local_root;     /* the session is the local super-user's */
        bool local_socket;   /* came over the unix socket */
        Txn *txn;            /* PLACE_LOOP: use call_txn() */
        Value result;        /* of message->result's type; owned; the zero value until the handler sets it */
        uint64_t delay_usec; /* the reply, when it is an error, is held back that long (wrong passwords) */
} Call;

/* A handler's parameters are the generated struct of its message (VmStartParams), one 8-byte member a parameter.
 * It returns false with *error, or true with call->result set where the message has one.
 *
 * PLACE_LOOP: runs on the loop; reads the store and changes it in call_txn(call), which is committed after it returned
 * true and aborted otherwise; the reply waits until all is durable. It never waits for anything.
 * PLACE_THREAD: runs on a worker; opens and commits transactions itself, may call daemons and wait.
 * PLACE_URGENT: as PLACE_THREAD, but admitted from the workers' reserve when they are all busy. */
typedef bool (*HandlerFunction)(Call *call, const Value *params, XapiError **error);

typedef enum HandlerPlace { PLACE_NONE, PLACE_LOOP, PLACE_THREAD, PLACE_URGENT } HandlerPlace;

/* The generated handler structs (VmHandlers) have one member of this layout a message, its function typed with the
 * message's own parameters: `.start = { PLACE_THREAD, vm_start }`. A member left out is not written yet. */
typedef struct Handler {
        HandlerPlace place;
        HandlerFunction function;
} Handler;

Txn *call_txn(Call *call);
/* Sets the result; takes the value. Returns true, so that a handler can end with it. */
bool call_return(Call *call, Value taken);
/* The same for a string or reference, which is copied. */
bool call_return_str(Call *call, const char *text);
/* PLACE_THREAD only: sets the task's progress, 0 to 1. */
void call_progress(Call *call, double progress);
/* PLACE_THREAD only: the client asked to cancel, or the server ends. */
bool call_cancelled(Call *call);
/* PLACE_THREAD only: function(data) is called, on any thread, when call_cancelled becomes true; at once if it is;
 * perhaps more than once.
 * One at a time; NULL ends it, after which it is not running either. */
void call_on_cancel(Call *call, void (*function)(void *data), void *data);

/* PLACE_THREAD only: waits that long. False: call_cancelled. */
bool call_sleep(Call *call, uint64_t usec);

/* The row of this class, borrowed until the transaction's end, or NULL with HANDLE_INVALID [class; ref]. */
const Row *txn_require(Txn *txn, const Class *class, const char *ref, XapiError **error);
/* The same, to be changed in place. */
Row *txn_require_edit(Txn *txn, const Class *class, const char *ref, XapiError **error);
/* The same outside a transaction: returns owned (row_unref). */
const Row *store_require(Store *store, const Class *class, const char *ref, XapiError **error);
