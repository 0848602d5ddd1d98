/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-stream.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "http-connection.h"

#define LINGER_MSEC     2000
#define TLS_READ_BYTES  (256u << 10) /* read off the socket at once: many records */
#define TLS_WRITE_BYTES (160u << 10) /* and given to it at once */

struct HttpStream {
        Transport transport;
        BIO *gather;  /* TLS: collects records until it is flushed; the connection's */
        Buffer ahead; /* came with the head */
        size_t ahead_at;
        uint64_t stall_usec, until_usec;
        size_t moved; /* since until_usec was set */
        atomic_bool cancelled;
        int failed; /* 0 or the errno of the first failure */
};

/* A record holds 16 KiB, and would by itself be a call of the system each. */
static BIO *gather_records(SSL *ssl)
{
        BIO *gather = BIO_new(BIO_f_buffer()), *socket = SSL_get_wbio(ssl);

        assert(gather);
        BIO_set_write_buffer_size(gather, TLS_WRITE_BYTES); /* else its own 4 KiB: slower, no more */
        BIO_up_ref(socket);
        BIO_push(gather, socket);
        SSL_set0_wbio(ssl, gather);
        return gather;
}

HttpStream *http_detach(HttpExchange *e, unsigned stall_msec)
{
        Connection *c = e->connection;

        assert(e->open && !c->driving);
        if (c->phase == PHASE_CLOSED)
                return NULL;
        HttpStream *s = calloc(1, sizeof(*s));
        assert(s);
        s->transport = c->transport;
        s->ahead = c->ahead;
        s->stall_usec = (uint64_t)(stall_msec ? stall_msec : HTTP_STREAM_STALL_MSEC) * 1000;
        if (s->transport.ssl) {
                SSL_set_default_read_buffer_len(s->transport.ssl, TLS_READ_BYTES);
                SSL_clear_mode(s->transport.ssl, SSL_MODE_RELEASE_BUFFERS);
                s->gather = gather_records(s->transport.ssl);
        }
        transport_keep_alive(&s->transport);
        c->transport = (Transport){ .fd = -1 };
        c->ahead = (Buffer){ 0 };
        connection_end_exchange(c);
        connection_close(c);
        return s;
}

/* ---- waiting ---- */

static int fail(HttpStream *s, int r)
{
        if (!s->failed)
                s->failed = atomic_load(&s->cancelled) ? ECANCELED : -r;
        return -s->failed;
}

static void begin(HttpStream *s)
{
        s->moved = 0;
        s->until_usec = clock_usec() + s->stall_usec;
}

static void count(HttpStream *s, size_t n)
{
        s->moved += n;
        if (s->moved >= HTTP_STEP_BYTES)
                begin(s);
}

/* For the socket, in the direction that TLS wants; a cancelled stream's is shut down, which ends the wait. */
static int wait(HttpStream *s, bool write)
{
        Transport *t = &s->transport;
        bool out = write ? !t->write_on_read : t->read_on_write;
        struct pollfd poll_fd = { .fd = t->fd, .events = out ? POLLOUT : POLLIN };
        uint64_t now = clock_usec();

        if (now >= s->until_usec)
                return -ETIMEDOUT;
        int r = poll(&poll_fd, 1, (int)MIN((s->until_usec - now) / 1000 + 1, 60000));
        return r < 0 && errno != EINTR ? -errno : 0;
}

/* 0, -EAGAIN, or another negative errno. */
static ssize_t flush(HttpStream *s)
{
        if (!s->gather || BIO_flush(s->gather) > 0)
                return 0;
        return BIO_should_retry(s->gather) ? -EAGAIN : -EPIPE;
}

ssize_t http_stream_read(HttpStream *s, char *bytes, size_t n)
{
        ssize_t r;

        if (s->failed || atomic_load(&s->cancelled))
                return fail(s, -ECANCELED);
        if (s->ahead.len > s->ahead_at) {
                n = MIN(n, s->ahead.len - s->ahead_at);
                memcpy(bytes, s->ahead.data + s->ahead_at, n);
                s->ahead_at += n;
                if (s->ahead_at == s->ahead.len)
                        buffer_clear(&s->ahead);
                return (ssize_t)n;
        }
        if (s->moved == 0)
                begin(s);
        while ((r = transport_read(&s->transport, bytes, n)) == -EAGAIN) {
                flush(s); /* what TLS itself may have to say */
                r = wait(s, false);
                if (r < 0)
                        break;
        }
        if (r < 0 || atomic_load(&s->cancelled))
                return fail(s, (int)r);
        count(s, (size_t)r);
        return r;
}

int http_stream_write(HttpStream *s, const char *bytes, size_t n)
{
        if (s->failed || atomic_load(&s->cancelled))
                return fail(s, -ECANCELED);
        begin(s);
        for (bool flushed = false; !flushed;) {
                ssize_t r = n > 0 ? transport_write(&s->transport, bytes, n) : flush(s);

                flushed = n == 0 && r == 0;
                if (r == -EAGAIN)
                        r = wait(s, true);
                if (r < 0 || atomic_load(&s->cancelled))
                        return fail(s, (int)r);
                bytes += r;
                n -= (size_t)r;
                count(s, (size_t)r);
        }
        return 0;
}

/* ---- the end ---- */

void http_stream_cancel(HttpStream *s)
{
        atomic_store(&s->cancelled, true);
        shutdown(s->transport.fd, SHUT_RDWR);
}

/* Closing a socket while bytes come in would reset it, and the client could lose what it has not read yet. */
static void linger(HttpStream *s)
{
        char thrown_away[4096];

        if (s->failed)
                return;
        transport_end_writing(&s->transport);
        s->ahead_at = s->ahead.len;
        s->until_usec = clock_usec() + LINGER_MSEC * 1000;
        while (clock_usec() < s->until_usec) {
                ssize_t r = transport_read(&s->transport, thrown_away, sizeof(thrown_away));

                if (r == -EAGAIN ? wait(s, false) < 0 : r <= 0)
                        break;
        }
}

void http_stream_close(HttpStream *s, bool whole)
{
        if (whole)
                linger(s);
        transport_close(&s->transport);
        buffer_clear(&s->ahead);
        free(s);
}

void http_stream_refuse(HttpStream *s, int status, const char *headers)
{
        auto_buffer page = { 0 };

        http_write_error(&page, status, headers);
        http_stream_close(s, http_stream_write(s, page.data, page.len) == 0);
}
