/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the HTTP server does not let its clients hold. */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "http-connection.h"
#include "http-fixture.h"

#define LARGE_BYTES (20u << 20)

static struct {
        HttpExchange *held;
        uv_sem_t was_held, was_gone;
} server;

static void on_request(HttpExchange *e, void *data)
{
        Buffer body = { 0 };

        if (strcmp(http_exchange_request(e)->path, "/held") == 0) {
                server.held = e;
                uv_sem_post(&server.was_held);
                return;
        }
        if (strcmp(http_exchange_request(e)->path, "/large") == 0) {
                memset(buffer_reserve(&body, LARGE_BYTES), 'x', LARGE_BYTES);
                body.len = LARGE_BYTES;
        }
        http_reply(e, &(HttpReply){ .status = 200, .body = &body });
}

static Fixture *start(HttpServerLimits limits)
{
        uv_sem_init(&server.was_held, 0);
        uv_sem_init(&server.was_gone, 0);
        return fixture_new((HttpServerOptions){ .on_request = on_request, .limits = limits });
}

static void stop(Fixture *f)
{
        fixture_free(f);
        uv_sem_destroy(&server.was_held);
        uv_sem_destroy(&server.was_gone);
}

static void read_connections(void *data)
{
        Fixture *f = ((void **)data)[0];
        *(size_t *)((void **)data)[1] = http_server_connections(f->server);
}

static size_t count_connections(Fixture *f)
{
        size_t n;
        fixture_run(f, read_connections, (void *[]){ f, &n });
        return n;
}

/* A socket that has not been connected yet. */
static Client *client_unconnected(void)
{
        Client *c = g_new0(Client, 1);
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_assert_cmpint(c->fd, >=, 0);
        return c;
}

static void connect_client(Client *c, int port)
{
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
        to.sin_port = htons((uint16_t)port);
        g_assert_cmpint(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), ==, 0);
}

static void test_waits(void)
{
        Fixture *f = start((HttpServerLimits){ .head_msec = 50, .progress_msec = 50, .idle_msec = 50 });
        Client *idle = client_new(f, VIA_TLS), *head = client_new(f, VIA_TCP), *body = client_new(f, VIA_TLS),
               *taker = client_new(f, VIA_TCP), *silent = client_new(f, VIA_TCP),
               *greeting = client_unconnected();

        connect_client(greeting, f->tls_port);
        client_send(greeting, "\x16", 1); /* TLS begins so */
        client_send_text(head, "GET / HT");
        client_send_text(body, "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel");
        client_send_text(taker, "GET /large HTTP/1.1\r\n\r\n");
        g_assert_cmpint(client_reply(head, NULL, NULL), ==, 408);
        g_assert_cmpint(client_reply(body, NULL, NULL), ==, 408);
        g_assert_true(client_has_ended(idle));
        g_assert_true(client_has_ended(silent));
        g_assert_true(client_has_ended(greeting));
        while (count_connections(f) > 0) /* the one that never reads is cut, too */
                g_thread_yield();
        client_free(idle);
        client_free(head);
        client_free(body);
        client_free(taker);
        client_free(silent);
        client_free(greeting);
        stop(f);
}

static void test_connection_limit(void)
{
        Fixture *f = start((HttpServerLimits){ .connections = 3 });
        Client *c[4];

        for (size_t i = 0; i < 3; i++) {
                c[i] = client_new(f, (Via)i);
                g_assert_cmpint(client_call(c[i], "GET / HTTP/1.1\r\n\r\n", NULL), ==, 200);
        }
        for (Via via = 0; via < VIA_COUNT; via++) {
                c[3] = client_new(f, via);
                g_assert_cmpint(client_call(c[3], "GET / HTTP/1.1\r\n\r\n", NULL), ==, 503);
                g_assert_true(client_has_ended(c[3]));
                client_free(c[3]);
        }
        for (size_t i = 0; i < 3; i++) {
                g_assert_cmpint(client_call(c[i], "GET / HTTP/1.1\r\n\r\n", NULL), ==, 200);
                client_free(c[i]);
        }
        while (count_connections(f) > 0)
                g_thread_yield();
        c[0] = client_new(f, VIA_TCP);
        g_assert_cmpint(client_call(c[0], "GET / HTTP/1.1\r\n\r\n", NULL), ==, 200);
        client_free(c[0]);
        stop(f);
}

static void begin_body(Client *c, const char *path, size_t length, size_t sent)
{
        g_autofree char *head =
            g_strdup_printf("POST %s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", path, length);
        g_autofree char *body = g_strnfill(sent, 'x');

        client_send_text(c, head);
        client_send(c, body, sent);
}

static int post(Fixture *f, size_t length)
{
        Client *c = client_new(f, VIA_TCP);
        int status;

        begin_body(c, "/", length, length);
        status = client_reply(c, NULL, NULL);
        client_free(c);
        return status;
}

static void read_bodies(void *data)
{
        Fixture *f = ((void **)data)[0];
        *(size_t *)((void **)data)[1] = f->server->bodies_bytes;
}

static size_t count_bodies(Fixture *f)
{
        size_t n;
        fixture_run(f, read_bodies, (void *[]){ f, &n });
        return n;
}

/* Whoever sends too much, and whoever does not go on, harms others that send much, and nobody else. */
static void test_bodies_limit(void)
{
        Fixture *f = start((HttpServerLimits){ .bodies_bytes = 1 << 20 });
        Client *unfinished = client_new(f, VIA_TCP);

        g_assert_cmpint(post(f, 1 << 20), ==, 200);
        g_assert_cmpint(post(f, (1 << 20) + 1), ==, 503);
        begin_body(unfinished, "/", 1 << 20, (1 << 20) - 1);
        while (count_bodies(f) < 1 << 20)
                g_thread_yield();
        g_assert_cmpint(post(f, HTTP_BODY_SMALL + 1), ==, 503);
        g_assert_cmpint(post(f, HTTP_BODY_SMALL), ==, 200);
        g_assert_cmpint(post(f, 1), ==, 200);
        client_send_text(unfinished, "x");
        g_assert_cmpint(client_reply(unfinished, NULL, NULL), ==, 200);
        g_assert_cmpint(post(f, 1 << 20), ==, 200);
        client_free(unfinished);
        stop(f);
}

static void drop_held(void *data)
{
        http_exchange_drop_body(server.held);
        g_assert_cmpuint(http_exchange_request(server.held)->body.len, ==, 0);
}

static void reply_held(void *data)
{
        http_reply(server.held, &(HttpReply){ .status = 200 });
}

/* An answer that comes late holds nothing of what others may send. */
static void test_dropped_body(void)
{
        Fixture *f = start((HttpServerLimits){ .bodies_bytes = 1 << 20 });
        Client *late = client_new(f, VIA_TCP);

        begin_body(late, "/held", 1 << 20, 1 << 20);
        uv_sem_wait(&server.was_held);
        g_assert_cmpint(post(f, 1 << 20), ==, 503);
        fixture_run(f, drop_held, NULL);
        g_assert_cmpint(post(f, 1 << 20), ==, 200);
        fixture_run(f, reply_held, NULL);
        g_assert_cmpint(client_reply(late, NULL, NULL), ==, 200);
        g_assert_cmpuint(count_bodies(f), ==, 0);
        client_free(late);
        stop(f);
}

/* Without descriptors a client is turned away, not left hanging; with descriptors again, all is well. */
static void test_descriptors(void)
{
        Fixture *f = start((HttpServerLimits){ 0 });
        struct rlimit before, tight;
        Client *away = client_unconnected(), *back = client_unconnected();

        getrlimit(RLIMIT_NOFILE, &before);
        int lowest = dup(0);
        close(lowest);
        tight = before;
        tight.rlim_cur = (rlim_t)lowest;
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &tight), ==, 0);
        connect_client(away, f->port);
        g_assert_true(client_has_ended(away));
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
        connect_client(back, f->port);
        g_assert_cmpint(client_call(back, "GET / HTTP/1.1\r\n\r\n", NULL), ==, 200);
        client_free(away);
        client_free(back);
        stop(f);
}

static void on_gone(void *data)
{
        uv_sem_post(&server.was_gone);
}

static void ask_when_gone(void *data)
{
        http_exchange_on_close(server.held, on_gone, NULL);
}

static void reply_to_held(void *data)
{
        http_reply(server.held, &(HttpReply){ .status = 200 });
}

/* Who asks to be told only when the client has long gone is told all the same. */
static void test_gone_before_asked(void)
{
        Fixture *f = start((HttpServerLimits){ 0 });
        Client *c = client_new(f, VIA_TCP);

        client_send_text(c, "GET /held HTTP/1.1\r\n\r\n");
        uv_sem_wait(&server.was_held);
        struct linger linger = { .l_onoff = 1 };
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        client_free(c);
        while (count_connections(f) > 0)
                g_thread_yield();
        fixture_run(f, ask_when_gone, NULL);
        uv_sem_wait(&server.was_gone);
        fixture_run(f, reply_to_held, NULL);
        stop(f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-limits/waits", test_waits);
        g_test_add_func("/http-limits/connections", test_connection_limit);
        g_test_add_func("/http-limits/bodies", test_bodies_limit);
        g_test_add_func("/http-limits/dropped-body", test_dropped_body);
        g_test_add_func("/http-limits/descriptors", test_descriptors);
        g_test_add_func("/http-limits/gone-before-asked", test_gone_before_asked);
        return g_test_run();
}
