/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For tests: an HTTP server on a loop in a thread of its own, and clients that block. */
#pragma once

#include <openssl/ssl.h>

#include "http-server.h"

typedef struct Fixture {
        HttpServer *server;
        Loop *loop;
        uv_thread_t thread;
        char *dir, *socket_path, *pem_path;
        int port, tls_port;
        SSL_CTX *client_tls;
} Fixture;

/* Listens on a unix socket, and plain and with TLS on the loopback address. `options->loop` is filled in. */
Fixture *fixture_new(HttpServerOptions options);
void fixture_free(Fixture *f);
/* Runs function(data) on the loop's thread and waits for its end. */
void fixture_run(Fixture *f, void (*function)(void *data), void *data);
void fixture_write_certificate(const char *pem_path, const char *name);

typedef enum Via { VIA_UNIX, VIA_TCP, VIA_TLS, VIA_COUNT } Via;

typedef struct Client {
        int fd;
        SSL *ssl;
        Buffer in; /* read, not yet looked at */
} Client;
Client *client_new(Fixture *f, Via via);
void client_free(Client *c);
void client_send(Client *c, const char *bytes, size_t n);
void client_send_text(Client *c, const char *text);
bool client_fill(Client *c);      /* reads some; false: the server has ended */
bool client_has_ended(Client *c); /* waits for the end; false: there was something else to read */
/* The next reply's status; its head and body, owned (may be NULL: not wanted). -1: an end instead of a reply. */
int client_reply(Client *c, char **ret_head, char **ret_body);
int client_call(Client *c, const char *request, char **ret_body);
