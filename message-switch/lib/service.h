/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service on the bus as a table of methods: what generated dispatchers fill in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "bus.h"
#include "workers.h"

typedef struct ServiceReply ServiceReply;

/* One call as a method sees it; all of it is borrowed for the duration of the function. */
typedef struct ServiceCall {
        const char *method;
        json_t *params;          /* array */
        const char *traceparent; /* "" if none */
        uint64_t deadline_usec;  /* clock_usec; never 0 */
        const int *fds;          /* dup what is to be kept */
        size_t n_fds;
        BusRequest *request;
        ServiceReply *reply;
} ServiceCall;

bool service_call_cancelled(const ServiceCall *call); /* nobody waits for the answer any more */
/* Sends a descriptor with the result; taken, closed after sending or when the method fails. At most FRAME_FDS_MAX. */
void service_call_send_fd(const ServiceCall *call, int fd);

/* For a function that cannot answer at once and must hold no thread: what it returns is ignored, and whoever has the
 * request owes it bus_request_respond, from any thread. Once a call. */
BusRequest *service_call_defer(const ServiceCall *call);

/* Returns the result (owned; json_null() for none), or NULL with *ret_error set to the interface's error value (owned,
 * never JSON null). NULL without an error is answered as an Internal_error. */
typedef json_t *(*ServiceFunction)(void *context, const ServiceCall *call, json_t **ret_error);

typedef struct ServiceMethod {
        const char *name;
        bool on_loop; /* runs on the loop and must not block; else on a worker */
        ServiceFunction function;
        bool urgent; /* on a worker: from the reserve where the others are busy */
} ServiceMethod;

typedef struct Service Service;

/* The operation's id in a debug_info: what stands behind its first newline, unless that is a trace context (begins
 * with '{' or "00-"). By it a repeat of a call is known. Returned borrowed, in debug_info; NULL: none. */
const char *service_operation_id(const char *debug_info);
#define SERVICE_OPERATION_ID_MAX 256u /* bytes; a longer one is not recognised again */

/* Serves `queue` with the table (borrowed for ever), whose functions are given `context`. What is no method of it is
 * answered by the error ["Internal_error","Unknown method ..."]. */
Service *service_new(Bus *bus, Workers *workers, const char *queue, const ServiceMethod *methods,
                     size_t n_methods, void *context);
/* After bus_close and workers_free, so that no function runs any more. NULL is legal. */
void service_free(Service *service);

/* ["Internal_error", text], the shape in which upstream reports an unexpected exception. Returns owned. */
json_t *service_internal_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
