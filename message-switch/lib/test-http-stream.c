/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections that leave the server for a thread. */
#include "http-stream.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "http-fixture.h"

#define BYTES      (3u << 20)
#define STALL_MSEC 100

static struct {
        HttpExchange *exchange;
        HttpStream *stream;
        unsigned stall_msec;
        uv_sem_t came;
} server;

static bool on_head(HttpExchange *e, void *data)
{
        server.exchange = e;
        uv_sem_post(&server.came);
        return true;
}

static void on_request(HttpExchange *e, void *data)
{
        g_assert_not_reached();
}

static void detach(void *data)
{
        server.stream = http_detach(server.exchange, server.stall_msec);
}

static Fixture *start(void)
{
        uv_sem_init(&server.came, 0);
        server.stall_msec = 0;
        return fixture_new((HttpServerOptions){ .on_request = on_request, .on_head = on_head });
}

static void stop(Fixture *f)
{
        fixture_free(f);
        uv_sem_destroy(&server.came);
}

static Client *open_stream(Fixture *f, Via via, const char *request)
{
        Client *c = client_new(f, via);

        client_send_text(c, request);
        uv_sem_wait(&server.came);
        fixture_run(f, detach, NULL);
        g_assert_nonnull(server.stream);
        g_assert_cmpuint(http_server_connections(f->server), ==, 0);
        return c;
}

static char *pattern(void)
{
        char *bytes = g_malloc(BYTES);

        for (size_t i = 0; i < BYTES; i++)
                bytes[i] = (char)(i * 7 + i / 4096);
        return bytes;
}

static gpointer send_pattern(gpointer data)
{
        g_autofree char *bytes = pattern();

        client_send(data, bytes, BYTES);
        return NULL;
}

static void read_whole(char *ret, size_t n)
{
        for (size_t got = 0; got < n;) {
                ssize_t r = http_stream_read(server.stream, ret + got, n - got);
                g_assert_cmpint(r, >, 0);
                got += (size_t)r;
        }
}

static gpointer read_to_end(gpointer client)
{
        while (client_fill(client))
                ;
        return NULL;
}

/* Up: what came with the head, then the rest, then an answer; with bytes left that nobody wants. */
static void test_upload(void)
{
        g_autofree char *expected = pattern(), *got = g_malloc(BYTES);
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c =
                    open_stream(f, via, "PUT /x HTTP/1.1\r\nContent-Length: 1125899906842624\r\n\r\nfirst");
                GThread *sender = g_thread_new("sender", send_pattern, c);

                read_whole(got, 5);
                g_assert_cmpmem(got, 5, "first", 5);
                read_whole(got, BYTES - 3);
                g_assert_cmpmem(got, BYTES - 3, expected, BYTES - 3);
                g_thread_join(sender);
                g_assert_cmpint(http_stream_write(server.stream, "done", 4), ==, 0);
                GThread *closer = g_thread_new("closer", read_to_end, c);
                http_stream_close(server.stream, true);
                g_thread_join(closer);
                g_assert_cmpmem(c->in.data, c->in.len, "done", 4);
                client_free(c);
        }
        stop(f);
}

static gpointer write_pattern(gpointer data)
{
        g_autofree char *bytes = pattern();

        g_assert_cmpint(http_stream_write(server.stream, bytes, BYTES), ==, 0);
        http_stream_close(server.stream, true);
        return NULL;
}

static void test_download(void)
{
        g_autofree char *expected = pattern();
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c = open_stream(f, via, "GET /x HTTP/1.1\r\n\r\n");
                GThread *writer = g_thread_new("writer", write_pattern, NULL);

                while (client_fill(c))
                        ;
                g_assert_cmpmem(c->in.data, c->in.len, expected, BYTES);
                client_free(c);
                g_thread_join(writer);
        }
        stop(f);
}

static gpointer refuse(gpointer data)
{
        http_stream_refuse(server.stream, 403, "X-Why: not\r\n");
        return NULL;
}

static void test_refused(void)
{
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c = open_stream(f, via, "PUT /x HTTP/1.1\r\nContent-Length: 10\r\n\r\n");
                GThread *refuser = g_thread_new("refuser", refuse, NULL);
                g_autofree char *head = NULL, *body = NULL;

                g_assert_cmpint(client_reply(c, &head, &body), ==, 403);
                g_assert_nonnull(strstr(head, "X-Why: not\r\n"));
                g_assert_nonnull(strstr(head, "Connection: close\r\n"));
                g_assert_nonnull(strstr(body, "Forbidden"));
                client_free(c);
                g_thread_join(refuser);
        }
        stop(f);
}

static gpointer read_until_failure(gpointer data)
{
        char bytes[65536];
        ssize_t r;

        while ((r = http_stream_read(server.stream, bytes, sizeof(bytes))) > 0)
                ;
        return GINT_TO_POINTER(r);
}

static gpointer write_until_failure(gpointer data)
{
        static const char bytes[65536];
        int r;

        while ((r = http_stream_write(server.stream, bytes, sizeof(bytes))) == 0)
                ;
        return GINT_TO_POINTER(r);
}

/* Whoever waits for the client, or for its room, is woken. */
static void test_cancel(void)
{
        const GThreadFunc waits[] = { read_until_failure, write_until_failure };
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                for (size_t i = 0; i < G_N_ELEMENTS(waits); i++) {
                        Client *c = open_stream(f, via, "PUT /x HTTP/1.1\r\nContent-Length: 10\r\n\r\n");
                        GThread *waiter = g_thread_new("waiter", waits[i], NULL);
                        char byte;

                        http_stream_cancel(server.stream);
                        g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(waiter)), ==, -ECANCELED);
                        g_assert_cmpint(http_stream_read(server.stream, &byte, 1), ==, -ECANCELED);
                        g_assert_cmpint(http_stream_write(server.stream, &byte, 1), ==, -ECANCELED);
                        http_stream_close(server.stream, false);
                        client_free(c);
                }
        }
        stop(f);
}

static void test_stalled(void)
{
        const GThreadFunc waits[] = { read_until_failure, write_until_failure };
        Fixture *f = start();

        server.stall_msec = STALL_MSEC;
        for (Via via = 0; via < VIA_COUNT; via++) {
                for (size_t i = 0; i < G_N_ELEMENTS(waits); i++) {
                        Client *c = open_stream(f, via, "PUT /x HTTP/1.1\r\nContent-Length: 10\r\n\r\n");

                        g_assert_cmpint(GPOINTER_TO_INT(waits[i](NULL)), ==, -ETIMEDOUT);
                        http_stream_close(server.stream, false);
                        client_free(c);
                }
        }
        stop(f);
}

/* A client that breaks off, in either direction; and one that ends in an orderly way. */
static void test_broken_off(void)
{
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c = open_stream(f, via, "PUT /x HTTP/1.1\r\nContent-Length: 10\r\n\r\nab");
                char bytes[3];

                client_free(c);
                read_whole(bytes, 2);
                g_assert_cmpint(http_stream_read(server.stream, bytes, 3), <=, 0);
                http_stream_close(server.stream, true);
                c = open_stream(f, via, "GET /x HTTP/1.1\r\n\r\n");
                client_free(c);
                int r = GPOINTER_TO_INT(write_until_failure(NULL));
                g_assert_true(r == -EPIPE || r == -ECONNRESET);
                http_stream_close(server.stream, true);
        }
        stop(f);
}

/* Broken off by us over TLS: the client must not take it for the end. */
static void test_truncated(void)
{
        Fixture *f = start();
        Client *c = open_stream(f, VIA_TLS, "GET /x HTTP/1.1\r\n\r\n");
        char bytes[16];

        g_assert_cmpint(http_stream_write(server.stream, "part", 4), ==, 0);
        http_stream_close(server.stream, false);
        g_assert_cmpint(SSL_read(c->ssl, bytes, sizeof(bytes)), ==, 4);
        g_assert_cmpint(SSL_read(c->ssl, bytes, sizeof(bytes)), <=, 0);
        g_assert_false(SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN);
        client_free(c);
        stop(f);
}

static void try_detach(void *data)
{
        g_assert_null(http_detach(server.exchange, 0));
        http_reply_error(server.exchange, 500, NULL);
}

static void on_gone(void *data)
{
        uv_sem_post(data);
}

static void watch(void *data)
{
        http_exchange_on_close(server.exchange, on_gone, data);
}

static void test_gone_before(void)
{
        Fixture *f = start();
        Client *c = client_new(f, VIA_TCP);
        struct linger linger = { .l_onoff = 1 };
        uv_sem_t gone;

        uv_sem_init(&gone, 0);
        client_send_text(c, "PUT /x HTTP/1.1\r\nContent-Length: 10\r\n\r\n");
        uv_sem_wait(&server.came);
        fixture_run(f, watch, &gone);
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        client_free(c);
        uv_sem_wait(&gone);
        fixture_run(f, try_detach, NULL);
        uv_sem_destroy(&gone);
        stop(f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-stream/upload", test_upload);
        g_test_add_func("/http-stream/download", test_download);
        g_test_add_func("/http-stream/refused", test_refused);
        g_test_add_func("/http-stream/cancel", test_cancel);
        g_test_add_func("/http-stream/stalled", test_stalled);
        g_test_add_func("/http-stream/broken-off", test_broken_off);
        g_test_add_func("/http-stream/truncated", test_truncated);
        g_test_add_func("/http-stream/gone-before", test_gone_before);
        return g_test_run();
}
