/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections that speak HTTP, over TLS or not, on the loop. */
#pragma once

#include "http.h"
#include "loop.h"

typedef struct HttpServer HttpServer;
typedef struct HttpExchange HttpExchange; /* one request and its reply */

/* Bounds of what clients can hold; 0 stands for the value beside it. */
typedef struct HttpServerLimits {
        size_t connections; /* those past it are answered 503; as many as descriptors allow, less a reserve */
        size_t bodies_bytes; /* 256 MiB: of all bodies above HTTP_BODY_SMALL together; past it, 503 */
        unsigned idle_msec;  /* 1 h: between requests */
        unsigned
            head_msec; /* 10 s, on TCP: from a request's first byte (the handshake's, too) to its head's end */
        unsigned progress_msec; /* 30 s: for each 64 KiB of a body to come, or of a reply to be taken */
} HttpServerLimits;

typedef struct HttpServerOptions {
        Loop *loop;
        /* Called on the loop with each whole request. Answer with http_reply, now or later, on the loop. */
        void (*on_request)(HttpExchange *exchange, void *data);
        /* Called when the head of a request has come; return true to take the body as a stream (or the connection
         * itself: CONNECT, Upgrade) by http_take, now or later, or to refuse it by http_reply, which then closes the
         * connection unless there is no body; false to have the body collected. May be NULL. */
        bool (*on_head)(HttpExchange *exchange, void *data);
        void *data;
        HttpServerLimits limits;
} HttpServerOptions;

/* The process ignores SIGPIPE from now on, and may open as many files as its hard limit lets it. */
HttpServer *http_server_new(const HttpServerOptions *options);
/* Closes all connections. Exchanges that are still open stay valid, and are ended by http_reply as ever. */
void http_server_free(HttpServer *server);
/* Listens; may be called for several addresses. `tls` or plain. Returns 0 or negative errno. *ret_port (may be NULL)
 * is the port bound when port was 0. */
int http_server_listen_tcp(HttpServer *server, const char *address, int port, bool tls, int *ret_port);
/* A socket that is there already is replaced. */
int http_server_listen_unix(HttpServer *server, const char *path, unsigned mode);
/* Loads (again) the certificate and key for connections to come. On failure the old ones stay. */
int http_server_set_certificate(HttpServer *server, const char *pem_path, char **ret_error);
size_t http_server_connections(const HttpServer *server);

const HttpRequest *http_exchange_request(HttpExchange *exchange);
/* The request's body has been read, and is empty from now on. For on_request: what is answered late holds no room. */
void http_exchange_drop_body(HttpExchange *exchange);
bool http_exchange_is_local(HttpExchange *exchange); /* came over the unix socket */
bool http_exchange_is_tls(HttpExchange *exchange);
const char *http_exchange_peer(HttpExchange *exchange); /* address, "" for the unix socket */
/* The client went away before its reply (a long poll should end). Called on the loop, at most once, never from within
 * this function; the exchange must still be ended by http_reply, there or later. A client that only ended its own
 * sending counts as gone, and still gets what is replied. */
void http_exchange_on_close(HttpExchange *exchange, void (*function)(void *data), void *data);

typedef struct HttpReply {
        int status;
        const char *reason;       /* NULL: the usual one */
        const char *content_type; /* NULL: no such header */
        const char *headers;      /* further lines, each ended by CRLF; NULL: none */
        bool close;               /* say Connection: close and do so, whatever the request asked */
        bool keep_open;           /* only with close: say so, but leave closing to the client */
        Buffer *body;             /* taken (emptied); NULL: none */
} HttpReply;
/* Sends and ends the exchange, which must not be used after. The body is sent to a HEAD request, too. */
void http_reply(HttpExchange *exchange, const HttpReply *reply);
/* An error page of HTML, `headers` as above. Closes, but after 404, as upstream does. */
void http_reply_error(HttpExchange *exchange, int status, const char *headers);
/* The whole text of such a reply, for connections that have left the server (http-stream.h). */
void http_write_error(Buffer *b, int status, const char *headers);

typedef struct HttpRelay {
        const char *head; /* sent first, as it is */
        int fd; /* non-blocking: a socket, or a terminal, whose other end is over when the client has ended */
        bool websocket;             /* the client speaks WebSocket: its messages' bytes for those of `fd` */
        void (*on_end)(void *data); /* on the loop, once, when all is over; may be NULL */
        void *data;
} HttpRelay;
/* Takes the connection over and ends the exchange: bytes flow between the client and `fd`, which is taken, until both
 * have ended. Bytes that came with the head come first. Returns 0, or negative errno with the exchange still open and
 * nothing taken. */
int http_relay(HttpExchange *exchange, const HttpRelay *relay);
/* Takes the connection over and ends the exchange: after `head` (sent as it is), bytes flow through a socket whose
 * other end is returned, plain, non-blocking; TLS is undone on the way. Bytes of the body that came with the head come
 * first. An end (shutdown or close) travels likewise, either way. Returns the descriptor or negative errno, and then
 * the exchange is still open. */
int http_take(HttpExchange *exchange, const char *head);
