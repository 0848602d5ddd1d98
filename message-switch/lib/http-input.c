/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From bytes to requests, and to whom they are given. */
#include <assert.h>
#include <errno.h>

#include "http-connection.h"

#define REQUESTS_MAX 32u /* answered in a row, where they come pipelined, before others get their turn */

/* Opens the exchange, for which somebody must then call http_reply or http_take. */
static void open_exchange(Connection *c, bool body_unread)
{
        c->phase = PHASE_ANSWER;
        c->exchange.open = true;
        c->exchange.body_unread = body_unread;
}

void connection_refuse(Connection *c, int status)
{
        open_exchange(c, true);
        http_reply_error(&c->exchange, status, NULL);
}

static void head_is_whole(Connection *c, bool more_came)
{
        const HttpServerOptions *options = &c->server->options;
        const HttpRequest *r = http_parser_request(c->parser);
        bool has_body = r->chunked || r->content_length > 0;

        if (c->over_limit) {
                connection_refuse(c, 503);
                return;
        }
        if (options->on_head) {
                open_exchange(c, has_body);
                if (options->on_head(&c->exchange, options->data))
                        return;
                assert(c->exchange.open);
                c->exchange.open = false;
        }
        c->phase = PHASE_BODY;
        if (r->expect_continue && has_body && !more_came && r->content_length <= HTTP_BODY_MAX) {
                buffer_append_literal(&c->out[0], "HTTP/1.1 100 Continue\r\n\r\n");
                connection_flush(c);
        }
}

/* False: all the server's clients together send more than is to be held. What is small does not count, and is let in
 * however much others send. */
static bool count_body(Connection *c)
{
        size_t room = http_parser_request(c->parser)->body.room;

        if (room <= HTTP_BODY_SMALL)
                room = 0;
        c->server->bodies_bytes += room - c->body_room;
        c->body_room = room;
        return room == 0 || c->server->bodies_bytes <= c->server->options.limits.bodies_bytes;
}

/* Takes bytes that came, as far as requests can be answered now, and keeps the rest. */
static void take_input(Connection *c, const char *bytes, size_t n)
{
        const HttpServerOptions *options = &c->server->options;
        bool again = false;

        for (unsigned served = 0; connection_wants_request(c) && (n > 0 || again);) {
                if (served == REQUESTS_MAX) {
                        c->resume = true;
                        break;
                }
                if (!c->parser)
                        c->parser = server_take_parser(c->server);
                if (c->phase == PHASE_IDLE)
                        c->phase = PHASE_HEAD;
                size_t taken;
                HttpParse parse = http_parser_feed(c->parser, bytes, n, &taken);
                bytes += taken;
                n -= taken;
                again = parse == HTTP_HEAD;
                if (parse == HTTP_HEAD) {
                        head_is_whole(c, n > 0);
                } else if (parse == HTTP_BAD) {
                        connection_refuse(c, http_parser_status(c->parser));
                } else if (!count_body(c)) {
                        connection_refuse(c, 503);
                } else if (parse == HTTP_REQUEST) {
                        served++;
                        open_exchange(c, false);
                        options->on_request(&c->exchange, options->data);
                } else if (c->phase == PHASE_BODY) {
                        connection_count_progress(c, taken);
                }
        }
        if (n > 0 && c->phase == PHASE_PUMP)
                pump_came(c, bytes, n);
        else if (n > 0 && c->phase != PHASE_LINGER && c->phase != PHASE_CLOSED)
                buffer_append(&c->ahead, bytes, n);
}

void input_take_ahead(Connection *c)
{
        Buffer ahead = c->ahead;

        c->ahead = (Buffer){ 0 };
        take_input(c, ahead.data, ahead.len);
        buffer_clear(&ahead);
}

void input_ended(Connection *c, bool error)
{
        c->peer_ended = true;
        if (c->phase != PHASE_ANSWER || error)
                connection_close(c);
        else
                connection_tell_gone(c);
}

bool input_read(Connection *c)
{
        HttpServer *s = c->server;
        ssize_t n = transport_read(&c->transport, s->input, sizeof(s->input));

        if (n == -EAGAIN)
                return false;
        if (n <= 0) {
                input_ended(c, n < 0);
                return false;
        }
        if (c->phase == PHASE_ANSWER)
                buffer_append(&c->ahead, s->input, (size_t)n);
        else if (c->phase != PHASE_LINGER)
                take_input(c, s->input, (size_t)n);
        return c->ahead.len > 0 || c->phase == PHASE_PUMP || transport_holds_bytes(&c->transport);
}
