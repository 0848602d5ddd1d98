/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-client.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define HTTP_READ_BYTES (64u << 10)
#define HTTP_HEAD_MAX   (16u << 10)

static _Noreturn void http_die(const char *what)
{
        ERR_print_errors_fp(stderr);
        die("%s", what);
}

static SSL_CTX *http_context(void)
{
        static SSL_CTX *context;
        if (!context)
                context = SSL_CTX_new(TLS_client_method());
        if (!context)
                http_die("TLS");
        SSL_CTX_set_read_ahead(context, 1);
        return context;
}

HttpClient *http_open(const char *target, int epoll)
{
        HttpClient *client = calloc(1, sizeof *client);
        const char *colon = strrchr(target, ':');
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
        if (!client)
                die("memory");
        if (*target == '/') {
                client->socket = unix_connect(target);
        } else {
                char address[64];
                snprintf(address, sizeof address, "%.*s", colon ? (int)(colon - target) : 0, target);
                client->socket = tcp_connect(address, colon ? colon + 1 : "");
                client->ssl = SSL_new(http_context());
                if (!client->ssl || SSL_set_fd(client->ssl, client->socket) != 1 ||
                    SSL_connect(client->ssl) != 1)
                        http_die(target);
        }
        set_blocking(client->socket, false);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->socket, &event) < 0)
                die("epoll_ctl");
        return client;
}

/* Requests are short: one that does not fit into the socket at once is waited for. */
void http_send(HttpClient *client, const void *request, size_t len)
{
        client->sent_nsec = now_nsec();
        client->body.len = client->head.len = 0;
        client->in_body = false;
        if (!client->ssl) {
                if (!write_all(client->socket, request, len))
                        die("the server has closed a connection");
                return;
        }
        while (SSL_write(client->ssl, request, (int)len) <= 0)
                if (SSL_get_error(client->ssl, -1) != SSL_ERROR_WANT_WRITE)
                        http_die("the server has closed a connection");
}

void http_post(HttpClient *client, const char *body)
{
        client->out.len = 0;
        buffer_printf(&client->out,
                      "POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                      "Content-Length: %zu\r\n\r\n%s",
                      strlen(body), body);
        http_send(client, client->out.data, client->out.len);
}

/* How much came; 0: nothing for now. */
static size_t http_read(HttpClient *client, char *bytes, size_t room)
{
        ssize_t n;
        if (!client->ssl) {
                n = recv(client->socket, bytes, room, 0);
                if (n < 0 && errno == EAGAIN)
                        return 0;
        } else {
                n = SSL_read(client->ssl, bytes, (int)room);
                if (n <= 0 && SSL_get_error(client->ssl, (int)n) == SSL_ERROR_WANT_READ)
                        return 0;
        }
        if (n <= 0)
                http_die("the server has closed a connection");
        return (size_t)n;
}

/* How many of these bytes belong to the head; in_body once it is whole. */
static size_t http_take_head(HttpClient *client, const char *bytes, size_t len)
{
        size_t before = client->head.len;
        buffer_append(&client->head, bytes, len);
        buffer_terminate(&client->head);
        char *end = strstr(client->head.data, "\r\n\r\n");
        if (!end && client->head.len > HTTP_HEAD_MAX)
                die("the reply is all head");
        if (!end)
                return len;
        char *length = strcasestr(client->head.data, "\r\ncontent-length:");
        if (strncmp(client->head.data, "HTTP/1.1 200 ", 13) != 0 || !length || length > end)
                die("the server answers: %.300s", client->head.data);
        client->body_left = strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
        client->in_body = true;
        return (size_t)(end - client->head.data) + 4 - before;
}

bool http_receive(HttpClient *client)
{
        static char bytes[HTTP_READ_BYTES];
        size_t n;
        while ((n = http_read(client, bytes, sizeof bytes)) > 0) {
                size_t at = client->in_body ? 0 : http_take_head(client, bytes, n);
                n -= at;
                if (n > client->body_left)
                        die("there is more than the reply");
                if (client->keeps)
                        buffer_append(&client->body, bytes + at, n);
                client->bytes += n;
                client->body_left -= n;
                if (client->in_body && client->body_left == 0) {
                        buffer_terminate(&client->body);
                        return true;
                }
        }
        return false;
}

const char *http_cipher(const HttpClient *client)
{
        return client->ssl ? SSL_get_cipher(client->ssl) : "none";
}

char *text_fill(const char *text, const char *mark, const char *value)
{
        const char *at = strstr(text, mark);
        Buffer filled = { 0 };
        if (!at)
                die("there is no %s in %s", mark, text);
        buffer_append(&filled, text, (size_t)(at - text));
        buffer_append_text(&filled, value);
        buffer_append_text(&filled, at + strlen(mark));
        return buffer_steal(&filled);
}
