/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keep-alive connections to an HTTP server, with TLS or over a unix socket: one request at a time on each. */
#pragma once

#include <openssl/ssl.h>

#include "buffer.h"
#include "tool.h"

typedef struct HttpClient {
        int socket;
        SSL *ssl;   /* NULL: a unix socket */
        bool keeps; /* the body is wanted, not just its length */
        bool in_body;
        Buffer out;
        size_t sent;
        Buffer head; /* of the reply, while it comes */
        Buffer body; /* if it keeps */
        size_t body_left;
        uint64_t bytes;     /* ever received, bodies only */
        uint64_t sent_nsec; /* when the request was handed over */
        void *data;         /* the user's */
} HttpClient;

/* `target` is ADDRESS:PORT, or the path of a unix socket. Waits until the connection stands; after that, nothing waits.
 * The connection is watched for reading by `epoll`, with the HttpClient as its data. */
HttpClient *http_open(const char *target, int epoll);
void http_send(HttpClient *client, const void *request,
               size_t len);                           /* a whole request; the one before is answered */
void http_post(HttpClient *client, const char *body); /* JSON-RPC */
/* Reads what has come: true when the reply (status 200, or the program ends) is whole. */
bool http_receive(HttpClient *client);
const char *http_cipher(const HttpClient *client); /* "none" without TLS */

/* `text` with the first `mark` replaced. Returns owned (free()). */
char *text_fill(const char *text, const char *mark, const char *value);
