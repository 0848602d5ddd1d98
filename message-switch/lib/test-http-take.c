/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "http-fixture.h"

#define BYTES (3u << 20)

static struct {
        int fd;
        uv_sem_t taken;
} server;

static bool on_head(HttpExchange *e, void *data)
{
        server.fd = http_take(e, "HTTP/1.1 200 OK\r\n\r\n");
        g_assert_cmpint(server.fd, >=, 0);
        uv_sem_post(&server.taken);
        return true;
}

static void on_request(HttpExchange *e, void *data)
{
        g_assert_not_reached();
}

static Fixture *start(void)
{
        uv_sem_init(&server.taken, 0);
        return fixture_new((HttpServerOptions){ .on_request = on_request, .on_head = on_head });
}

static void stop(Fixture *f)
{
        fixture_free(f);
        uv_sem_destroy(&server.taken);
}

/* -1: nothing, and no end, within the wait of a failing test. */
static ssize_t local_read(char *bytes, size_t n)
{
        struct pollfd wait = { .fd = server.fd, .events = POLLIN };
        g_assert_cmpint(poll(&wait, 1, 20000), ==, 1);
        return recv(server.fd, bytes, n, 0);
}

static void local_write(const char *bytes, size_t n)
{
        while (n > 0) {
                struct pollfd wait = { .fd = server.fd, .events = POLLOUT };
                g_assert_cmpint(poll(&wait, 1, 20000), ==, 1);
                ssize_t sent = send(server.fd, bytes, n, MSG_NOSIGNAL);
                g_assert_cmpint(sent, >, 0);
                bytes += sent;
                n -= (size_t)sent;
        }
}

static Client *take(Fixture *f, Via via, const char *request)
{
        Client *c = client_new(f, via);
        client_send_text(c, request);
        uv_sem_wait(&server.taken);
        g_assert_cmpint(client_reply(c, NULL, NULL), ==, 200);
        return c;
}

static void *send_pattern(void *data)
{
        g_autofree char *bytes = g_malloc(BYTES);
        for (size_t i = 0; i < BYTES; i++)
                bytes[i] = (char)(i * 7 + i / 4096);
        client_send(data, bytes, BYTES);
        return NULL;
}

static void assert_pattern(const char *bytes, size_t n, size_t at)
{
        for (size_t i = 0; i < n; i++)
                g_assert_cmpint(bytes[i], ==, (char)((at + i) * 7 + (at + i) / 4096));
}

/* A body that comes as a stream: its first bytes with the head, then its end passed on, then an answer back. */
static void test_upload(void)
{
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c =
                    take(f, via, "PUT /import HTTP/1.1\r\nContent-Length: 1125899906842624\r\n\r\nfirst");
                char bytes[65536];
                size_t got = 0;
                g_assert_cmpint(local_read(bytes, 5), ==, 5);
                g_assert_cmpmem(bytes, 5, "first", 5);
                GThread *sender = g_thread_new("sender", send_pattern, c);
                while (got < BYTES) {
                        ssize_t n = local_read(bytes, sizeof(bytes));
                        g_assert_cmpint(n, >, 0);
                        assert_pattern(bytes, (size_t)n, got);
                        got += (size_t)n;
                }
                g_thread_join(sender);
                if (c->ssl)
                        SSL_shutdown(c->ssl);
                else
                        shutdown(c->fd, SHUT_WR);
                g_assert_cmpint(local_read(bytes, sizeof(bytes)), ==, 0);
                local_write("done", 4);
                close(server.fd);
                while (c->in.len < 4 && client_fill(c))
                        ;
                g_assert_cmpmem(c->in.data, c->in.len, "done", 4);
                g_assert_false(client_fill(c));
                client_free(c);
        }
        stop(f);
}

/* The other way: written and closed at once, all of it must arrive. */
static void test_download(void)
{
        Fixture *f = start();
        g_autofree char *bytes = g_malloc(BYTES);

        for (size_t i = 0; i < BYTES; i++)
                bytes[i] = (char)(i * 7 + i / 4096);
        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c = take(f, via, "GET /export HTTP/1.0\r\n\r\n");
                size_t got = c->in.len;
                GThread *reader = NULL;
                local_write(bytes, 1000);
                while (c->in.len < 1000 && client_fill(c))
                        ;
                g_assert_cmpuint(got, <=, 1000);
                int buffer = 8 << 20;
                setsockopt(server.fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
                for (size_t at = 1000; at < BYTES;) {
                        ssize_t n = send(server.fd, bytes + at, BYTES - at, MSG_NOSIGNAL);
                        if (n > 0)
                                at += (size_t)n;
                        else
                                g_assert_true(client_fill(c));
                }
                close(server.fd);
                while (client_fill(c))
                        ;
                g_assert_cmpuint(c->in.len, ==, BYTES);
                assert_pattern(c->in.data, BYTES, 0);
                g_assert_null(reader);
                client_free(c);
        }
        stop(f);
}

static void test_duplex(void)
{
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c = take(f, via, "CONNECT /console HTTP/1.1\r\n\r\n");
                for (int i = 0; i < 100; i++) {
                        char byte[2];
                        client_send(c, "a", 1);
                        g_assert_cmpint(local_read(byte, 2), ==, 1);
                        local_write("b", 1);
                        while (c->in.len < 1)
                                g_assert_true(client_fill(c));
                        buffer_consume(&c->in, 1);
                }
                shutdown(server.fd, SHUT_WR);
                g_assert_true(client_has_ended(c));
                char byte;
                client_free(c);
                g_assert_cmpint(local_read(&byte, 1), <=, 0);
                close(server.fd);
        }
        stop(f);
}

/* A client that breaks off: an end here, and what is written goes nowhere, without harm. */
static void test_broken_off(void)
{
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c = take(f, via, "PUT /import HTTP/1.1\r\nContent-Length: 100\r\n\r\n");
                struct linger linger = { .l_onoff = 1 };
                setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
                client_free(c);
                char byte;
                g_assert_cmpint(local_read(&byte, 1), <=, 0);
                send(server.fd, "x", 1, MSG_NOSIGNAL);
                close(server.fd);
        }
        stop(f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-take/upload", test_upload);
        g_test_add_func("/http-take/download", test_download);
        g_test_add_func("/http-take/duplex", test_duplex);
        g_test_add_func("/http-take/broken-off", test_broken_off);
        return g_test_run();
}
