/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One client's connection, inside the HTTP server. What happens in it: http-connection.c drives it from its socket,
 * http-input.c finds its requests, http-exchange.c answers, http-pump.c moves bytes once it has been taken over. */
#pragma once

#include <netinet/in.h>
#include <sys/queue.h>

#include "http-server.h"
#include "http-transport.h"

#define HTTP_STEP_BYTES (64u << 10)  /* what must move for a body or a reply to count as moving */
#define HTTP_AHEAD_MAX  (64u << 10)  /* bytes read while a request is being answered; then reading stops */
#define HTTP_TURN_BYTES (256u << 10) /* bytes written for one connection before others get their turn */

typedef struct Connection Connection;
typedef struct Pump Pump;

typedef enum Phase {
        PHASE_IDLE, /* no byte of a request yet */
        PHASE_HANDSHAKE,
        PHASE_HEAD, /* a request has begun */
        PHASE_BODY,
        PHASE_ANSWER, /* the exchange is open: the server's user has it */
        PHASE_REPLY,  /* the reply is being written */
        PHASE_LINGER, /* all is said; what still comes is thrown away, so that the peer reads the reply's end */
        PHASE_PUMP,   /* taken over */
        PHASE_CLOSED, /* the socket is closed; an exchange may still be open */
} Phase;

/* Every kind of wait is of one length, so each has one queue, in the order of ending. */
typedef enum Wait {
        WAIT_NONE,
        WAIT_IDLE,
        WAIT_HEAD,
        WAIT_PROGRESS,
        WAIT_LINGER,
        WAIT_GONE, /* to tell that the client is gone, from the next tick */
        WAIT_COUNT,
} Wait;

typedef TAILQ_HEAD(ConnectionQueue, Connection) ConnectionQueue;

struct HttpExchange {
        Connection *connection;
        void (*on_close)(void *data);
        void *on_close_data;
        bool open, body_unread;
};

struct Connection {
        HttpExchange exchange;
        HttpServer *server; /* NULL once that is gone */
        Transport transport;
        uv_poll_t poll;
        int events; /* polled for */
        Phase phase;
        bool tls, local;
        bool over_limit; /* to be answered 503 */
        bool hung_up;    /* the end has been seen, maybe behind bytes that are not read yet */
        bool peer_ended; /* nothing will come any more */
        bool close_after_reply;
        bool driving; /* on the stack: connection_drive goes on by itself */
        bool resume;  /* come back in the loop's next round, without waiting for the peer */
        bool poll_closed;
        HttpParser *parser; /* of the request under way */
        size_t body_room;   /* of its body, as counted in the server */
        Buffer ahead;       /* came before it was wanted */
        Buffer out[2];      /* the reply, or what is left of it: head and, if large, body */
        size_t out_at;      /* bytes of the first that is not empty, already sent */
        size_t moved;       /* bytes since progress was last counted */
        Pump *pump;
        Wait wait;
        uint64_t wait_until_msec;
        TAILQ_ENTRY(Connection) waiting, all;
        char peer[INET6_ADDRSTRLEN];
};

struct HttpServer {
        HttpServerOptions options; /* with its limits filled in */
        uv_timer_t tick;
        SSL_CTX *tls;
        size_t n_connections, bodies_bytes;
        ConnectionQueue all, orphans, waits[WAIT_COUNT]; /* orphans: closed, with an exchange still open */
        TAILQ_HEAD(, Listener) listeners;
        HttpParser *parsers[64]; /* unused ones, kept */
        size_t n_parsers;
        int spare_fd;          /* given up for a moment to turn a client away when descriptors run out */
        Buffer scratch;        /* a reply as it goes out; never used across a call of the server's user */
        char input[64u << 10]; /* what was read last; likewise only within connection_drive */
};

/* http-connection.c */
void connection_new(HttpServer *server, int fd, bool tls, bool local, const struct sockaddr *peer);
void connection_drive(Connection *c);
void connection_settle(Connection *c); /* what to poll and to wait for now */
/* Writes what is in out, and finishes the reply when all of it is gone. False: the rest must wait, or all is over. */
bool connection_flush(Connection *c);
void connection_finish(Connection *c); /* all is written: end it so that the peer gets it */
void connection_close(Connection *c);
void connection_tell_gone(Connection *c);
void connection_end_exchange(Connection *c);
void connection_set_wait(Connection *c, Wait wait);
void connection_unref_closed(Connection *c);

/* Counts what has moved of a body or a reply, so that a peer that is slow, but not too slow, is given more time. */
void connection_count_progress(Connection *c, size_t n);
/* Bytes that come now are a request's. */
static inline bool connection_wants_request(const Connection *c)
{
        return c->phase == PHASE_IDLE || c->phase == PHASE_HEAD || c->phase == PHASE_BODY;
}

/* http-input.c */
bool input_read(Connection *c);                    /* false: nothing more to be had without a poll */
void connection_refuse(Connection *c, int status); /* an error page for what is no request, then the end */
void input_take_ahead(Connection *c);
void input_ended(Connection *c,
                 bool error); /* the peer sends no more; after an error, it takes no more either */

/* http-server.c */
HttpParser *server_take_parser(HttpServer *s);
void server_give_parser(HttpServer *s, HttpParser *p); /* takes it */

/* http-pump.c */
int pump_start(Connection *c, const HttpRelay *relay);      /* 0 or negative errno */
void pump_came(Connection *c, const char *bytes, size_t n); /* with the head, behind what stands in ahead */
void pump_drive(Connection *c);
void pump_close(Pump *p);
int pump_client_events(const Pump *p);
