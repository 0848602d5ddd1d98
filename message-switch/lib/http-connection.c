/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-connection.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 16u /* reads for one connection before others get their turn */

static void connection_on_poll(uv_poll_t *poll, int status, int events);

static bool has_output(const Connection *c)
{
        return c->out[0].len > 0 || c->out[1].len > 0;
}

static bool may_read(const Connection *c)
{
        if (c->peer_ended)
                return false;
        return connection_wants_request(c) || c->phase == PHASE_LINGER ||
               (c->phase == PHASE_ANSWER && c->ahead.len < HTTP_AHEAD_MAX);
}

static void format_peer(const struct sockaddr *address, char *ret, socklen_t room)
{
        if (address && address->sa_family == AF_INET)
                inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, ret, room);
        else if (address && address->sa_family == AF_INET6)
                inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, ret,
                          room);
}

void connection_new(HttpServer *server, int fd, bool tls, bool local, const struct sockaddr *peer)
{
        Connection *c = calloc(1, sizeof(*c));
        assert(c);
        c->server = server;
        c->exchange.connection = c;
        c->transport.fd = fd;
        c->tls = tls;
        c->local = local;
        c->over_limit = server->n_connections >= server->options.limits.connections;
        format_peer(peer, c->peer, sizeof(c->peer));
        int r = uv_poll_init_socket(loop_uv(server->options.loop), &c->poll, fd);
        assert(r == 0);
        c->poll.data = c;
        server->n_connections++;
        TAILQ_INSERT_TAIL(&server->all, c, all);
        connection_settle(c);
}

/* The last of the socket, its poll handle and the exchange lets go of the memory. */
void connection_unref_closed(Connection *c)
{
        if (c->phase != PHASE_CLOSED || !c->poll_closed || c->exchange.open)
                return;
        connection_set_wait(c, WAIT_NONE);
        http_parser_free(c->parser);
        free(c);
}

static void connection_on_poll_closed(uv_handle_t *handle)
{
        Connection *c = handle->data;
        c->poll_closed = true;
        connection_unref_closed(c);
}

void connection_tell_gone(Connection *c)
{
        HttpExchange *e = &c->exchange;
        void (*function)(void *data) = e->on_close;

        e->on_close = NULL;
        if (e->open && function)
                function(e->on_close_data);
}

void connection_close(Connection *c)
{
        if (c->phase == PHASE_CLOSED)
                return;
        c->phase = PHASE_CLOSED;
        c->peer_ended = true;
        connection_set_wait(c, WAIT_NONE);
        if (c->pump)
                pump_close(c->pump);
        c->pump = NULL;
        uv_close((uv_handle_t *)&c->poll, connection_on_poll_closed);
        transport_close(&c->transport);
        buffer_clear(&c->ahead);
        buffer_clear(&c->out[0]);
        buffer_clear(&c->out[1]);
        c->server->n_connections--;
        TAILQ_REMOVE(&c->server->all, c, all);
        if (!c->exchange.open) {
                connection_end_exchange(c);
                return;
        }
        TAILQ_INSERT_TAIL(&c->server->orphans, c, all);
        connection_tell_gone(c);
}

/* Closing a socket while bytes come in would reset it, and the peer could lose the reply that it has not read yet. */
void connection_finish(Connection *c)
{
        transport_end_writing(&c->transport);
        if (c->peer_ended) {
                connection_close(c);
                return;
        }
        buffer_clear(&c->ahead);
        c->phase = PHASE_LINGER;
}

static uint64_t wait_msec(const HttpServer *s, Wait wait)
{
        switch (wait) {
        case WAIT_IDLE:
                return s->options.limits.idle_msec;
        case WAIT_HEAD:
                return s->options.limits.head_msec;
        case WAIT_PROGRESS:
                return s->options.limits.progress_msec;
        case WAIT_LINGER:
                return 2000;
        default:
                return 0;
        }
}

void connection_set_wait(Connection *c, Wait wait)
{
        if (c->wait == wait)
                return;
        if (c->wait != WAIT_NONE)
                TAILQ_REMOVE(&c->server->waits[c->wait], c, waiting);
        c->wait = wait;
        if (wait == WAIT_NONE)
                return;
        c->wait_until_msec = uv_now(loop_uv(c->server->options.loop)) + wait_msec(c->server, wait);
        TAILQ_INSERT_TAIL(&c->server->waits[wait], c, waiting);
}

void connection_count_progress(Connection *c, size_t n)
{
        c->moved += n;
        if (c->moved < HTTP_STEP_BYTES)
                return;
        c->moved = 0;
        if (c->wait == WAIT_PROGRESS)
                connection_set_wait(c, WAIT_NONE);
}

static Wait phase_wait(const Connection *c)
{
        switch (c->phase) {
        case PHASE_IDLE:
                return c->over_limit ? WAIT_HEAD : WAIT_IDLE;
        case PHASE_HANDSHAKE:
        case PHASE_HEAD:
                return c->local ? WAIT_IDLE : WAIT_HEAD;
        case PHASE_BODY:
        case PHASE_REPLY:
                return WAIT_PROGRESS;
        case PHASE_LINGER:
                return WAIT_LINGER;
        default:
                return c->wait == WAIT_GONE || c->phase == PHASE_PUMP ? c->wait : WAIT_NONE;
        }
}

static int phase_events(const Connection *c)
{
        const Transport *t = &c->transport;
        int events = 0;

        if (c->phase == PHASE_PUMP)
                events = pump_client_events(c->pump);
        else if (c->phase == PHASE_HANDSHAKE || may_read(c))
                events = t->read_on_write ? UV_WRITABLE : UV_READABLE;
        else if (c->phase == PHASE_ANSWER && !c->hung_up && !c->peer_ended)
                events = UV_DISCONNECT;
        if (has_output(c) && c->phase != PHASE_PUMP)
                events |= t->write_on_read ? UV_READABLE : UV_WRITABLE;
        if (c->resume)
                events |= UV_WRITABLE;
        return events;
}

void connection_settle(Connection *c)
{
        if (c->phase == PHASE_CLOSED)
                return;
        connection_set_wait(c, phase_wait(c));
        int events = phase_events(c);
        if (events == c->events)
                return;
        c->events = events;
        if (events)
                uv_poll_start(&c->poll, events, connection_on_poll);
        else
                uv_poll_stop(&c->poll);
}

static void reply_done(Connection *c)
{
        if (c->close_after_reply)
                connection_finish(c);
        else
                c->phase = PHASE_IDLE;
}

bool connection_flush(Connection *c)
{
        size_t turn = 0;

        while (has_output(c)) {
                Buffer *b = c->out[0].len > 0 ? &c->out[0] : &c->out[1];
                size_t n = b->len - c->out_at;
                if (turn >= HTTP_TURN_BYTES)
                        return false;
                ssize_t sent = transport_write(&c->transport, b->data + c->out_at,
                                               n < HTTP_STEP_BYTES ? n : HTTP_STEP_BYTES);
                if (sent == -EAGAIN)
                        return false;
                if (sent < 0) {
                        connection_close(c);
                        return false;
                }
                turn += (size_t)sent;
                connection_count_progress(c, (size_t)sent);
                c->out_at += (size_t)sent;
                if (c->out_at == b->len) {
                        buffer_clear(b);
                        c->out_at = 0;
                }
        }
        if (c->phase == PHASE_REPLY)
                reply_done(c);
        return c->phase != PHASE_CLOSED;
}

void connection_end_exchange(Connection *c)
{
        c->exchange.open = c->exchange.body_unread = false;
        c->exchange.on_close = NULL;
        if (!c->server)
                return;
        connection_set_wait(c, WAIT_NONE);
        c->moved = 0;
        c->server->bodies_bytes -= c->body_room;
        c->body_room = 0;
        server_give_parser(c->server, c->parser);
        c->parser = NULL;
}

/* The SSL object is made only when somebody speaks: a silent connection costs a few hundred bytes. */
static bool begin_tls(Connection *c)
{
        c->transport.ssl = c->server->tls ? SSL_new(c->server->tls) : NULL;
        if (!c->transport.ssl || SSL_set_fd(c->transport.ssl, c->transport.fd) != 1) {
                connection_close(c);
                return false;
        }
        c->phase = PHASE_HANDSHAKE;
        return true;
}

static bool drive_handshake(Connection *c)
{
        int r = transport_handshake(&c->transport);

        if (r == 0)
                c->phase = PHASE_IDLE;
        else if (r != -EAGAIN)
                connection_close(c);
        return r == 0;
}

/* True: something has moved, and more may. */
static bool drive_step(Connection *c)
{
        if (c->phase == PHASE_CLOSED)
                return false;
        if (c->phase == PHASE_PUMP) {
                pump_drive(c);
                return false;
        }
        if (c->tls && !c->transport.ssl)
                return begin_tls(c);
        if (c->phase == PHASE_HANDSHAKE)
                return drive_handshake(c);
        if (has_output(c) && !connection_flush(c))
                return false;
        if (connection_wants_request(c) && c->ahead.len > 0) {
                input_take_ahead(c);
                return !c->resume;
        }
        if (connection_wants_request(c) && c->peer_ended) {
                connection_finish(c);
                return false;
        }
        return may_read(c) && input_read(c) && !c->resume;
}

void connection_drive(Connection *c)
{
        if (c->driving)
                return;
        c->driving = true;
        c->resume = false;
        for (unsigned steps = 0; drive_step(c); steps++)
                if (steps == STEPS_MAX) {
                        c->resume = true;
                        break;
                }
        c->driving = false;
        connection_settle(c);
}

static void connection_on_poll(uv_poll_t *poll, int status, int events)
{
        Connection *c = poll->data;

        if (status < 0) { /* the socket is in error, and the poll has stopped itself */
                connection_close(c);
                return;
        }
        if (events & UV_DISCONNECT) {
                c->hung_up = true;
                connection_tell_gone(c);
        }
        connection_drive(c);
}
