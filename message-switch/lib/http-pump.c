/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection that has been taken over: bytes between the client and a socket of ours, both ways. What is under way
 * from the client stands in Connection.ahead, what is under way to it in Connection.out[0]; a side is read again when
 * what it sent last has gone. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http-connection.h"

struct Pump {
        Connection *connection;
        uv_poll_t poll;
        int fd;                       /* our end */
        int events;                   /* polled for on it */
        size_t up_at;                 /* bytes of ahead already passed on */
        bool local_ended, local_gone; /* sends no more; takes no more either */
        bool local_told, client_told; /* an end has been passed on to it */
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

int pump_start(Connection *c, const char *head)
{
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        Pump *p = calloc(1, sizeof(*p));
        assert(p);
        p->connection = c;
        p->fd = fds[0];
        int r = uv_poll_init_socket(loop_uv(c->server->options.loop), &p->poll, p->fd);
        assert(r == 0);
        p->poll.data = p;
        c->pump = p;
        buffer_append_text(&c->out[0], head);
        return fds[1];
}

static void pump_on_closed(uv_handle_t *handle)
{
        free(handle->data);
}

void pump_close(Pump *p)
{
        uv_close((uv_handle_t *)&p->poll, pump_on_closed);
        close(p->fd);
}

int pump_client_events(const Pump *p)
{
        const Connection *c = p->connection;
        const Transport *t = &c->transport;
        int events = 0;

        if (!c->peer_ended && c->ahead.len == 0)
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

        if (c->peer_ended || c->ahead.len > 0)
                return false;
        ssize_t n =
            transport_read(&c->transport, buffer_reserve(&c->ahead, HTTP_STEP_BYTES), HTTP_STEP_BYTES);
        if (n == -EAGAIN)
                return false;
        if (n < 0)
                p->local_ended = p->local_gone = true; /* a reset: nobody is there to write to */
        c->peer_ended = n <= 0;
        c->ahead.len = n > 0 ? (size_t)n : 0;
        return n > 0;
}

static bool write_local(Pump *p)
{
        Connection *c = p->connection;

        if (c->ahead.len == 0)
                return false;
        ssize_t n = p->local_gone
                        ? (ssize_t)(c->ahead.len - p->up_at)
                        : send(p->fd, c->ahead.data + p->up_at, c->ahead.len - p->up_at, MSG_NOSIGNAL);
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

static bool read_local(Pump *p)
{
        Connection *c = p->connection;

        if (p->local_ended || c->out[0].len > 0)
                return false;
        ssize_t n = recv(p->fd, buffer_reserve(&c->out[0], HTTP_STEP_BYTES), HTTP_STEP_BYTES, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (n <= 0) {
                p->local_ended = true;
                p->local_gone |= local_is_gone(p);
                return false;
        }
        c->out[0].len = (size_t)n;
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

/* Passes ends on, once what came before them has gone. True: the whole is over. */
static bool pass_ends(Pump *p)
{
        Connection *c = p->connection;

        if (c->peer_ended && c->ahead.len == 0 && !p->local_told) {
                p->local_told = true;
                shutdown(p->fd, SHUT_WR);
        }
        if (p->local_ended && c->out[0].len == 0 && !p->client_told) {
                p->client_told = true;
                if (!p->local_gone)
                        transport_end_writing(&c->transport);
        }
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
        c->resume = !c->peer_ended && c->ahead.len == 0 && transport_holds_bytes(&c->transport);
        pump_settle(p);
}
