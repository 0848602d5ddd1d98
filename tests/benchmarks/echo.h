/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two ends of an echo call over some bus, with messages that are ready-made as far as can be. */
#pragma once

#include <stdbool.h>

#include "buffer.h"
#include "tool.h"

#define ECHO_BODY_BYTES 200u
#define ECHO_NAME       "bench.echo" /* of the queue, name, subject or channel that is called */

/* One connection of a caller or of a server. */
typedef struct End {
        int socket;
        bool serves, opened;
        Buffer in, out;
        unsigned number;  /* of this process' connections */
        uint32_t serial;  /* of the last message sent, for protocols that count them */
        uint64_t replies; /* a caller's */
        unsigned outstanding;
        Buffer ready; /* the ready-made message */
        char reply_to[32];
} End;

typedef struct EchoProtocol {
        const char *name;
        bool listens; /* the server does, rather than connecting to the bus */
        int (*connect)(const char *target);
        /* Appends to `out` what introduces the end; `take` sets `opened` once it was accepted. */
        void (*open)(End *end);
        void (*call)(End *end); /* appends a call to `out` */
        /* One message: how many bytes it had, 0 where it is not whole. A server appends the answer to `out`, a caller counts
         * the reply. */
        size_t (*take)(End *end, const char *bytes, size_t len);
} EchoProtocol;

extern const EchoProtocol echo_frame, echo_relayed, echo_dbus, echo_redis, echo_nats;

extern char echo_body[ECHO_BODY_BYTES]; /* JSON, so that any bus may look at it */
