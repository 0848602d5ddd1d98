/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections tied to a descriptor: bytes as they are, and as WebSocket's messages. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <glib.h>

#include "http-fixture.h"
#include "websocket.h"

static struct {
        int ends[2]; /* the server's, and ours */
        bool websocket;
        uv_sem_t taken, ended;
} relay;

static void on_end(void *data)
{
        uv_sem_post(data);
}

static bool on_head(HttpExchange *e, void *data)
{
        int r = http_relay(e, &(HttpRelay){ .head = "HTTP/1.1 200 OK\r\n\r\n",
                                            .fd = relay.ends[0],
                                            .websocket = relay.websocket,
                                            .on_end = on_end,
                                            .data = &relay.ended });
        g_assert_cmpint(r, ==, 0);
        uv_sem_post(&relay.taken);
        return true;
}

static void on_request(HttpExchange *e, void *data)
{
        g_assert_not_reached();
}

static Fixture *start(void)
{
        uv_sem_init(&relay.taken, 0);
        uv_sem_init(&relay.ended, 0);
        return fixture_new((HttpServerOptions){ .on_request = on_request, .on_head = on_head });
}

static void stop(Fixture *f)
{
        fixture_free(f);
        uv_sem_destroy(&relay.taken);
        uv_sem_destroy(&relay.ended);
}

static Client *tie(Fixture *f, Via via, bool websocket, const char *more, size_t n_more)
{
        auto_buffer request = { 0 };
        Client *c = client_new(f, via);

        relay.websocket = websocket;
        buffer_append_literal(&request, "CONNECT /console HTTP/1.0\r\n\r\n");
        buffer_append(&request, more, n_more);
        client_send(c, request.data, request.len);
        uv_sem_wait(&relay.taken);
        g_assert_cmpint(client_reply(c, NULL, NULL), ==, 200);
        return c;
}

static Client *tie_socket(Fixture *f, Via via, bool websocket, const char *more, size_t n_more)
{
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, relay.ends), ==, 0);
        g_assert_cmpint(fcntl(relay.ends[0], F_SETFL, O_NONBLOCK), ==, 0);
        return tie(f, via, websocket, more, n_more);
}

static void expect_local(const char *bytes, size_t n)
{
        g_autofree char *got = g_malloc(n);

        for (size_t at = 0; at < n;) {
                ssize_t r = read(relay.ends[1], got + at, n - at);
                g_assert_cmpint(r, >, 0);
                at += (size_t)r;
        }
        g_assert_cmpmem(got, n, bytes, n);
}

static void expect_client(Client *c, const char *bytes, size_t n)
{
        while (c->in.len < n)
                g_assert_true(client_fill(c));
        g_assert_cmpmem(c->in.data, n, bytes, n);
        buffer_consume(&c->in, n);
}

/* The client ends its sending; what our side still says arrives, and its end is the client's. */
static void test_half_close(void)
{
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c = tie_socket(f, via, false, "early", 5);
                char byte;

                expect_local("early", 5);
                if (c->ssl)
                        SSL_shutdown(c->ssl);
                else
                        shutdown(c->fd, SHUT_WR);
                g_assert_cmpint(read(relay.ends[1], &byte, 1), ==, 0);
                g_assert_cmpint(write(relay.ends[1], "late", 4), ==, 4);
                close(relay.ends[1]);
                expect_client(c, "late", 4);
                g_assert_true(client_has_ended(c));
                uv_sem_wait(&relay.ended);
                client_free(c);
        }
        stop(f);
}

/* A terminal: has no ends to tell apart, so it is let go of as soon as the client has ended. */
static void test_terminal(void)
{
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
                g_assert_cmpint(grantpt(master), ==, 0);
                g_assert_cmpint(unlockpt(master), ==, 0);
                relay.ends[0] = open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
                relay.ends[1] = master;
                struct termios raw;
                tcgetattr(relay.ends[0], &raw);
                cfmakeraw(&raw);
                tcsetattr(relay.ends[0], TCSANOW, &raw);
                Client *c = tie(f, via, false, NULL, 0);

                client_send(c, "typed", 5);
                expect_local("typed", 5);
                g_assert_cmpint(write(master, "shown", 5), ==, 5);
                expect_client(c, "shown", 5);
                if (via == VIA_TCP)
                        close(master); /* hung up */
                else
                        client_free(c);
                uv_sem_wait(&relay.ended);
                if (via == VIA_TCP) {
                        g_assert_true(client_has_ended(c));
                        client_free(c);
                } else {
                        close(master);
                }
        }
        stop(f);
}

/* Nobody reads: the guest's flood stops at us, and goes on when somebody does. */
static void test_flood(void)
{
        static char bytes[65536];
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                for (int websocket = 0; websocket < 2; websocket++) {
                        Client *c = tie_socket(f, via, websocket, NULL, 0);
                        size_t sent = 0;
                        ssize_t n;

                        fcntl(relay.ends[1], F_SETFL, O_NONBLOCK);
                        do {
                                struct pollfd wait = { .fd = relay.ends[1], .events = POLLOUT };
                                poll(&wait, 1, 300);
                                n = write(relay.ends[1], bytes, sizeof(bytes));
                                sent += n > 0 ? (size_t)n : 0;
                        } while (n > 0);
                        g_assert_cmpuint(sent, <, 64u << 20);
                        close(relay.ends[1]);
                        size_t got = c->in.len;
                        while (c->in.len = 0, client_fill(c))
                                got += c->in.len;
                        g_assert_cmpuint(got, >=, sent);
                        client_free(c);
                        uv_sem_wait(&relay.ended);
                }
        }
        stop(f);
}

static void put_message(Buffer *b, uint8_t first, const char *payload, size_t n)
{
        uint8_t head[6] = { first, (uint8_t)(0x80 | n), 1, 2, 3, 4 };

        g_assert_cmpuint(n, <, 126);
        buffer_append(b, head, sizeof(head));
        for (size_t i = 0; i < n; i++) {
                char byte = (char)(payload[i] ^ (char)(i % 4 + 1));
                buffer_append(b, &byte, 1);
        }
}

static void send_message(Client *c, uint8_t first, const char *payload, size_t n)
{
        auto_buffer frame = { 0 };

        put_message(&frame, first, payload, n);
        client_send(c, frame.data, frame.len);
}

static void test_messages(void)
{
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                auto_buffer early = { 0 };
                char byte;

                put_message(&early, 0x82, "early", 5);
                put_message(&early, 0x89, "ping", 4);
                Client *c = tie_socket(f, via, true, early.data, early.len);

                expect_local("early", 5);
                expect_client(c, "\x8a\x04ping", 6);
                g_assert_cmpint(write(relay.ends[1], "hello", 5), ==, 5);
                expect_client(c, "\x82\x05hello", 7);
                send_message(c, 0x82, "last", 4);
                send_message(c, 0x88, "\x03\xe8", 2);
                expect_local("last", 4);
                expect_client(c, "\x88\x02\x03\xe8", 4);
                g_assert_true(client_has_ended(c));
                uv_sem_wait(&relay.ended);
                g_assert_cmpint(read(relay.ends[1], &byte, 1), <=, 0);
                close(relay.ends[1]);
                client_free(c);
        }
        stop(f);
}

/* Our side ends: a close frame, then the end. And a client that makes a mistake reads why. */
static void test_closes(void)
{
        Fixture *f = start();

        for (Via via = 0; via < VIA_COUNT; via++) {
                Client *c = tie_socket(f, via, true, NULL, 0);

                g_assert_cmpint(write(relay.ends[1], "bye", 3), ==, 3);
                close(relay.ends[1]);
                expect_client(c,
                              "\x82\x03"
                              "bye\x88\x02\x03\xe8",
                              9);
                g_assert_true(client_has_ended(c));
                uv_sem_wait(&relay.ended);
                client_free(c);
                c = tie_socket(f, via, true, NULL, 0);
                send_message(c, 0xf2, "mistake", 7);
                send_message(c, 0x82, "and on", 6);
                expect_client(c, "\x88\x02\x03\xea", 4);
                g_assert_true(client_has_ended(c));
                uv_sem_wait(&relay.ended);
                close(relay.ends[1]);
                client_free(c);
        }
        stop(f);
}

/* Pings without end that nobody reads the answers of: they are not collected. */
static void test_pings(void)
{
        Fixture *f = start();
        Client *c = tie_socket(f, VIA_TCP, true, NULL, 0);
        auto_buffer pings = { 0 };
        size_t sent = 0;
        ssize_t n;

        for (int i = 0; i < 512; i++)
                put_message(&pings, 0x89, "0123456789012345678901234567890123456789", 40);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        do {
                struct pollfd wait = { .fd = c->fd, .events = POLLOUT };
                poll(&wait, 1, 300);
                n = send(c->fd, pings.data, pings.len, MSG_NOSIGNAL);
                sent += n > 0 ? (size_t)n : 0;
                g_assert_cmpuint(sent, <, 64u << 20);
        } while (n > 0);
        client_free(c);
        uv_sem_wait(&relay.ended);
        close(relay.ends[1]);
        stop(f);
}

/* The server goes while they are tied. */
static void test_server_gone(void)
{
        Fixture *f = start();
        Client *c = tie_socket(f, VIA_TLS, true, NULL, 0);
        char byte;

        fixture_free(f);
        uv_sem_wait(&relay.ended);
        g_assert_cmpint(read(relay.ends[1], &byte, 1), <=, 0);
        close(relay.ends[1]);
        g_assert_true(client_has_ended(c));
        client_free(c);
        uv_sem_destroy(&relay.taken);
        uv_sem_destroy(&relay.ended);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-relay/half-close", test_half_close);
        g_test_add_func("/http-relay/terminal", test_terminal);
        g_test_add_func("/http-relay/flood", test_flood);
        g_test_add_func("/http-relay/messages", test_messages);
        g_test_add_func("/http-relay/closes", test_closes);
        g_test_add_func("/http-relay/pings", test_pings);
        g_test_add_func("/http-relay/server-gone", test_server_gone);
        return g_test_run();
}
