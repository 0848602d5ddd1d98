/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http-connection.h"

#define COPY_MAX                                                                                             \
        (32u << 10) /* bytes of a body that are copied behind the head, so that both leave in one write */

const HttpRequest *http_exchange_request(HttpExchange *e)
{
        assert(e->open);
        return http_parser_request(e->connection->parser);
}

bool http_exchange_is_local(HttpExchange *e)
{
        return e->connection->local;
}

bool http_exchange_is_tls(HttpExchange *e)
{
        return e->connection->tls;
}

void http_exchange_drop_body(HttpExchange *e)
{
        Connection *c = e->connection;
        Buffer *body = &http_parser_request(c->parser)->body;

        assert(e->open && c->server);
        body->len = 0;
        if (body->room > HTTP_BODY_SMALL)
                buffer_clear(body);
        c->server->bodies_bytes -= c->body_room;
        c->body_room = 0;
}

const char *http_exchange_peer(HttpExchange *e)
{
        return e->connection->peer;
}

void http_exchange_on_close(HttpExchange *e, void (*function)(void *data), void *data)
{
        Connection *c = e->connection;

        assert(e->open && !e->on_close);
        e->on_close = function;
        e->on_close_data = data;
        if ((c->peer_ended || c->hung_up) && c->server)
                connection_set_wait(c, WAIT_GONE);
}

/* As upstream words them; the rest as RFC 9110 does. */
static const char *usual_reason(int status)
{
        static const struct {
                int status;
                const char *reason;
        } reasons[] = {
                { 200, "OK" },
                { 301, "Moved Permanently" },
                { 302, "Found" },
                { 400, "Bad Request" },
                { 401, "Unauthorised" },
                { 403, "Forbidden" },
                { 404, "Not Found" },
                { 408, "Request Timeout" },
                { 413, "Content Too Large" },
                { 414, "URI Too Long" },
                { 417, "Expectation Failed" },
                { 426, "Upgrade Required" },
                { 431, "Request Header Fields Too Large" },
                { 500, "Internal Error" },
                { 501, "Method not implemented" },
                { 503, "Service Unavailable" },
                { 505, "HTTP Version Not Supported" },
        };

        for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
                if (reasons[i].status == status)
                        return reasons[i].reason;
        return "Unknown";
}

static void write_head(Buffer *b, const HttpRequest *request, const HttpReply *reply, bool close,
                       size_t body_len)
{
        bool old = request->method[0] && request->version_minor == 0;

        buffer_append_text(b, old ? "HTTP/1.0 " : "HTTP/1.1 ");
        buffer_append_int(b, reply->status);
        buffer_append_literal(b, " ");
        buffer_append_text(b, reply->reason ? reply->reason : usual_reason(reply->status));
        buffer_append_text(b, close ? "\r\nConnection: close\r\n" : "\r\nConnection: keep-alive\r\n");
        if (reply->headers)
                buffer_append_text(b, reply->headers);
        if (reply->content_type) {
                buffer_append_literal(b, "Content-Type: ");
                buffer_append_text(b, reply->content_type);
                buffer_append_literal(b, "\r\n");
        }
        buffer_append_literal(b, "Cache-Control: no-cache, no-store\r\nContent-Length: ");
        buffer_append_int(b, (int64_t)body_len);
        buffer_append_literal(b, "\r\n\r\n");
}

/* Tries at once, since nearly always all of it fits into the socket; the rest waits in out. */
static void send_small(Connection *c, const Buffer *b)
{
        size_t sent = 0;

        if (c->out[0].len == 0) {
                ssize_t n = transport_write(&c->transport, b->data, b->len);
                if (n < 0 && n != -EAGAIN) {
                        connection_close(c);
                        return;
                }
                sent = n > 0 ? (size_t)n : 0;
        }
        buffer_append(&c->out[0], b->data + sent, b->len - sent);
        connection_flush(c);
}

static void send_large(Connection *c, const Buffer *head, Buffer *body)
{
        buffer_append(&c->out[0], head->data, head->len);
        c->out[1] = *body;
        *body = (Buffer){ 0 };
        connection_flush(c);
}

void http_reply(HttpExchange *e, const HttpReply *reply)
{
        Connection *c = e->connection;
        Buffer none = { 0 }, *body = reply->body ? reply->body : &none;

        assert(e->open);
        if (c->phase == PHASE_CLOSED) {
                buffer_clear(body);
                if (c->server)
                        TAILQ_REMOVE(&c->server->orphans, c, all);
                connection_end_exchange(c);
                connection_unref_closed(c);
                return;
        }
        const HttpRequest *request = http_parser_request(c->parser);
        bool close = reply->close || !request->keep_alive || e->body_unread;
        Buffer *out = &c->server->scratch;
        out->len = 0;
        write_head(out, request, reply, close, body->len);
        c->close_after_reply =
            e->body_unread || (close && !(reply->close && reply->keep_open && request->keep_alive));
        connection_end_exchange(c);
        c->phase = PHASE_REPLY;
        if (body->len <= COPY_MAX) {
                buffer_append(out, body->data, body->len);
                buffer_clear(body);
                send_small(c, out);
        } else {
                send_large(c, out, body);
        }
        if (c->driving)
                return;
        c->resume = c->ahead.len > 0 || c->peer_ended || transport_holds_bytes(&c->transport);
        connection_settle(c);
}

static void write_error_page(Buffer *body, int status)
{
        buffer_printf(body, "<html><body><h1>HTTP %d</h1>%s</body></html>", status, usual_reason(status));
}

void http_write_error(Buffer *b, int status, const char *headers)
{
        static const HttpRequest NEW = { .method = "" };
        auto_buffer body = { 0 };

        write_error_page(&body, status);
        write_head(b, &NEW, &(HttpReply){ .status = status, .content_type = "text/html", .headers = headers },
                   true, body.len);
        buffer_append(b, body.data, body.len);
}

void http_reply_error(HttpExchange *e, int status, const char *headers)
{
        Buffer body = { 0 };

        write_error_page(&body, status);
        http_reply(e, &(HttpReply){ .status = status,
                                    .content_type = status == 404 ? NULL : "text/html",
                                    .headers = headers,
                                    .close = true,
                                    .keep_open = status == 404,
                                    .body = &body });
}

int http_relay(HttpExchange *e, const HttpRelay *relay)
{
        Connection *c = e->connection;

        assert(e->open);
        if (c->phase == PHASE_CLOSED)
                return -ECONNRESET;
        int r = pump_start(c, relay);
        if (r < 0)
                return r;
        connection_end_exchange(c);
        c->phase = PHASE_PUMP;
        if (!c->driving)
                connection_drive(c);
        return 0;
}

int http_take(HttpExchange *e, const char *head)
{
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        int r = http_relay(e, &(HttpRelay){ .head = head, .fd = fds[0] });
        if (r < 0) {
                close(fds[0]);
                close(fds[1]);
                return r;
        }
        return fds[1];
}
