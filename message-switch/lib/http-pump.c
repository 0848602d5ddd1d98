/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection that has been taken over: bytes between the client and a descriptor of ours, both ways. What is under way
 * from the client stands in Connection.ahead, unwrapped where it speaks WebSocket; what is under way to it in
 * Connection.out[0]. A side is read again when what it sent last has gone. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http-connection.h"
#include "websocket.h"

struct Pump {
        Connection *connection;
        uv_poll_t poll;
        int fd;                       /* our end */
        int events;                   /* polled for on it */
        size_t up_at;                 /* bytes of ahead already passed on */
        bool local_ended, local_gone; /* sends no more; takes no more either */
        bool local_told, client_told; /* an end has been passed on to it */
        WebSocket *websocket;         /* owned; NULL: the bytes are the client's own */
        void (*on_end)(void *data);
        void *on_end_data;
};

static void pump_on_poll(uv_poll_t *poll, int status, int events)
{
        Pump *p = poll->data;

        if (status < 0) {
                p->local_ended = p->local_gone = true;
                p->events = 0;
        }
        connection_drive(p->connection);
}

/* What came from the client and stands at the end of ahead. */
static void unwrap(Pump *p, size_t n)
{
        Connection *c = p->connection;
        size_t before = c->ahead.len - n;

        if (!p->websocket)
                return;
        c->ahead.len = before + websocket_take(p->websocket, c->ahead.data + before, n, &c->out[0]);
}

int pump_start(Connection *c, const HttpRelay *relay)
{
        Pump *p = calloc(1, sizeof(*p));
        assert(p);
        int r = uv_poll_init(loop_uv(c->server->options.loop), &p->poll, relay->fd);
        if (r < 0) {
                free(p);
                return r;
        }
        p->connection = c;
        p->fd = relay->fd;
        p->on_end = relay->on_end;
        p->on_end_data = relay->data;
        p->poll.data = p;
        c->pump = p;
        transport_keep_alive(&c->transport);
        buffer_append_text(&c->out[0], relay->head);
        if (relay->websocket) {
                p->websocket = calloc(1, sizeof(*p->websocket));
                assert(p->websocket);
                if (c->ahead.len > 0)
                        unwrap(p, c->ahead.len);
        }
        return 0;
}

void pump_came(Connection *c, const char *bytes, size_t n)
{
        buffer_append(&c->ahead, bytes, n);
        unwrap(c->pump, n);
}

static void pump_on_closed(uv_handle_t *handle)
{
        free(handle->data);
}

void pump_close(Pump *p)
{
        uv_close((uv_handle_t *)&p->poll, pump_on_closed);
        close(p->fd);
        free(p->websocket);
        p->websocket = NULL;
        if (p->on_end)
                p->on_end(p->on_end_data);
}

/* It has said that nothing more comes, by the socket's end or by WebSocket's. */
static bool client_ended(const Pump *p)
{
        return p->connection->peer_ended || (p->websocket && p->websocket->ended);
}

/* What a client is to be answered to its control frames is bounded like everything else. */
static bool wants_client(const Pump *p)
{
        const Connection *c = p->connection;

        return !client_ended(p) && c->ahead.len == 0 && (!p->websocket || c->out[0].len < HTTP_STEP_BYTES);
}

int pump_client_events(const Pump *p)
{
        const Connection *c = p->connection;
        const Transport *t = &c->transport;
        int events = 0;

        if (wants_client(p))
                events |= t->read_on_write ? UV_WRITABLE : UV_READABLE;
        if (c->out[0].len > 0)
                events |= t->write_on_read ? UV_READABLE : UV_WRITABLE;
        return events;
}

static void pump_settle(Pump *p)
{
        const Connection *c = p->connection;
        int events = (!p->local_ended && c->out[0].len == 0 ? UV_READABLE : 0) |
                     (!p->local_gone && c->ahead.len > 0 ? UV_WRITABLE : 0);

        if (events == p->events)
                return;
        p->events = events;
        if (events)
                uv_poll_start(&p->poll, events, pump_on_poll);
        else
                uv_poll_stop(&p->poll);
}

/* Has the other end been closed, not just shut down for writing? */
static bool local_is_gone(const Pump *p)
{
        struct pollfd poll_fd = { .fd = p->fd };
        return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR));
}

/* Each of these moves what it can; false: nothing moved. */
static bool read_client(Pump *p)
{
        Connection *c = p->connection;

        if (!wants_client(p))
                return false;
        ssize_t n =
            transport_read(&c->transport, buffer_reserve(&c->ahead, HTTP_STEP_BYTES), HTTP_STEP_BYTES);
        if (n == -EAGAIN)
                return false;
        if (n < 0)
                p->local_ended = p->local_gone = true; /* a reset: nobody is there to write to */
        c->peer_ended = n <= 0;
        c->ahead.len = n > 0 ? (size_t)n : 0;
        unwrap(p, c->ahead.len);
        return n > 0;
}

static bool write_local(Pump *p)
{
        Connection *c = p->connection;

        if (c->ahead.len == 0)
                return false;
        ssize_t n = p->local_gone ? (ssize_t)(c->ahead.len - p->up_at)
                                  : write(p->fd, c->ahead.data + p->up_at, c->ahead.len - p->up_at);
        if (n < 0) {
                p->local_gone = errno != EAGAIN && errno != EINTR;
                return p->local_gone;
        }
        p->up_at += (size_t)n;
        c->moved += (size_t)n;
        if (p->up_at == c->ahead.len)
                c->ahead.len = p->up_at = 0;
        return true;
}

static void wrap(Pump *p, size_t n)
{
        Connection *c = p->connection;

        c->out[0].len = WEBSOCKET_HEADER_MAX + n;
        c->out_at = WEBSOCKET_HEADER_MAX - websocket_wrap(c->out[0].data + WEBSOCKET_HEADER_MAX, n);
}

static bool read_local(Pump *p)
{
        Connection *c = p->connection;
        size_t header = p->websocket ? WEBSOCKET_HEADER_MAX : 0;

        if (p->local_ended || c->out[0].len > 0)
                return false;
        ssize_t n =
            read(p->fd, buffer_reserve(&c->out[0], header + HTTP_STEP_BYTES) + header, HTTP_STEP_BYTES);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (n <= 0) {
                p->local_ended = true;
                p->local_gone |= local_is_gone(p);
                return false;
        }
        c->out[0].len = (size_t)n;
        if (p->websocket && p->websocket->close_sent)
                c->out[0].len = 0;
        else if (p->websocket)
                wrap(p, (size_t)n);
        return true;
}

static bool write_client(Pump *p)
{
        Connection *c = p->connection;

        if (c->out[0].len == 0)
                return false;
        ssize_t n = transport_write(&c->transport, c->out[0].data + c->out_at, c->out[0].len - c->out_at);
        if (n == -EAGAIN)
                return false;
        if (n < 0) {
                p->local_ended = p->local_gone = c->peer_ended = true;
                c->out[0].len = c->out_at = 0;
                return false;
        }
        c->out_at += (size_t)n;
        c->moved += (size_t)n;
        if (c->out_at == c->out[0].len)
                c->out[0].len = c->out_at = 0;
        return true;
}

/* Tells our side that the client has ended. A client that speaks WebSocket ends both directions at once, and a terminal
 * has no ends to tell apart. */
static void tell_local(Pump *p)
{
        p->local_told = true;
        if (p->websocket || (shutdown(p->fd, SHUT_WR) < 0 && errno == ENOTSOCK))
                p->local_ended = p->local_gone = true;
}

static void tell_client(Pump *p)
{
        Connection *c = p->connection;

        if (p->websocket && !p->websocket->close_sent && !client_ended(p)) {
                websocket_close(p->websocket, WEBSOCKET_NORMAL, &c->out[0]);
                while (write_client(p))
                        ;
                if (c->out[0].len > 0)
                        return;
        }
        p->client_told = true;
        if (!p->local_gone)
                transport_end_writing(&c->transport);
}

/* Passes ends on, once what came before them has gone. True: the whole is over. */
static bool pass_ends(Pump *p)
{
        Connection *c = p->connection;

        if (client_ended(p) && c->ahead.len == 0 && !p->local_told)
                tell_local(p);
        if (p->local_ended && c->out[0].len == 0 && !p->client_told)
                tell_client(p);
        return (p->client_told && p->local_gone) || (p->client_told && p->local_told);
}

void pump_drive(Connection *c)
{
        Pump *p = c->pump;
        size_t before = c->moved;

        while (c->moved - before < HTTP_TURN_BYTES) {
                bool moved = read_client(p);
                moved |= write_local(p);
                moved |= read_local(p);
                moved |= write_client(p);
                if (!moved)
                        break;
        }
        if (pass_ends(p)) {
                c->pump = NULL;
                pump_close(p);
                connection_finish(c);
                return;
        }
        /* Who has ended its sending, and neither reads on nor closes, is not waited for for ever. */
        if (c->moved != before || !p->local_ended)
                connection_set_wait(c, WAIT_NONE);
        if (p->local_ended)
                connection_set_wait(c, WAIT_PROGRESS);
        c->moved = 0;
        c->resume = wants_client(p) && transport_holds_bytes(&c->transport);
        pump_settle(p);
}
