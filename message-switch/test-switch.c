/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The switch with clients of the library: what callers and servers may rely on, whoever dies. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "test-switch.h"

static void echo(BusRequest *request, void *data)
{
        json_t *result = json_incref(json_array_get(bus_request_params(request), 0));
        bus_request_respond(request, result, NULL, NULL, 0);
}

static void test_echo(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *server = test_client_new(test, "server");
        TestClient *client = test_client_new(test, "client");
        test_client_serve(server, "org.test.echo", echo, NULL);
        for (int i = 0; i < 100; i++) {
                json_t *result;
                g_assert_cmpint(test_call(client, "org.test.echo", "echo", "hello", &result), ==, BUS_OK);
                g_assert_cmpstr(json_string_value(result), ==, "hello");
                json_decref(result);
        }
        test_client_free(client);
        test_client_free(server);
        test_switch_free(test);
}

/* From no byte to what just fits into a frame, over every boundary of a buffer on the way. */
static void test_sizes(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *server = test_client_new(test, "server");
        TestClient *client = test_client_new(test, "client");
        test_client_serve(server, "org.test.echo", echo, NULL);
        static const size_t sizes[] = { 0, 1, 4000, 65535, 65536, 262144, 1 << 20, FRAME_BODY_MAX - 64 };
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *text = g_strnfill(sizes[i], 'x');
                json_t *result;
                g_assert_cmpint(test_call(client, "org.test.echo", "echo", text, &result), ==, BUS_OK);
                g_assert_cmpuint(json_string_length(result), ==, sizes[i]);
                json_decref(result);
        }
        g_autofree char *text = g_strnfill(FRAME_BODY_MAX, 'x');
        g_assert_cmpint(test_call(client, "org.test.echo", "echo", text, NULL), ==, BUS_TOO_LARGE);
        test_client_free(client);
        test_client_free(server);
        test_switch_free(test);
}

static void test_no_such_queue(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *client = test_client_new(test, "client");
        g_assert_cmpint(test_call(client, "org.test.nobody", "echo", "", NULL), ==, BUS_NO_SUCH_QUEUE);
        test_client_free(client);
        test_switch_free(test);
}

#define CALLERS 8

typedef struct Caller {
        pthread_t thread;
        TestClient *client;
        const char *queue;
        BusOutcome outcome;
        unsigned n;
} Caller;

static void *caller_main(void *data)
{
        Caller *caller = data;
        for (unsigned i = 0; i < caller->n; i++)
                caller->outcome = test_call(caller->client, caller->queue, "echo", "text", NULL);
        return NULL;
}

static void callers_start(Caller *callers, TestClient *client, const char *queue, unsigned n)
{
        for (size_t i = 0; i < CALLERS; i++) {
                callers[i] = (Caller){ .client = client, .queue = queue, .n = n };
                g_assert_cmpint(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]), ==, 0);
        }
}

static void callers_expect(Caller *callers, BusOutcome outcome)
{
        for (size_t i = 0; i < CALLERS; i++) {
                pthread_join(callers[i].thread, NULL);
                g_assert_cmpint(callers[i].outcome, ==, outcome);
        }
}

static void test_threads(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *server = test_client_new(test, "server");
        TestClient *client = test_client_new(test, "client");
        Caller callers[CALLERS];
        test_client_serve(server, "org.test.echo", echo, NULL);
        callers_start(callers, client, "org.test.echo", 200);
        callers_expect(callers, BUS_OK);
        test_client_free(client);
        test_client_free(server);
        test_switch_free(test);
}

/* Keeps what it is asked, and counts. */
typedef struct Keeper {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        BusRequest *requests[CALLERS];
        size_t n;
} Keeper;

static void keep(BusRequest *request, void *data)
{
        Keeper *keeper = data;
        pthread_mutex_lock(&keeper->lock);
        keeper->requests[keeper->n++] = request;
        pthread_cond_broadcast(&keeper->changed);
        pthread_mutex_unlock(&keeper->lock);
}

static void keeper_await(Keeper *keeper, size_t n)
{
        pthread_mutex_lock(&keeper->lock);
        while (keeper->n < n)
                pthread_cond_wait(&keeper->changed, &keeper->lock);
        pthread_mutex_unlock(&keeper->lock);
}

static void keeper_answer(Keeper *keeper)
{
        for (size_t i = 0; i < keeper->n; i++)
                bus_request_respond(keeper->requests[i], json_true(), NULL, NULL, 0);
        keeper->n = 0;
}

#define KEEPER_INIT                                                                                          \
        {                                                                                                    \
                .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                       \
        }

static void test_server_dies(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *server = test_client_new(test, "server");
        TestClient *client = test_client_new(test, "client");
        Keeper keeper = KEEPER_INIT;
        Caller callers[CALLERS];
        test_client_serve(server, "org.test.keep", keep, &keeper);
        callers_start(callers, client, "org.test.keep", 1);
        keeper_await(&keeper, CALLERS);
        test_client_free(server);
        callers_expect(callers, BUS_OUTCOME_UNKNOWN);
        keeper_answer(&keeper);

        /* The name is known: the next ones wait for it to come back. */
        callers_start(callers, client, "org.test.keep", 1);
        server = test_client_new(test, "server");
        test_client_serve(server, "org.test.keep", echo, NULL);
        callers_expect(callers, BUS_OK);
        test_client_free(client);
        test_client_free(server);
        test_switch_free(test);
}

static void test_switch_dies(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *server = test_client_new(test, "server");
        TestClient *client = test_client_new(test, "client");
        Keeper keeper = KEEPER_INIT;
        Caller callers[CALLERS];
        test_client_serve(server, "org.test.keep", keep, &keeper);
        test_client_serve(server, "org.test.echo", echo, NULL);
        callers_start(callers, client, "org.test.keep", 1);
        keeper_await(&keeper, CALLERS);
        test_switch_kill(test, SIGKILL);
        callers_expect(callers, BUS_OUTCOME_UNKNOWN);
        test_client_await(client, false);

        /* What was not sent yet waits, and is done. */
        callers_start(callers, client, "org.test.echo", 1);
        test_switch_start(test);
        callers_expect(callers, BUS_OK);
        test_client_await(server, true);
        for (size_t i = 0; i < CALLERS; i++)
                g_assert_true(bus_request_cancelled(keeper.requests[i]));
        keeper_answer(&keeper); /* goes nowhere */
        g_assert_cmpint(test_call(client, "org.test.echo", "echo", "", NULL), ==, BUS_OK);
        test_client_free(client);
        test_client_free(server);
        test_switch_free(test);
}

/* A switch that was restarted remembers names that had been served: calls wait for their servers. */
static void test_names_outlive_switch(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *server = test_client_new(test, "server");
        test_client_serve(server, "org.test.echo", echo, NULL);
        test_client_free(server);
        test_switch_kill(test, SIGKILL);
        test_switch_start(test);
        TestClient *client = test_client_new(test, "client");
        Caller callers[CALLERS];
        callers_start(callers, client, "org.test.echo", 1);
        server = test_client_new(test, "server");
        test_client_serve(server, "org.test.echo", echo, NULL);
        callers_expect(callers, BUS_OK);
        g_assert_cmpint(test_call(client, "org.test.other", "echo", "", NULL), ==, BUS_NO_SUCH_QUEUE);
        test_client_free(client);
        test_client_free(server);
        test_switch_free(test);
}

/* While a host comes up nobody knows yet which names will be served. */
static void test_grace(void)
{
        TestSwitch *test = test_switch_new(NULL, 100000);
        TestClient *client = test_client_new(test, "client");
        Caller callers[CALLERS];
        callers_start(callers, client, "org.test.echo", 1);
        TestClient *server = test_client_new(test, "server");
        test_client_serve(server, "org.test.echo", echo, NULL);
        callers_expect(callers, BUS_OK);
        test_client_free(client);
        test_client_free(server);
        test_switch_free(test);
}

static void test_grace_ends(void)
{
        TestSwitch *test = test_switch_new(NULL, 100);
        TestClient *client = test_client_new(test, "client");
        g_assert_cmpint(test_call(client, "org.test.echo", "echo", "", NULL), ==, BUS_NO_SUCH_QUEUE);
        test_client_free(client);
        test_switch_free(test);
}

static void test_timeout(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *server = test_client_new(test, "server");
        TestClient *client = test_client_new(test, "client");
        Keeper keeper = KEEPER_INIT;
        test_client_serve(server, "org.test.keep", keep, &keeper);
        BusReply reply;
        BusCall call = {
                .queue = "org.test.keep", .method = "m", .timeout_usec = 50000, .traceparent = "00-1-2-03"
        };
        bus_call_wait(test_client_bus(client), &call, &reply);
        g_assert_cmpint(reply.outcome, ==, BUS_TIMEOUT);
        bus_reply_clear(&reply);
        keeper_await(&keeper, 1);
        g_assert_cmpstr(bus_request_method(keeper.requests[0]), ==, "m");
        g_assert_cmpstr(bus_request_traceparent(keeper.requests[0]), ==, "00-1-2-03");
        g_assert_cmpuint(bus_request_deadline(keeper.requests[0]), <=, clock_usec());
        while (!bus_request_cancelled(keeper.requests[0]))
                g_assert_cmpint(test_call(client, "org.test.nobody", "m", "", NULL), ==, BUS_NO_SUCH_QUEUE);
        keeper_answer(&keeper);
        test_client_free(client);
        test_client_free(server);
        test_switch_free(test);
}

/* Without a switch nothing was sent, and the outcome says so. */
static void test_disconnected(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        test_switch_kill(test, SIGKILL);
        TestClient *client = test_client_new(test, "client");
        BusReply reply;
        BusCall call = { .queue = "org.test.echo", .method = "m", .timeout_usec = 20000 };
        bus_call_wait(test_client_bus(client), &call, &reply);
        g_assert_cmpint(reply.outcome, ==, BUS_DISCONNECTED);
        bus_reply_clear(&reply);
        test_client_free(client);
        test_switch_free(test);
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

static void test_fds(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *server = test_client_new(test, "server");
        TestClient *client = test_client_new(test, "client");
        test_client_serve(server, "org.test.fds", swap_fds, NULL);
        for (int round = 0; round < 50; round++) {
                int ends[2], fds[FRAME_FDS_MAX];
                g_assert_cmpint(pipe(ends), ==, 0);
                for (size_t i = 0; i < FRAME_FDS_MAX; i++)
                        fds[i] = ends[1];
                BusReply reply;
                BusCall call = { .queue = "org.test.fds", .method = "m", .fds = fds, .n_fds = FRAME_FDS_MAX };
                bus_call_wait(test_client_bus(client), &call, &reply);
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
        test_client_free(client);
        test_client_free(server);
        test_switch_free(test);
}

static void answer_who(BusRequest *request, void *data)
{
        bus_request_respond(request, json_string(data), NULL, NULL, 0);
}

/* The newest server of a user has the queue. */
static void test_replaced_server(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *old = test_client_new(test, "old");
        TestClient *new = test_client_new(test, "new");
        TestClient *client = test_client_new(test, "client");
        json_t *result;
        test_client_serve(old, "org.test.who", answer_who, (char *)"old");
        g_assert_cmpint(test_call(client, "org.test.who", "m", "", &result), ==, BUS_OK);
        g_assert_cmpstr(json_string_value(result), ==, "old");
        json_decref(result);
        test_client_serve(new, "org.test.who", answer_who, (char *)"new");
        g_assert_cmpint(test_call(client, "org.test.who", "m", "", &result), ==, BUS_OK);
        g_assert_cmpstr(json_string_value(result), ==, "new");
        json_decref(result);
        test_client_free(client);
        test_client_free(new);
        test_client_free(old);
        test_switch_free(test);
}

/* Two services, each with as many calls to the other outstanding as it may have. */
typedef struct Mutual {
        Bus *bus;
        const char *other;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned n_ok, n_ended;
} Mutual;

static void mutual_on_reply(BusReply *reply, void *data)
{
        Mutual *mutual = data;
        pthread_mutex_lock(&mutual->lock);
        mutual->n_ok += reply->outcome == BUS_OK;
        mutual->n_ended++;
        pthread_cond_signal(&mutual->changed);
        pthread_mutex_unlock(&mutual->lock);
}

#define MUTUAL_CALLS (FRAME_CALLS_MAX + 1)

static void mutual_start(void *data)
{
        Mutual *mutual = data;
        g_autofree char *text = g_strnfill(8000, 'x');
        json_t *params = json_pack("[s]", text);
        BusCall call = { .queue = mutual->other, .method = "echo", .params = params };
        for (unsigned i = 0; i < MUTUAL_CALLS; i++)
                bus_call(mutual->bus, &call, mutual_on_reply, mutual);
        json_decref(params);
}

static void mutual_await(Mutual *mutual)
{
        pthread_mutex_lock(&mutual->lock);
        while (mutual->n_ended < MUTUAL_CALLS)
                pthread_cond_wait(&mutual->changed, &mutual->lock);
        pthread_mutex_unlock(&mutual->lock);
        g_assert_cmpuint(mutual->n_ok, ==, FRAME_CALLS_MAX); /* the one past it was refused */
}

static void test_mutual(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        static const char *const queues[] = { "org.test.left", "org.test.right" };
        TestClient *clients[2];
        Mutual mutuals[2];
        for (size_t i = 0; i < 2; i++) {
                clients[i] = test_client_new(test, queues[i]);
                test_client_serve(clients[i], queues[i], echo, NULL);
                mutuals[i] = (Mutual){ .bus = test_client_bus(clients[i]),
                                       .other = queues[1 - i],
                                       .lock = PTHREAD_MUTEX_INITIALIZER,
                                       .changed = PTHREAD_COND_INITIALIZER };
        }
        for (size_t i = 0; i < 2; i++)
                test_client_post(clients[i], mutual_start, &mutuals[i]);
        for (size_t i = 0; i < 2; i++)
                mutual_await(&mutuals[i]);
        for (size_t i = 0; i < 2; i++)
                test_client_free(clients[i]);
        test_switch_free(test);
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
static void test_json_limits(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *server = test_client_new(test, "server");
        TestClient *client = test_client_new(test, "client");
        test_client_serve(server, "org.test.swallow", swallow, NULL);
        for (unsigned past = 0; past <= 1; past++) {
                json_t *deep = json_array();
                for (unsigned depth = 2; depth < BUS_DEPTH_MAX + past;
                     depth++) /* the message itself is the first */
                        deep = json_pack("[o]", deep);
                g_assert_cmpint(call_with(client, deep), ==, past ? BUS_PROTOCOL : BUS_OK);
                json_t *many = json_array();
                for (unsigned n = 4; n < BUS_VALUES_MAX + past;
                     n++) /* the message, method, params and id are values */
                        json_array_append_new(many, json_true());
                g_assert_cmpint(call_with(client, many), ==, past ? BUS_PROTOCOL : BUS_OK);
        }
        test_client_free(client);
        test_client_free(server);
        test_switch_free(test);
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
        g_test_add_func("/switch/echo", test_echo);
        g_test_add_func("/switch/sizes", test_sizes);
        g_test_add_func("/switch/no-such-queue", test_no_such_queue);
        g_test_add_func("/switch/threads", test_threads);
        g_test_add_func("/switch/server-dies", test_server_dies);
        g_test_add_func("/switch/switch-dies", test_switch_dies);
        g_test_add_func("/switch/names-outlive-switch", test_names_outlive_switch);
        g_test_add_func("/switch/grace", test_grace);
        g_test_add_func("/switch/grace-ends", test_grace_ends);
        g_test_add_func("/switch/timeout", test_timeout);
        g_test_add_func("/switch/disconnected", test_disconnected);
        g_test_add_func("/switch/fds", test_fds);
        g_test_add_func("/switch/replaced-server", test_replaced_server);
        g_test_add_func("/switch/mutual", test_mutual);
        g_test_add_func("/switch/json-limits", test_json_limits);
        g_test_add_func("/switch/strange-replies", test_strange_replies);
        return g_test_run();
}
