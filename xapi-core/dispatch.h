/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a method's name and its parameters to an answer: every check that comes before a handler, in upstream's order. */
#pragma once

#include <jansson.h>

#include "call.h"
#include "codec.h"
#include "http-server.h"

typedef struct DispatchRequest {
        const char *method;
        json_t *params; /* array; borrowed */
        bool local_socket;
        const char *peer; /* address of the client */
        const char *user_agent;
} DispatchRequest;

/* How it ended: error, or a value of a type. */
typedef struct DispatchAnswer {
        const XapiError *error;
        const Type *type;
        Value value;
        /* Not NULL: prints the value instead. */
        void (*write)(Buffer *b, Dialect dialect, const void *written);
        const void *written;
        bool broken; /* upstream answers this one with HTTP 500 */
        uint64_t delay_usec;
} DispatchAnswer;

typedef void (*DispatchDone)(const DispatchAnswer *answer, void *data);

/* Calls done exactly once, on the loop, now or later; the answer is borrowed during the call. A long poll ends when the
 * client of the exchange goes away; the request is borrowed until dispatch returns. */
void dispatch(Manager *manager, const DispatchRequest *request, HttpExchange *exchange, DispatchDone done,
              void *data);
