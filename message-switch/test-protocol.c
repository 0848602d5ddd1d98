/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The switch against clients that speak frames by hand: broken ones, and ones that go away. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "peer.h"
#include "test-switch.h"

#define QUEUE "org.test.queue"

static void test_call_by_hand(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE), *caller = test_raw_new(test, true);
        test_raw_send(caller, FRAME_CALL, 77, QUEUE, "ask", 3);
        Frame frame;
        g_assert_true(test_raw_next(server, &frame));
        g_assert_cmpmem(frame.name, frame.header.name_len, QUEUE, strlen(QUEUE));
        g_assert_cmpmem(frame.body, frame.header.body_len, "ask", 3);
        uint64_t now = clock_usec();
        g_assert_cmpuint(frame.header.deadline_usec, >, now);
        g_assert_cmpuint(frame.header.deadline_usec, <=, now + MANAGER_TIMEOUT_USEC);
        uint64_t id = frame.header.id;
        test_raw_send(caller, FRAME_REPLY, id, NULL, "forged", 6); /* only the server may answer */
        test_raw_send(server, FRAME_REPLY, id, NULL, "answer", 6);
        g_assert_true(test_raw_next(caller, &frame));
        g_assert_cmpuint(frame.header.kind, ==, FRAME_REPLY);
        g_assert_cmpuint(frame.header.id, ==, 77);
        g_assert_cmpmem(frame.body, frame.header.body_len, "answer", 6);
        test_raw_send(server, FRAME_REPLY, id, NULL, "again", 5); /* dropped */
        test_raw_send(caller, FRAME_CALL, 78, QUEUE, NULL, 0);
        FrameHeader refusal = { .magic = FRAME_MAGIC,
                                .kind = FRAME_ERROR,
                                .outcome = BUS_PROTOCOL,
                                .id = test_raw_take_call(server, 0) };
        char bytes[FRAME_HEADER_SIZE];
        frame_header_encode(&refusal, bytes);
        g_assert_cmpint(write(server->socket, bytes, sizeof bytes), ==, sizeof bytes);
        test_raw_expect(caller, FRAME_ERROR, 78, BUS_PROTOCOL);
        test_raw_free(caller);
        test_raw_free(server);
        test_switch_free(test);
}

static void test_byte_at_a_time(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE), *slow = test_raw_new(test, false),
                *other = test_raw_new(test, true);
        char bytes[2 * (FRAME_HEADER_SIZE + 64)];
        FrameHeader header = { .magic = FRAME_MAGIC, .kind = FRAME_HELLO, .name_len = 4, .id = 1 };
        size_t len = frame_length(&header);
        frame_header_encode(&header, bytes);
        memcpy(bytes + FRAME_HEADER_SIZE, "slow", 4);
        header = (FrameHeader){
                .magic = FRAME_MAGIC, .kind = FRAME_CALL, .name_len = strlen(QUEUE), .body_len = 3, .id = 5
        };
        frame_header_encode(&header, bytes + len);
        memcpy(bytes + len + FRAME_HEADER_SIZE, QUEUE "abc", strlen(QUEUE) + 3);
        len += frame_length(&header);
        for (size_t i = 0; i < len; i++) {
                g_assert_cmpint(write(slow->socket, &bytes[i], 1), ==, 1);
                test_raw_send(other, FRAME_CALL, i, "org.test.none", NULL,
                              0); /* the others are served meanwhile */
                test_raw_expect(other, FRAME_ERROR, i, BUS_NO_SUCH_QUEUE);
        }
        test_raw_expect(slow, FRAME_OK, 1, BUS_OK);
        test_raw_send(server, FRAME_REPLY, test_raw_take_call(server, 3), NULL, NULL, 0);
        test_raw_expect(slow, FRAME_REPLY, 5, BUS_OK);
        test_raw_free(other);
        test_raw_free(slow);
        test_raw_free(server);
        test_switch_free(test);
}

static void test_no_frames(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *raw = test_raw_new(test, false);
        test_raw_send(raw, FRAME_SERVE, 9, QUEUE, NULL, 0); /* HELLO must come first */
        test_raw_expect(raw, FRAME_ERROR, 9, BUS_PROTOCOL);
        test_raw_expect_end(raw);
        test_raw_free(raw);

        char garbage[FRAME_HEADER_SIZE];
        memset(garbage, 'X', sizeof garbage);
        raw = test_raw_new(test, true);
        g_assert_cmpint(write(raw->socket, garbage, sizeof garbage), ==, sizeof garbage);
        test_raw_expect(raw, FRAME_ERROR, 0, BUS_PROTOCOL);
        test_raw_expect_end(raw);
        test_raw_free(raw);

        static const FrameKind kinds[] = { FRAME_HELLO, FRAME_OK, 0, FRAME_CONTROL + 1 };
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                raw = test_raw_new(test, true);
                test_raw_send(raw, kinds[i], 3, kinds[i] == FRAME_OK ? NULL : "name", NULL, 0);
                test_raw_expect(raw, FRAME_ERROR, i < 2 ? 3 : 0, BUS_PROTOCOL);
                test_raw_expect_end(raw);
                test_raw_free(raw);
        }
        test_switch_free(test);
}

/* Too many in one frame, more than there are frames for, fewer than a frame says. */
static void test_wrong_fds(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE);
        int fds[253];
        test_open_fds(fds, G_N_ELEMENTS(fds));
        static const size_t counts[] = { FRAME_FDS_MAX + 1, 253 };
        for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
                TestRaw *raw = test_raw_new(test, true);
                test_raw_send_fds(raw, FRAME_CALL, 1, QUEUE, fds, counts[i]);
                Frame frame;
                g_assert_true(test_raw_next(raw, &frame));
                g_assert_cmpuint(frame.header.kind, ==, FRAME_ERROR);
                test_raw_expect_end(raw);
                test_raw_free(raw);
        }
        TestRaw *raw = test_raw_new(test, true);
        test_raw_send_fds(raw, FRAME_CANCEL, 1, NULL, fds, 1); /* of a kind that has none */
        test_raw_expect(raw, FRAME_ERROR, 0, BUS_PROTOCOL);
        test_raw_expect_end(raw);
        test_raw_free(raw);

        raw = test_raw_new(test, true);
        FrameHeader header = { .magic = FRAME_MAGIC, .kind = FRAME_REPLY, .n_fds = 1 };
        char bytes[FRAME_HEADER_SIZE];
        frame_header_encode(&header, bytes);
        g_assert_cmpint(write(raw->socket, bytes, sizeof bytes), ==, sizeof bytes);
        test_raw_expect(raw, FRAME_ERROR, 0, BUS_PROTOCOL);
        test_raw_expect_end(raw);
        test_raw_free(raw);
        close(fds[0]);
        test_raw_free(server);
        test_switch_free(test);
}

static void test_cancel(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE), *caller = test_raw_new(test, true);
        test_raw_send(caller, FRAME_CALL, 1, QUEUE, NULL, 0);
        uint64_t id = test_raw_take_call(server, 0);
        test_raw_send(caller, FRAME_CANCEL, 1, NULL, NULL, 0);
        test_raw_expect(server, FRAME_CANCEL, id, BUS_OK);
        test_raw_send(server, FRAME_REPLY, id, NULL, NULL, 0); /* dropped */
        test_raw_send(caller, FRAME_CANCEL, 1, NULL, NULL, 0); /* nothing to cancel any more */
        test_raw_send(caller, FRAME_CALL, 2, QUEUE, NULL, 0);
        id = test_raw_take_call(server, 0);
        test_raw_free(caller);
        test_raw_expect(server, FRAME_CANCEL, id, BUS_OK);
        test_raw_free(server);
        test_switch_free(test);
}

static void send_call_until(TestRaw *raw, uint64_t id, uint64_t deadline_usec)
{
        FrameHeader header = { .magic = FRAME_MAGIC,
                               .kind = FRAME_CALL,
                               .name_len = strlen(QUEUE),
                               .id = id,
                               .deadline_usec = deadline_usec };
        char bytes[FRAME_HEADER_SIZE + sizeof QUEUE];
        frame_header_encode(&header, bytes);
        memcpy(bytes + FRAME_HEADER_SIZE, QUEUE, strlen(QUEUE));
        size_t len = frame_length(&header);
        g_assert_cmpint(write(raw->socket, bytes, len), ==, len);
}

static void test_deadlines(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE), *caller = test_raw_new(test, true);
        send_call_until(caller, 1, clock_usec() - 1);
        test_raw_expect(caller, FRAME_ERROR, 1, BUS_TIMEOUT);
        send_call_until(caller, 2, UINT64_MAX);
        Frame frame;
        g_assert_true(test_raw_next(server, &frame));
        g_assert_cmpuint(frame.header.deadline_usec, <=, clock_usec() + MANAGER_TIMEOUT_MAX_USEC);
        send_call_until(caller, 3, clock_usec() + 20000);
        uint64_t id = test_raw_take_call(server, 0);
        test_raw_expect(caller, FRAME_ERROR, 3, BUS_TIMEOUT);
        test_raw_expect(server, FRAME_CANCEL, id, BUS_OK);
        test_raw_free(server);
        test_raw_expect(caller, FRAME_ERROR, 2, BUS_OUTCOME_UNKNOWN);
        send_call_until(caller, 4, clock_usec() + 20000); /* the server does not come back */
        test_raw_expect(caller, FRAME_ERROR, 4, BUS_TIMEOUT);
        test_raw_free(caller);
        test_switch_free(test);
}

static void stop_switch(TestSwitch *test)
{
        int status;
        kill(test->pid, SIGSTOP);
        g_assert_cmpint(waitpid(test->pid, &status, WUNTRACED), ==, test->pid);
        g_assert_true(WIFSTOPPED(status));
}

/* A peer that dies with something unread makes its socket an error, in front of which stands what it had sent. */
static void test_dies_with_unread(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE), *caller = test_raw_new(test, true),
                *late = test_raw_new(test, true);
        test_raw_send(caller, FRAME_CALL, 1, QUEUE, "x", 1);
        Frame frame;
        while (poll(&(struct pollfd){ .fd = server->socket, .events = POLLIN }, 1, -1) < 1)
                ;
        stop_switch(test);
        for (int i = 0; i < 100; i++) /* more than is received at a time */
                test_raw_send(server, FRAME_CANCEL, 7, NULL, NULL, 0);
        g_autofree char *body = g_malloc0(100000);
        test_raw_send(server, FRAME_CALL, 9, "org.test.none", body, 100000);
        test_raw_free(server);
        kill(test->pid, SIGCONT);
        g_assert_true(test_raw_next(caller, &frame));
        g_assert_cmpuint(frame.header.outcome, ==, BUS_OUTCOME_UNKNOWN);
        server = test_raw_server(test, QUEUE);
        test_raw_send(late, FRAME_CALL, 1, QUEUE, NULL, 0);
        test_raw_take_call(server, 0);
        test_raw_free(late);
        test_raw_free(caller);
        test_raw_free(server);
        test_switch_free(test);
}

typedef struct LastWords {
        TestSwitch *test;
        TestRaw *server;
        TestClient *client;
        _Atomic int outcomes[2]; /* -1: not ended */
} LastWords;

static void on_first(BusReply *reply, void *data)
{
        ((LastWords *)data)->outcomes[0] = (int)reply->outcome;
}

static void on_second(BusReply *reply, void *data)
{
        ((LastWords *)data)->outcomes[1] = (int)reply->outcome;
}

/* On the client's loop, which reads nothing meanwhile: a long reply comes, and the switch dies with a call unread. */
static void die_with_last_words(void *data)
{
        LastWords *words = data;
        Bus *bus = test_client_bus(words->client);
        const BusCall call = { .queue = QUEUE, .method = "ask" };
        g_autofree char *text = g_strnfill(100000, 'x');
        g_autofree char *body = g_strdup_printf("{\"result\":\"%s\",\"id\":0}", text);
        Frame frame;
        bus_call(bus, &call, on_first, words);
        g_assert_true(test_raw_next(words->server, &frame));
        test_raw_send(words->server, FRAME_REPLY, frame.header.id, NULL, body, strlen(body));
        test_raw_send(words->server, FRAME_CALL, 5, "org.test.none", NULL, 0);
        test_raw_expect(words->server, FRAME_ERROR, 5, BUS_NO_SUCH_QUEUE); /* so the reply has been sent on */
        stop_switch(words->test);
        bus_call(bus, &call, on_second, words);
        test_switch_kill(words->test, SIGKILL);
}

static void test_switch_dies_with_unread(void)
{
        LastWords words = { .test = test_switch_new(NULL, 0), .outcomes = { -1, -1 } };
        words.server = test_raw_server(words.test, QUEUE);
        words.client = test_client_new(words.test, "client");
        test_client_await(words.client, true);
        test_client_post(words.client, die_with_last_words, &words);
        while (words.outcomes[0] < 0 || words.outcomes[1] < 0)
                g_usleep(1000);
        g_assert_cmpint(words.outcomes[0], ==, BUS_OK);
        g_assert_cmpint(words.outcomes[1], ==, BUS_OUTCOME_UNKNOWN);
        test_raw_free(words.server);
        test_switch_start(words.test);
        test_client_await(words.client, true);
        g_assert_cmpint(test_call(words.client, "org.test.none", "ask", "", NULL), ==, BUS_NO_SUCH_QUEUE);
        test_client_free(words.client);
        test_switch_free(words.test);
}

static TestRaw *raw_of_nobody(TestSwitch *test)
{
        g_assert_cmpint(seteuid(NOBODY), ==, 0);
        TestRaw *raw = test_raw_new(test, true);
        g_assert_cmpint(seteuid(0), ==, 0);
        return raw;
}

static void test_policy(void)
{
        if (geteuid() != 0) {
                g_test_skip("only root can be another user");
                return;
        }
        TestSwitch *test =
            test_switch_new("[queue org.test.open.*]\ncall=*\n[queue org.test.theirs]\nserve=65534\n", 0);
        TestRaw *server = test_raw_server(test, "org.test.open.queue"),
                *closed = test_raw_server(test, QUEUE);
        TestRaw *nobody = raw_of_nobody(test), *other = raw_of_nobody(test);
        test_raw_send(nobody, FRAME_CALL, 1, "org.test.open.queue", NULL, 0);
        test_raw_take_call(server, 0);
        test_raw_send(nobody, FRAME_CALL, 2, QUEUE, NULL, 0);
        test_raw_expect(nobody, FRAME_ERROR, 2, BUS_DENIED);
        test_raw_send(nobody, FRAME_CALL, 3, "org.test.none", NULL, 0); /* what there is is not told either */
        test_raw_expect(nobody, FRAME_ERROR, 3, BUS_DENIED);
        test_raw_send(nobody, FRAME_SERVE, 4, "org.test.open.queue", NULL, 0);
        test_raw_expect(nobody, FRAME_ERROR, 4, BUS_DENIED);
        test_raw_send(nobody, FRAME_SERVE, 5, "org.test.theirs", NULL, 0);
        test_raw_expect(nobody, FRAME_OK, 5, BUS_OK);
        test_raw_send(other, FRAME_SERVE, 6, "org.test.theirs", NULL, 0); /* the same user's newest has it */
        test_raw_expect(other, FRAME_OK, 6, BUS_OK);
        test_raw_expect(nobody, FRAME_ERROR, 5, BUS_DENIED);
        test_raw_send(server, FRAME_SERVE, 7, "org.test.theirs", NULL, 0); /* root may take it */
        test_raw_expect(server, FRAME_OK, 7, BUS_OK);
        test_raw_expect(other, FRAME_ERROR, 6, BUS_DENIED);
        test_raw_send(other, FRAME_SERVE, 8, "org.test.theirs", NULL, 0); /* and is not robbed of it */
        test_raw_expect(other, FRAME_ERROR, 8, BUS_DENIED);
        static const char *const controls[] = { "list", "tail", "diagnostics", "shutdown" };
        for (size_t i = 0; i < G_N_ELEMENTS(controls); i++) {
                test_raw_send(nobody, FRAME_CONTROL, 10 + i, controls[i], NULL, 0);
                test_raw_expect(nobody, FRAME_ERROR, 10 + i, BUS_DENIED);
        }
        test_raw_free(other);
        test_raw_free(nobody);
        test_raw_free(closed);
        test_raw_free(server);
        test_switch_free(test);
}

/* A second switch on the same path would cut off the first. */
static void test_one_switch_a_path(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        g_autofree char *output = NULL;
        int status;
        const char *arguments[] = { g_getenv("MESSAGE_SWITCH"),
                                    "--state",
                                    test->folder,
                                    "--runtime",
                                    test->folder,
                                    "--switch-path",
                                    test->path,
                                    NULL };
        g_assert_true(g_spawn_sync(NULL, (char **)arguments, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &output,
                                   &status, NULL));
        g_assert_cmpint(status, !=, 0);
        g_assert_nonnull(strstr(output, "another switch is there"));
        test_raw_free(test_raw_new(test, true));
        test_switch_free(test);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        signal(SIGPIPE, SIG_IGN);
        g_test_add_func("/protocol/call", test_call_by_hand);
        g_test_add_func("/protocol/byte-at-a-time", test_byte_at_a_time);
        g_test_add_func("/protocol/no-frames", test_no_frames);
        g_test_add_func("/protocol/wrong-fds", test_wrong_fds);
        g_test_add_func("/protocol/cancel", test_cancel);
        g_test_add_func("/protocol/deadlines", test_deadlines);
        g_test_add_func("/protocol/dies-with-unread", test_dies_with_unread);
        g_test_add_func("/protocol/switch-dies-with-unread", test_switch_dies_with_unread);
        g_test_add_func("/protocol/policy", test_policy);
        g_test_add_func("/protocol/one-switch-a-path", test_one_switch_a_path);
        return g_test_run();
}
