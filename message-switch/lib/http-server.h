/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections that speak HTTP, over TLS or not, on the loop. */
#pragma once

#include "http.h"
#include "loop.h"

typedef struct HttpServer HttpServer;
typedef struct HttpExchange HttpExchange; /* one request and its reply */

typedef struct HttpServerOptions {
        Loop *loop;
        /* Called on the loop with each whole request. Answer with http_reply, now or later, on the loop. */
        void (*on_request)(HttpExchange *exchange, void *data);
        /* Called when the head of a request has come; return true to take the body as a stream (or the connection
         * itself: CONNECT, Upgrade) by http_take, false to have it collected. May be NULL. */
        bool (*on_head)(HttpExchange *exchange, void *data);
        void *data;
} HttpServerOptions;

HttpServer *http_server_new(const HttpServerOptions *options);
void http_server_free(HttpServer *server);
/* Listens; may be called for several addresses. `tls` or plain. Returns 0 or negative errno. *ret_port (may be NULL)
 * is the port bound when port was 0. */
int http_server_listen_tcp(HttpServer *server, const char *address, int port, bool tls, int *ret_port);
int http_server_listen_unix(HttpServer *server, const char *path, unsigned mode);
/* Loads (again) the certificate and key for connections to come. On failure the old ones stay. */
int http_server_set_certificate(HttpServer *server, const char *pem_path, char **ret_error);

const HttpRequest *http_exchange_request(HttpExchange *exchange);
bool http_exchange_is_local(HttpExchange *exchange);       /* came over the unix socket */
bool http_exchange_is_tls(HttpExchange *exchange);
const char *http_exchange_peer(HttpExchange *exchange);    /* address, "" for the unix socket */
/* The client went away before its reply (a long poll should end). Called on the loop, at most once. */
void http_exchange_on_close(HttpExchange *exchange, void (*function)(void *data), void *data);

typedef struct HttpReply {
        int status;
        const char *reason;        /* NULL: the usual one */
        const char *content_type;  /* NULL: no such header */
        const char *headers;       /* further lines, each ended by CRLF; NULL: none */
        bool close;                /* say Connection: close and do so, whatever the request asked */
        bool keep_open;            /* only with close: say so, but leave closing to the client */
        Buffer *body;              /* taken (emptied); NULL: none */
} HttpReply;
/* Sends and ends the exchange, which must not be used after. */
void http_reply(HttpExchange *exchange, const HttpReply *reply);
/* Takes the connection over: after `head` (sent as it is), bytes flow through a socket whose other end is returned,
 * plain, non-blocking; TLS is undone on the way. Returns the descriptor or negative errno. */
int http_take(HttpExchange *exchange, const char *head);
