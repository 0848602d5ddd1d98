/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-transport.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

/* What a call that answered `r` means; *other says that the opposite direction is waited for. */
static ssize_t tls_result(Transport *t, int r, int wanted, bool *other)
{
        if (r > 0)
                return r;
        int saved = errno, error = SSL_get_error(t->ssl, r);
        switch (error) {
        case SSL_ERROR_ZERO_RETURN:
                return 0;
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
                *other = error != wanted;
                return -EAGAIN;
        case SSL_ERROR_SYSCALL:
                ERR_clear_error();
                return saved != 0 && saved != EAGAIN ? -saved : -ECONNRESET;
        default:
                ERR_clear_error();
                return -EPROTO;
        }
}

int transport_handshake(Transport *t)
{
        ERR_clear_error();
        errno = 0;
        ssize_t r = tls_result(t, SSL_accept(t->ssl), SSL_ERROR_WANT_READ, &t->read_on_write);
        return r > 0 ? 0 : r == 0 ? -ECONNRESET : (int)r;
}

ssize_t transport_read(Transport *t, char *bytes, size_t n)
{
        if (t->ssl) {
                t->read_on_write = false;
                ERR_clear_error();
                errno = 0;
                return tls_result(t, SSL_read(t->ssl, bytes, n < INT_MAX ? (int)n : INT_MAX),
                                  SSL_ERROR_WANT_READ, &t->read_on_write);
        }
        ssize_t r;
        do
                r = recv(t->fd, bytes, n, 0);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : r;
}

ssize_t transport_write(Transport *t, const char *bytes, size_t n)
{
        if (t->ssl) {
                t->write_on_read = false;
                ERR_clear_error();
                errno = 0;
                ssize_t r = tls_result(t, SSL_write(t->ssl, bytes, n < INT_MAX ? (int)n : INT_MAX),
                                       SSL_ERROR_WANT_WRITE, &t->write_on_read);
                return r == 0 ? -EPIPE : r;
        }
        ssize_t r;
        do
                r = send(t->fd, bytes, n, MSG_NOSIGNAL);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : r;
}

bool transport_holds_bytes(Transport *t)
{
        return t->ssl && SSL_has_pending(t->ssl);
}

void transport_keep_alive(Transport *t)
{
        int on = 1, idle_sec = 60, interval_sec = 15;

        setsockopt(t->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        setsockopt(t->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_sec, sizeof(idle_sec));
        setsockopt(t->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_sec, sizeof(interval_sec));
}

void transport_end_writing(Transport *t)
{
        if (t->ssl && SSL_is_init_finished(t->ssl)) {
                ERR_clear_error();
                SSL_shutdown(
                    t->ssl); /* at best: one alert, which fits, or the peer reads the socket's own end */
                ERR_clear_error();
        }
        shutdown(t->fd, SHUT_WR);
}

void transport_close(Transport *t)
{
        SSL_free(t->ssl);
        t->ssl = NULL;
        if (t->fd >= 0)
                close(t->fd);
        t->fd = -1;
}
