/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to the switch: calls others' queues, serves one's own. Reconnects by itself, for ever. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "cancel.h"
#include "frame.h"
#include "loop.h"

typedef struct Bus Bus;

/* `name` is for people (diagnostics). Connects in the background; functions of this file may be called at once. */
Bus *bus_new(Loop *loop, const char *socket_path, const char *name);
/* Ends every call (BUS_DISCONNECTED), closes the connection and refuses what comes later; no function is called any more
 * for what this connection serves. On the loop. Other threads may still use `bus` until bus_free. */
void bus_close(Bus *bus);
void bus_free(
    Bus *bus); /* closes; not from a bus callback, nor while another thread is in here. NULL is legal */
bool bus_connected(Bus *bus);
/* Called on the loop whenever the connection comes (true) or goes (false). */
void bus_on_state(Bus *bus, void (*function)(bool connected, void *data), void *data);

/* A reply or the lack of one. */
typedef struct BusReply {
        BusOutcome outcome;
        json_t *result,
            *error; /* BUS_OK: one of the two; a reply that has neither means null. Owned by the reply */
        int fds[FRAME_FDS_MAX];
        size_t n_fds; /* owned by the reply until taken (set to -1) */
} BusReply;
void bus_reply_clear(BusReply *reply);

typedef struct BusCall {
        const char *queue;
        const char *method;
        json_t *params;          /* the params array; borrowed; NULL: none */
        uint64_t timeout_usec;   /* 0: BUS_TIMEOUT_USEC */
        const char *traceparent; /* NULL: none */
        const int *fds;          /* duplicates are sent */
        size_t n_fds;
        Cancel *cancel; /* NULL: none. Of bus_call_wait, which is its listener meanwhile */
} BusCall;
#define BUS_TIMEOUT_USEC (60u * 1000000u)

/* A body beyond these is no JSON-RPC (BUS_PROTOCOL). */
#define BUS_DEPTH_MAX  256u       /* arrays and objects inside one another */
#define BUS_VALUES_MAX (1u << 20) /* values in all */

/* A connection has at most FRAME_CALLS_MAX calls outstanding; further ones end as BUS_OVER_QUOTA.
 * On the loop: `done` is called exactly once, on the loop; the reply is cleared after it returns. */
void bus_call(Bus *bus, const BusCall *call, void (*done)(BusReply *reply, void *data), void *data);
/* From any other thread: waits. Waits for a switch that is restarting, until the deadline. When call->cancel is asked for, it ends
 * at once, with BUS_CANCELLED unless the answer has come: the server is told that nobody waits, and may do it or have done it all the same; what it answers
 * is dropped. A call that is sent afterwards by the same Bus reaches the same server after the server has learnt that. */
void bus_call_wait(Bus *bus, const BusCall *call, BusReply *ret_reply);

/* One call to answer. `respond` once, from any thread, with the reply to send; or the caller runs into its deadline. */
typedef struct BusRequest BusRequest;
const char *bus_request_method(const BusRequest *request);
json_t *bus_request_params(const BusRequest *request);                  /* array; borrowed */
const char *bus_request_traceparent(const BusRequest *request);         /* "" if none */
uint64_t bus_request_deadline(const BusRequest *request);               /* clock_usec; never 0 */
size_t bus_request_fds(const BusRequest *request, const int **ret_fds); /* borrowed; dup what is to be kept */
bool bus_request_cancelled(const BusRequest *request);                  /* the caller is gone */
/* Exactly one of result and error (an interface's error value); takes both. Frees the request. */
void bus_request_respond(BusRequest *request, json_t *result, json_t *error, const int *fds, size_t n_fds);

/* Serves `queue` whenever connected. `function` runs on the loop and must not block; it owns the request. */
void bus_serve(Bus *bus, const char *queue, void (*function)(BusRequest *request, void *data), void *data);
