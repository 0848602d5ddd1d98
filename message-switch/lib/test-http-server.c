/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "http-fixture.h"

#define LARGE_BYTES (20u << 20)
#define PIPELINED   5000u /* requests: more bytes than are read ahead */

static struct {
        HttpExchange *held[8];
        size_t n_held;
        uv_sem_t was_held, was_gone;
} server;

static void reply_text(HttpExchange *e, const char *text)
{
        Buffer body = { 0 };
        buffer_append_text(&body, text);
        http_reply(e, &(HttpReply){ .status = 200, .content_type = "text/plain", .body = &body });
}

static void on_gone(void *data)
{
        uv_sem_post(&server.was_gone);
}

static void on_request(HttpExchange *e, void *data)
{
        const HttpRequest *r = http_exchange_request(e);
        Buffer body = { 0 };

        if (strcmp(r->path, "/held") == 0) {
                http_exchange_on_close(e, on_gone, NULL);
                server.held[server.n_held++] = e;
                uv_sem_post(&server.was_held);
        } else if (strcmp(r->path, "/large") == 0) {
                memset(buffer_reserve(&body, LARGE_BYTES), 'x', LARGE_BYTES);
                body.len = LARGE_BYTES;
                http_reply(e, &(HttpReply){ .status = 200, .body = &body });
        } else if (strcmp(r->path, "/close") == 0) {
                http_reply(e, &(HttpReply){ .status = 200, .close = true });
        } else if (r->path[1] >= '1' && r->path[1] <= '9') {
                http_reply_error(e, atoi(r->path + 1), "X-Extra: y\r\n");
        } else if (r->body.len > 0) {
                buffer_append(&body, r->body.data, r->body.len);
                http_reply(e, &(HttpReply){ .status = 200, .body = &body });
        } else {
                reply_text(e, r->path);
        }
}

static bool on_head(HttpExchange *e, void *data)
{
        if (strcmp(http_exchange_request(e)->path, "/refused") != 0)
                return false;
        http_reply_error(e, 403, NULL);
        return true;
}

static Fixture *start(void)
{
        server.n_held = 0;
        uv_sem_init(&server.was_held, 0);
        uv_sem_init(&server.was_gone, 0);
        return fixture_new((HttpServerOptions){ .on_request = on_request, .on_head = on_head });
}

static void stop(Fixture *f)
{
        fixture_free(f);
        uv_sem_destroy(&server.was_held);
        uv_sem_destroy(&server.was_gone);
}

static void release_held(void *data)
{
        for (size_t i = 0; i < server.n_held; i++)
                reply_text(server.held[i], "released");
        server.n_held = 0;
}

static void test_replies(void)
{
        static const struct {
                const char *request, *first_line, *connection;
                bool closes;
        } cases[] = {
                { "GET / HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n", "keep-alive", false },
                { "GET / HTTP/1.1\r\nConnection: close\r\n", "HTTP/1.1 200 OK\r\n", "close", true },
                { "GET / HTTP/1.1\r\nConnection: upgrade\r\n", "HTTP/1.1 200 OK\r\n", "keep-alive", false },
                { "GET / HTTP/1.0\r\n", "HTTP/1.0 200 OK\r\n", "close", true },
                { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n", "HTTP/1.0 200 OK\r\n", "keep-alive",
                  false },
                { "GET /close HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n", "close", true },
                { "GET /404 HTTP/1.1\r\n", "HTTP/1.1 404 Not Found\r\n", "close", false },
                { "GET /403 HTTP/1.1\r\n", "HTTP/1.1 403 Forbidden\r\n", "close", true },
                { "GET /500 HTTP/1.1\r\n", "HTTP/1.1 500 Internal Error\r\n", "close", true },
                { "BREW /501 HTTP/1.1\r\n", "HTTP/1.1 501 Method not implemented\r\n", "close", true },
        };
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++)
                for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                        Client *c = client_new(f, via);
                        g_autofree char *head = NULL, *connection = NULL;
                        client_send_text(c, cases[i].request);
                        client_send_text(c, "\r\n");
                        g_assert_cmpint(client_reply(c, &head, NULL), >, 0);
                        g_assert_true(g_str_has_prefix(head, cases[i].first_line));
                        connection = g_strdup_printf("\r\nConnection: %s\r\n", cases[i].connection);
                        g_assert_nonnull(strstr(head, connection));
                        g_assert_nonnull(strstr(head, "\r\nCache-Control: no-cache, no-store\r\n"));
                        if (cases[i].closes)
                                g_assert_true(client_has_ended(c));
                        else
                                g_assert_cmpint(client_call(c, "GET / HTTP/1.1\r\n\r\n", NULL), ==, 200);
                        client_free(c);
                }
        stop(f);
}

static void test_error_pages(void)
{
        Fixture *f = start();
        Client *c = client_new(f, VIA_TCP);
        g_autofree char *missing = NULL, *forbidden = NULL, *body = NULL;

        client_send_text(c, "GET /404 HTTP/1.1\r\n\r\n");
        client_reply(c, &missing, NULL);
        g_assert_null(strstr(missing, "Content-Type"));
        client_send_text(c, "GET /403 HTTP/1.1\r\n\r\n");
        client_reply(c, &forbidden, &body);
        g_assert_nonnull(strstr(forbidden, "\r\nContent-Type: text/html\r\n"));
        g_assert_nonnull(strstr(forbidden, "\r\nX-Extra: y\r\n"));
        g_assert_true(g_str_has_prefix(body, "<html>"));
        client_free(c);
        stop(f);
}

typedef struct Sending {
        Client *client;
        GString *text;
} Sending;

static void *send_all(void *data)
{
        Sending *s = data;
        client_send(s->client, s->text->str, s->text->len);
        if (!s->client->ssl)
                shutdown(s->client->fd, SHUT_WR); /* who has said all still gets all answers */
        return NULL;
}

static void test_pipeline(void)
{
        Fixture *f = start();
        int room = 1 << 20; /* for TLS, which cannot be written on one thread and read on another */

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c = client_new(f, via);
                GString *many = g_string_new("GET /first HTTP/1.1\r\n\r\nGET /held HTTP/1.1\r\n\r\n");
                for (unsigned i = 0; i < PIPELINED; i++)
                        g_string_append_printf(many, "POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\n%04u", i);
                setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
                GThread *sender = c->ssl ? NULL : g_thread_new("sender", send_all, &(Sending){ c, many });
                if (!sender)
                        send_all(&(Sending){ c, many });
                g_autofree char *first = NULL, *held = NULL;
                g_assert_cmpint(client_reply(c, NULL, &first), ==, 200);
                g_assert_cmpstr(first, ==, "/first");
                uv_sem_wait(&server.was_held);
                fixture_run(f, release_held, NULL);
                g_assert_cmpint(client_reply(c, NULL, &held), ==, 200);
                g_assert_cmpstr(held, ==, "released");
                for (unsigned i = 0; i < PIPELINED; i++) {
                        g_autofree char *body = NULL, *expected = g_strdup_printf("%04u", i);
                        g_assert_cmpint(client_reply(c, NULL, &body), ==, 200);
                        g_assert_cmpstr(body, ==, expected);
                }
                if (sender)
                        g_thread_join(sender);
                g_string_free(many, true);
                client_free(c);
        }
        stop(f);
}

static void test_byte_at_a_time(void)
{
        static const char text[] =
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c = client_new(f, via);
                g_autofree char *body = NULL;
                for (size_t i = 0; i < sizeof(text) - 1; i++)
                        client_send(c, text + i, 1);
                g_assert_cmpint(client_reply(c, NULL, &body), ==, 200);
                g_assert_cmpstr(body, ==, "hello");
                client_free(c);
        }
        stop(f);
}

static void test_continue(void)
{
        Fixture *f = start();
        Client *c = client_new(f, VIA_TLS);
        g_autofree char *body = NULL;

        g_assert_cmpint(
            client_call(c, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", NULL), ==,
            100);
        g_assert_cmpint(client_call(c, "hello", &body), ==, 200);
        g_assert_cmpstr(body, ==, "hello");
        /* What is refused is refused before the body is asked for. */
        g_assert_cmpint(
            client_call(c, "PUT /refused HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
                        NULL),
            ==, 403);
        client_free(c);
        stop(f);
}

static void test_refused_with_body(void)
{
        Fixture *f = start();
        g_autofree char *piece = g_strnfill(1 << 20, 'x');

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c = client_new(f, via);
                client_send_text(c, "PUT /refused HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n");
                client_send(c, piece, 1 << 20);
                g_assert_cmpint(client_reply(c, NULL, NULL), ==, 403);
                client_free(c);
        }
        Client *c = client_new(f, VIA_TCP);
        g_assert_cmpint(client_call(c, "GET /refused HTTP/1.1\r\n\r\n", NULL), ==, 403);
        g_assert_true(client_has_ended(c));
        client_free(c);
        stop(f);
}

static void test_malformed(void)
{
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c = client_new(f, via);
                g_assert_cmpint(
                    client_call(c, "GET / HTTP/1.1\r\n\r\nnonsense\r\nGET / HTTP/1.1\r\n\r\n", NULL), ==,
                    200);
                g_assert_cmpint(client_reply(c, NULL, NULL), ==, 400);
                g_assert_true(client_has_ended(c));
                client_free(c);
        }
        Client *c = client_new(f, VIA_TCP);
        g_assert_cmpint(client_call(c, "POST / HTTP/1.1\r\nContent-Length: 67108865\r\n\r\n", NULL), ==, 413);
        client_free(c);
        stop(f);
}

/* Not TLS on the port of TLS: an end, and the server goes on. */
static void test_not_tls(void)
{
        Fixture *f = start();
        int tls_port = f->tls_port, port = f->port;

        f->port = tls_port;
        Client *c = client_new(f, VIA_TCP);
        client_send_text(c, "GET / HTTP/1.1\r\n\r\n");
        while (client_fill(c))
                ;
        client_free(c);
        f->port = port;
        c = client_new(f, VIA_TLS);
        g_assert_cmpint(client_call(c, "GET / HTTP/1.1\r\n\r\n", NULL), ==, 200);
        client_free(c);
        stop(f);
}

static void test_large(void)
{
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *slow = client_new(f, via), *quick = client_new(f, via);
                g_autofree char *body = NULL;
                client_send_text(slow, "GET /large HTTP/1.1\r\n\r\n");
                g_assert_true(client_fill(slow));
                g_assert_cmpint(client_call(quick, "GET / HTTP/1.1\r\n\r\n", NULL), ==, 200);
                g_assert_cmpint(client_reply(slow, NULL, &body), ==, 200);
                g_assert_cmpuint(strspn(body, "x"), ==, LARGE_BYTES);
                g_assert_cmpint(client_call(slow, "GET / HTTP/1.1\r\n\r\n", NULL), ==, 200);
                client_free(slow);
                client_free(quick);
        }
        stop(f);
}

/* A client that goes while its request is held: told once, and the reply that comes all the same hurts nobody. */
static void test_gone(void)
{
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++)
                for (int reset = 0; reset < 2; reset++) {
                        Client *c = client_new(f, via);
                        client_send_text(c, "GET /held HTTP/1.1\r\n\r\n");
                        uv_sem_wait(&server.was_held);
                        struct linger linger = { .l_onoff = reset };
                        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
                        client_free(c);
                        uv_sem_wait(&server.was_gone);
                        fixture_run(f, release_held, NULL);
                        g_assert_cmpint(uv_sem_trywait(&server.was_gone), ==, UV_EAGAIN);
                }
        stop(f);
}

/* The server ends before what it was asked is answered. */
static void test_free_while_held(void)
{
        Fixture *f = start();
        Client *c = client_new(f, VIA_TLS), *gone = client_new(f, VIA_TCP);

        client_send_text(c, "POST /held HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
        uv_sem_wait(&server.was_held);
        client_send_text(gone, "GET /held HTTP/1.1\r\n\r\n");
        uv_sem_wait(&server.was_held);
        client_free(gone);
        uv_sem_wait(&server.was_gone);
        loop_stop(f->loop);
        uv_thread_join(&f->thread);
        http_server_free(f->server);
        uv_sem_wait(&server.was_gone);
        uv_run(loop_uv(f->loop), UV_RUN_NOWAIT);
        g_assert_cmpstr(http_exchange_request(server.held[0])->body.data, !=, NULL);
        release_held(NULL);
        loop_free(f->loop);
        client_free(c);
        SSL_CTX_free(f->client_tls);
        g_unlink(f->socket_path);
        g_unlink(f->pem_path);
        g_rmdir(f->dir);
        g_free(f->socket_path);
        g_free(f->pem_path);
        g_free(f->dir);
        g_free(f);
}

static void set_certificate(void *data)
{
        Fixture *f = ((void **)data)[0];
        char *error = NULL;
        *(int *)((void **)data)[2] = http_server_set_certificate(f->server, ((void **)data)[1], &error);
        g_free(error);
}

static char *certificate_name(Client *c)
{
        X509 *certificate = SSL_get1_peer_certificate(c->ssl);
        char name[64];
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
        X509_free(certificate);
        return g_strdup(name);
}

static void test_certificate(void)
{
        Fixture *f = start();
        int r;

        Client *old = client_new(f, VIA_TLS);
        fixture_write_certificate(f->pem_path, "second");
        fixture_run(f, set_certificate, (void *[]){ f, f->pem_path, &r });
        g_assert_cmpint(r, ==, 0);
        Client *new = client_new(f, VIA_TLS);
        g_autofree char *old_name = certificate_name(old), *new_name = certificate_name(new);
        g_assert_cmpstr(old_name, ==, "first");
        g_assert_cmpstr(new_name, ==, "second");
        g_assert_cmpint(client_call(old, "GET / HTTP/1.1\r\n\r\n", NULL), ==, 200);
        fixture_run(f, set_certificate, (void *[]){ f, (void *)"/dev/null", &r });
        g_assert_cmpint(r, <, 0);
        Client *kept = client_new(f, VIA_TLS);
        g_autofree char *kept_name = certificate_name(kept);
        g_assert_cmpstr(kept_name, ==, "second");
        client_free(old);
        client_free(new);
        client_free(kept);
        stop(f);
}

/* The suites that the Go SDK and its like ask for; nothing before TLS 1.2. */
static void test_tls_versions(void)
{
        static const struct {
                int version;
                const char *ciphers;
                bool works;
        } cases[] = {
                { TLS1_1_VERSION, "ALL:@SECLEVEL=0", false },
                { TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", true },
                { TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", true },
                { TLS1_2_VERSION, "AES128-SHA", false },
                { TLS1_3_VERSION, "ALL", true },
        };
        Fixture *f = start();

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Client *c = client_new(f, VIA_TCP);
                int port = f->port;
                client_free(c);
                f->port = f->tls_port;
                c = client_new(f, VIA_TCP);
                f->port = port;
                c->ssl = SSL_new(f->client_tls);
                SSL_set_fd(c->ssl, c->fd);
                SSL_set_min_proto_version(c->ssl, cases[i].version);
                SSL_set_max_proto_version(c->ssl, cases[i].version);
                SSL_set_cipher_list(c->ssl, cases[i].ciphers);
                g_assert_cmpint(SSL_connect(c->ssl) == 1, ==, cases[i].works);
                if (cases[i].works)
                        g_assert_cmpint(client_call(c, "GET / HTTP/1.1\r\n\r\n", NULL), ==, 200);
                client_free(c);
        }
        stop(f);
}

static void test_socket_mode(void)
{
        Fixture *f = start();
        struct stat there;

        g_assert_cmpint(stat(f->socket_path, &there), ==, 0);
        g_assert_cmpint(there.st_mode & 0777, ==, 0600);
        g_assert_cmpint(http_server_listen_unix(f->server, "/nonexistent/socket", 0600), ==, -ENOENT);
        g_assert_cmpint(http_server_listen_tcp(f->server, "nonsense", 0, false, NULL), ==, -EINVAL);
        g_assert_cmpint(http_server_listen_tcp(f->server, "127.0.0.1", f->port, false, NULL), ==,
                        -EADDRINUSE);
        stop(f);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-server/replies", test_replies);
        g_test_add_func("/http-server/error-pages", test_error_pages);
        g_test_add_func("/http-server/pipeline", test_pipeline);
        g_test_add_func("/http-server/byte-at-a-time", test_byte_at_a_time);
        g_test_add_func("/http-server/continue", test_continue);
        g_test_add_func("/http-server/refused-with-body", test_refused_with_body);
        g_test_add_func("/http-server/malformed", test_malformed);
        g_test_add_func("/http-server/not-tls", test_not_tls);
        g_test_add_func("/http-server/large", test_large);
        g_test_add_func("/http-server/gone", test_gone);
        g_test_add_func("/http-server/free-while-held", test_free_while_held);
        g_test_add_func("/http-server/certificate", test_certificate);
        g_test_add_func("/http-server/tls-versions", test_tls_versions);
        g_test_add_func("/http-server/socket-mode", test_socket_mode);
        return g_test_run();
}
