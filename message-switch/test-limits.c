/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The switch against greedy clients: each limit at it and one past. */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>

#include "peer.h"
#include "test-switch.h"

#define QUEUE     "org.test.queue"
#define CONNECTED 2000u

static void test_frame_limits(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE), *caller = test_raw_new(test, true);
        g_autofree char *body = g_malloc0(FRAME_BODY_MAX + 1);
        g_autofree char *name = g_strnfill(FRAME_NAME_MAX + 1, 'n');
        test_raw_send(caller, FRAME_CALL, 1, QUEUE, body, FRAME_BODY_MAX);
        uint64_t id = test_raw_take_call(server, FRAME_BODY_MAX);
        test_raw_send(server, FRAME_REPLY, id, NULL, body, FRAME_BODY_MAX);
        test_raw_expect(caller, FRAME_REPLY, 1, BUS_OK);
        test_raw_send(caller, FRAME_CALL, 2, QUEUE, body, FRAME_BODY_MAX + 1);
        test_raw_expect(caller, FRAME_ERROR, 2, BUS_TOO_LARGE);
        test_raw_expect_end(caller);
        test_raw_free(caller);

        caller = test_raw_new(test, true);
        test_raw_send(caller, FRAME_CALL, 3, name + 1, NULL, 0);
        test_raw_expect(caller, FRAME_ERROR, 3, BUS_NO_SUCH_QUEUE);
        test_raw_send(caller, FRAME_CALL, 4, name, NULL, 0);
        test_raw_expect(caller, FRAME_ERROR, 4, BUS_TOO_LARGE);
        test_raw_expect_end(caller);
        test_raw_free(caller);
        test_raw_free(server);
        test_switch_free(test);
}

static void test_fds_by_the_hundred(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE), *caller = test_raw_new(test, true);
        int fds[FRAME_FDS_MAX];
        test_open_fds(fds, FRAME_FDS_MAX);
        const uint64_t n = PEER_FDS_MAX / FRAME_FDS_MAX;
        for (uint64_t id = 0; id < n; id++)
                test_raw_send_fds(caller, FRAME_CALL, id, QUEUE, fds, FRAME_FDS_MAX);
        test_raw_send_fds(caller, FRAME_CALL, n, QUEUE, fds, 1);
        test_raw_expect(caller, FRAME_ERROR, n, BUS_OVER_QUOTA);
        for (uint64_t id = 0; id < n; id++) {
                Frame frame;
                g_assert_true(test_raw_next(server, &frame));
                g_assert_cmpuint(frame.header.n_fds, ==, FRAME_FDS_MAX);
                frame_close_fds(&frame);
                test_raw_send(server, FRAME_REPLY, frame.header.id, NULL, NULL, 0);
                test_raw_expect(caller, FRAME_REPLY, id, BUS_OK);
        }
        test_raw_send_fds(caller, FRAME_CALL, n, QUEUE, fds, FRAME_FDS_MAX); /* there is room again */
        test_raw_take_call(server, 0);
        close(fds[0]);
        test_raw_free(caller);
        test_raw_free(server);
        test_switch_free(test);
}

static void test_count_quota(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE), *caller = test_raw_new(test, true),
                *other = test_raw_new(test, true);
        for (uint64_t id = 0; id < PEER_CALLS_MAX; id++) {
                test_raw_send(caller, FRAME_CALL, id, QUEUE, "x", 1);
                test_raw_take_call(server, 1);
        }
        test_raw_send(caller, FRAME_CALL, PEER_CALLS_MAX, QUEUE, "x", 1);
        test_raw_expect(caller, FRAME_ERROR, PEER_CALLS_MAX, BUS_OVER_QUOTA);
        test_raw_send(other, FRAME_CALL, 1, QUEUE, "x", 1); /* others have a quota of their own */
        test_raw_send(server, FRAME_REPLY, test_raw_take_call(server, 1), NULL, NULL, 0);
        test_raw_expect(other, FRAME_REPLY, 1, BUS_OK);
        test_raw_free(server); /* with as many calls in flight */
        for (uint64_t id = 0; id < PEER_CALLS_MAX; id++)
                test_raw_expect(caller, FRAME_ERROR, id, BUS_OUTCOME_UNKNOWN);
        test_raw_free(other);
        test_raw_free(caller);
        test_switch_free(test);
}

/* Calls that wait for a server that is away are held by the switch, and charged. */
static void test_byte_quota(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE), *caller = test_raw_new(test, true);
        test_raw_send(caller, FRAME_CALL, 1, QUEUE, NULL, 0);
        test_raw_take_call(server, 0);
        test_raw_free(server);
        test_raw_expect(caller, FRAME_ERROR, 1, BUS_OUTCOME_UNKNOWN); /* now the switch knows, too */
        g_autofree char *body = g_malloc0(FRAME_BODY_MAX);
        const uint64_t n = PEER_CHARGE_MAX / (FRAME_BODY_MAX + PEER_REPLY_BYTES);
        for (uint64_t id = 0; id < n; id++)
                test_raw_send(caller, FRAME_CALL, id, QUEUE, body, FRAME_BODY_MAX);
        test_raw_send(caller, FRAME_CALL, n, QUEUE, body, FRAME_BODY_MAX);
        test_raw_expect(caller, FRAME_ERROR, n, BUS_OVER_QUOTA);
        server = test_raw_server(test, QUEUE);
        for (uint64_t id = 0; id < n; id++) {
                test_raw_send(server, FRAME_REPLY, test_raw_take_call(server, FRAME_BODY_MAX), NULL, NULL, 0);
                test_raw_expect(caller, FRAME_REPLY, id, BUS_OK);
        }
        test_raw_free(server);
        test_raw_free(caller);
        test_switch_free(test);
}

/* Large replies are dropped where they are not read; those that the caller was charged for never are. */
static void test_never_reading_caller(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE), *caller = test_raw_new(test, true),
                *other = test_raw_new(test, true);
        g_autofree char *body = g_malloc0(FRAME_BODY_MAX);
        const uint64_t n = PEER_CHARGE_MAX / FRAME_BODY_MAX + 1;
        uint64_t ids[2 * (PEER_CHARGE_MAX / FRAME_BODY_MAX + 1)];
        for (uint64_t id = 0; id < 2 * n; id++) {
                test_raw_send(caller, FRAME_CALL, id, QUEUE, NULL, 0);
                ids[id] = test_raw_take_call(server, 0);
        }
        for (uint64_t id = 0; id < n; id++)
                test_raw_send(server, FRAME_REPLY, ids[id], NULL, body, FRAME_BODY_MAX);
        for (uint64_t id = n; id < 2 * n; id++)
                test_raw_send(server, FRAME_REPLY, ids[id], NULL, body, PEER_REPLY_BYTES - FRAME_HEADER_SIZE);
        test_raw_send(other, FRAME_CALL, 1, QUEUE, NULL, 0);
        test_raw_send(server, FRAME_REPLY, test_raw_take_call(server, 0), NULL, NULL, 0);
        test_raw_expect(other, FRAME_REPLY, 1, BUS_OK);
        uint64_t n_dropped = 0;
        for (uint64_t id = 0; id < 2 * n; id++) {
                Frame frame;
                g_assert_true(test_raw_next(caller, &frame));
                g_assert_cmpuint(frame.header.id, ==, id);
                if (frame.header.kind == FRAME_REPLY)
                        continue;
                g_assert_cmpuint(frame.header.outcome, ==, BUS_TOO_LARGE);
                g_assert_cmpuint(id, <, n);
                g_assert_cmpuint(id, >=, n - 2); /* the socket itself holds some */
                n_dropped++;
        }
        g_assert_cmpuint(n_dropped, >=, 1);
        test_raw_free(other);
        test_raw_free(caller);
        test_raw_free(server);
        test_switch_free(test);
}

/* A server that does not read gets so much and no more; its callers are told at once. */
static void test_never_reading_server(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE);
        TestRaw *callers[] = { test_raw_new(test, true), test_raw_new(test, true) };
        g_autofree char *body = g_malloc0(FRAME_BODY_MAX);
        const uint64_t n = PEER_BACKLOG_MAX / FRAME_BODY_MAX;
        for (uint64_t id = 0; id <= n; id++)
                test_raw_send(callers[id & 1], FRAME_CALL, id, QUEUE, body, FRAME_BODY_MAX);
        test_raw_expect(callers[n & 1], FRAME_ERROR, n, BUS_OVER_QUOTA);
        for (uint64_t id = 0; id < n; id++)
                test_raw_take_call(server, FRAME_BODY_MAX);
        for (size_t i = 0; i < G_N_ELEMENTS(callers); i++)
                test_raw_free(callers[i]);
        test_raw_free(server);
        test_switch_free(test);
}

static void test_many_connections(void)
{
        struct rlimit limit;
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur < CONNECTED + 100) {
                g_test_skip("there are not enough descriptors");
                return;
        }
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE);
        TestRaw *callers[CONNECTED];
        for (size_t i = 0; i < CONNECTED; i++) {
                callers[i] = test_raw_new(test, true);
                test_raw_send(callers[i], FRAME_CALL, i, QUEUE, NULL, 0);
        }
        for (size_t i = 0; i < CONNECTED; i++)
                test_raw_send(server, FRAME_REPLY, test_raw_take_call(server, 0), NULL, NULL, 0);
        for (size_t i = 0; i < CONNECTED; i++) {
                test_raw_expect(callers[i], FRAME_REPLY, i, BUS_OK);
                test_raw_free(callers[i]);
        }
        test_raw_free(server);
        test_switch_free(test);
}

static int open_plain(const TestSwitch *test)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        g_strlcpy(address.sun_path, test->path, sizeof address.sun_path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
        return fd;
}

/* So many connections are kept, and the one past them is closed. Of other users there is a smaller number, so that they
 * cannot take everybody's place. */
static void try_connections(const char *policy, uid_t uid, size_t n)
{
        TestSwitch *test = test_switch_new(policy, 0);
        g_autofree int *fds = g_new(int, n + 1);
        g_assert_cmpint(seteuid(uid), ==, 0);
        for (size_t i = 0; i < n; i++)
                fds[i] = open_plain(test);
        TestRaw last = { .socket = fds[n - 1], .space = g_malloc(FRAME_READER_SPACE) };
        test_raw_send(&last, FRAME_HELLO, 1, "last", NULL, 0);
        test_raw_expect(&last, FRAME_OK, 1, BUS_OK);
        fds[n] = open_plain(test);
        char byte;
        g_assert_cmpint(read(fds[n], &byte, 1), ==, 0);
        g_assert_cmpint(seteuid(0), ==, 0);
        for (size_t i = 0; i <= n; i++)
                close(fds[i]);
        g_free(last.space);
        test_switch_free(test);
}

static void test_most_connections(void)
{
        struct rlimit limit;
        if (geteuid() != 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
            limit.rlim_max < MANAGER_PEERS_MAX + 100) {
                g_test_skip("wants root and many descriptors");
                return;
        }
        limit.rlim_cur = limit.rlim_max;
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        try_connections(NULL, 0, MANAGER_PEERS_MAX);
        try_connections(NULL, NOBODY, MANAGER_PEERS_FOREIGN_MAX);
}

static void test_most_queues(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_new(test, true);
        for (uint64_t i = 0; i <= MANAGER_QUEUES_MAX; i++) {
                g_autofree char *name = g_strdup_printf("org.test.%d", (int)i);
                test_raw_send(server, FRAME_SERVE, i, name, NULL, 0);
                if (i < MANAGER_QUEUES_MAX)
                        test_raw_expect(server, FRAME_OK, i, BUS_OK);
                else
                        test_raw_expect(server, FRAME_ERROR, i, BUS_OVER_QUOTA);
        }
        test_raw_free(server);
        test_switch_free(test);
}

/* Who follows and does not read misses events, and is told how many. */
static void test_slow_follower(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestRaw *server = test_raw_server(test, QUEUE), *caller = test_raw_new(test, true);
        TestRaw *follower = test_raw_new(test, true);
        static const char options[] = "{\"follow\":true,\"bodies\":true}";
        g_autofree char *body = g_strnfill(TRACE_BODY_MAX, 'b');
        const uint64_t n = 4 * (TRACE_UNSENT_MAX / TRACE_BODY_MAX);
        test_raw_send(follower, FRAME_CONTROL, 7, "tail", options, strlen(options));
        test_raw_expect(follower, FRAME_REPLY, 7, BUS_OK);
        uint64_t n_calls = 0, n_seen = 0, n_lost = 0;
        while (n_lost == 0) {
                test_raw_send(caller, FRAME_CALL, n_calls++, QUEUE, body, TRACE_BODY_MAX);
                test_raw_take_call(server, TRACE_BODY_MAX);
                if (n_calls < n)
                        continue;
                Frame frame;
                g_assert_true(test_raw_next(follower, &frame));
                json_t *answer = json_loadb(frame.body, frame.header.body_len, 0, NULL);
                n_seen += json_array_size(json_object_get(answer, "events"));
                n_lost = (uint64_t)json_integer_value(json_object_get(answer, "lost"));
                json_decref(answer);
        }
        g_assert_cmpuint(n_seen + n_lost, <=, n_calls);
        test_raw_free(follower);
        test_raw_free(caller);
        test_raw_free(server);
        test_switch_free(test);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        signal(SIGPIPE, SIG_IGN);
        g_test_add_func("/limits/frame-limits", test_frame_limits);
        g_test_add_func("/limits/fds-by-the-hundred", test_fds_by_the_hundred);
        g_test_add_func("/limits/count-quota", test_count_quota);
        g_test_add_func("/limits/byte-quota", test_byte_quota);
        g_test_add_func("/limits/never-reading-caller", test_never_reading_caller);
        g_test_add_func("/limits/never-reading-server", test_never_reading_server);
        g_test_add_func("/limits/many-connections", test_many_connections);
        g_test_add_func("/limits/most-connections", test_most_connections);
        g_test_add_func("/limits/most-queues", test_most_queues);
        g_test_add_func("/limits/slow-follower", test_slow_follower);
        return g_test_run();
}
