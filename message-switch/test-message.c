/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may pass the switch between clients of the library: sizes, shapes, descriptors. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "test-switch.h"

static void test_echo(TestPair *f, gconstpointer unused)
{
        test_client_serve(f->server, "org.test.echo", test_echo_back, NULL);
        for (int i = 0; i < 100; i++) {
                json_t *result;
                g_assert_cmpint(test_call(f->client, "org.test.echo", "echo", "hello", &result), ==, BUS_OK);
                g_assert_cmpstr(json_string_value(result), ==, "hello");
                json_decref(result);
        }
}

/* From no byte to what just fits into a frame, over every boundary of a buffer on the way. */
static void test_sizes(TestPair *f, gconstpointer unused)
{
        test_client_serve(f->server, "org.test.echo", test_echo_back, NULL);
        static const size_t sizes[] = { 0, 1, 4000, 65535, 65536, 262144, 1 << 20, FRAME_BODY_MAX - 64 };
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *text = g_strnfill(sizes[i], 'x');
                json_t *result;
                g_assert_cmpint(test_call(f->client, "org.test.echo", "echo", text, &result), ==, BUS_OK);
                g_assert_cmpuint(json_string_length(result), ==, sizes[i]);
                json_decref(result);
        }
        g_autofree char *text = g_strnfill(FRAME_BODY_MAX, 'x');
        g_assert_cmpint(test_call(f->client, "org.test.echo", "echo", text, NULL), ==, BUS_TOO_LARGE);
}

/* Answers with what the caller's descriptor points to, and with one of its own. */
static void swap_fds(BusRequest *request, void *data)
{
        const int *fds;
        g_assert_cmpuint(bus_request_fds(request, &fds), ==, FRAME_FDS_MAX);
        g_assert_cmpint(write(fds[FRAME_FDS_MAX - 1], "server", 6), ==, 6);
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        bus_request_respond(request, json_true(), NULL, &null, 1);
        close(null);
}

static void test_fds(TestPair *f, gconstpointer unused)
{
        test_client_serve(f->server, "org.test.fds", swap_fds, NULL);
        for (int round = 0; round < 50; round++) {
                int ends[2], fds[FRAME_FDS_MAX];
                g_assert_cmpint(pipe(ends), ==, 0);
                for (size_t i = 0; i < FRAME_FDS_MAX; i++)
                        fds[i] = ends[1];
                BusReply reply;
                BusCall call = { .queue = "org.test.fds", .method = "m", .fds = fds, .n_fds = FRAME_FDS_MAX };
                bus_call_wait(test_client_bus(f->client), &call, &reply);
                close(ends[1]);
                g_assert_cmpint(reply.outcome, ==, BUS_OK);
                g_assert_cmpuint(reply.n_fds, ==, 1);
                struct stat status;
                g_assert_cmpint(fstat(reply.fds[0], &status), ==, 0);
                g_assert_true(S_ISCHR(status.st_mode));
                char text[16];
                g_assert_cmpint(read(ends[0], text, sizeof text), ==, 6);
                g_assert_cmpint(read(ends[0], text, sizeof text), ==, 0); /* every copy has been closed */
                close(ends[0]);
                bus_reply_clear(&reply);
        }
}

static void swallow(BusRequest *request, void *data)
{
        bus_request_respond(request, json_true(), NULL, NULL, 0);
}

static BusOutcome call_with(TestClient *client, json_t *params)
{
        BusReply reply;
        bus_call_wait(test_client_bus(client),
                      &(BusCall){ .queue = "org.test.swallow", .method = "m", .params = params }, &reply);
        json_decref(params);
        BusOutcome outcome = reply.outcome;
        bus_reply_clear(&reply);
        return outcome;
}

/* What is too deep or has too many values for a small stack and little memory is refused by the server's library. */
static void test_json_limits(TestPair *f, gconstpointer unused)
{
        test_client_serve(f->server, "org.test.swallow", swallow, NULL);
        for (unsigned past = 0; past <= 1; past++) {
                json_t *deep = json_array();
                for (unsigned depth = 2; depth < BUS_DEPTH_MAX + past;
                     depth++) /* the message itself is the first */
                        deep = json_pack("[o]", deep);
                g_assert_cmpint(call_with(f->client, deep), ==, past ? BUS_PROTOCOL : BUS_OK);
                json_t *many = json_array();
                for (unsigned n = 4; n < BUS_VALUES_MAX + past;
                     n++) /* the message, method, params and id are values */
                        json_array_append_new(many, json_true());
                g_assert_cmpint(call_with(f->client, many), ==, past ? BUS_PROTOCOL : BUS_OK);
        }
}

typedef struct Asking {
        TestClient *client;
        BusReply reply;
} Asking;

static void *ask_strange(void *data)
{
        Asking *asking = data;
        bus_call_wait(test_client_bus(asking->client),
                      &(BusCall){ .queue = "org.test.strange", .method = "ask" }, &asking->reply);
        return NULL;
}

/* What a server may answer that is no reply, or just one. The object's members may be any; an error counts more. */
static void test_strange_replies(void)
{
        static const struct {
                const char *body;
                BusOutcome outcome;
                bool is_error;
        } replies[] = {
                { "", BUS_PROTOCOL },
                { "[]", BUS_PROTOCOL },
                { "{\"result\":1", BUS_PROTOCOL },
                { "{\"result\":1}{}", BUS_PROTOCOL },
                { "{}", BUS_OK },
                { "{\"error\":null}", BUS_OK },
                { "{\"x\":[{}],\"result\":null,\"id\":\"7\"}", BUS_OK },
                { "{\"result\":1,\"error\":[]}", BUS_OK, true },
        };
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *client = test_client_new(test, "client");
        TestRaw *server = test_raw_new(test, true);
        test_raw_send(server, FRAME_SERVE, 1, "org.test.strange", NULL, 0);
        test_raw_expect(server, FRAME_OK, 1, BUS_OK);
        for (size_t i = 0; i < G_N_ELEMENTS(replies); i++) {
                Asking asking = { .client = client };
                Frame frame;
                pthread_t thread;
                g_assert_cmpint(pthread_create(&thread, NULL, ask_strange, &asking), ==, 0);
                g_assert_true(test_raw_next(server, &frame));
                test_raw_send(server, FRAME_REPLY, frame.header.id, NULL, replies[i].body,
                              strlen(replies[i].body));
                pthread_join(thread, NULL);
                g_assert_cmpint(asking.reply.outcome, ==, replies[i].outcome);
                if (replies[i].outcome == BUS_OK)
                        g_assert_true(replies[i].is_error
                                          ? asking.reply.error && !asking.reply.result
                                          : json_is_null(asking.reply.result) && !asking.reply.error);
                bus_reply_clear(&asking.reply);
        }
        test_raw_free(server);
        test_client_free(client);
        test_switch_free(test);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        signal(SIGPIPE, SIG_IGN);
        test_pair_add("/message/echo", test_echo);
        test_pair_add("/message/sizes", test_sizes);
        test_pair_add("/message/fds", test_fds);
        test_pair_add("/message/json-limits", test_json_limits);
        g_test_add_func("/message/strange-replies", test_strange_replies);
        return g_test_run();
}
