/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The switch with clients of the library: what callers and servers may rely on, whoever dies. */
#include <signal.h>

#include <glib.h>

#include "test-keeper.h"
#include "test-switch.h"

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

static void test_threads(TestPair *f, gconstpointer unused)
{
        Caller callers[CALLERS];
        test_client_serve(f->server, "org.test.echo", test_echo_back, NULL);
        callers_start(callers, f->client, "org.test.echo", 200);
        callers_expect(callers, BUS_OK);
}

static void test_server_dies(TestPair *f, gconstpointer unused)
{
        TestKeeper keeper = TEST_KEEPER_INIT;
        Caller callers[CALLERS];
        test_client_serve(f->server, "org.test.keep", test_keep, &keeper);
        callers_start(callers, f->client, "org.test.keep", 1);
        test_keeper_await(&keeper, CALLERS);
        test_client_free(f->server);
        callers_expect(callers, BUS_OUTCOME_UNKNOWN);
        test_keeper_answer(&keeper);

        /* The name is known: the next ones wait for it to come back. */
        callers_start(callers, f->client, "org.test.keep", 1);
        f->server = test_client_new(f->test, "server");
        test_client_serve(f->server, "org.test.keep", test_echo_back, NULL);
        callers_expect(callers, BUS_OK);
}

static void test_switch_dies(TestPair *f, gconstpointer unused)
{
        TestKeeper keeper = TEST_KEEPER_INIT;
        Caller callers[CALLERS];
        test_client_serve(f->server, "org.test.keep", test_keep, &keeper);
        test_client_serve(f->server, "org.test.echo", test_echo_back, NULL);
        callers_start(callers, f->client, "org.test.keep", 1);
        test_keeper_await(&keeper, CALLERS);
        test_switch_kill(f->test, SIGKILL);
        callers_expect(callers, BUS_OUTCOME_UNKNOWN);
        test_client_await(f->client, false);

        /* What was not sent yet waits, and is done. */
        callers_start(callers, f->client, "org.test.echo", 1);
        test_switch_start(f->test);
        callers_expect(callers, BUS_OK);
        test_client_await(f->server, true);
        for (size_t i = 0; i < CALLERS; i++)
                g_assert_true(bus_request_cancelled(keeper.requests[i]));
        test_keeper_answer(&keeper); /* goes nowhere */
        g_assert_cmpint(test_call(f->client, "org.test.echo", "echo", "", NULL), ==, BUS_OK);
}

/* A switch that was restarted remembers names that had been served: calls wait for their servers. */
static void test_names_outlive_switch(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        TestClient *server = test_client_new(test, "server");
        test_client_serve(server, "org.test.echo", test_echo_back, NULL);
        test_client_free(server);
        test_switch_kill(test, SIGKILL);
        test_switch_start(test);
        TestClient *client = test_client_new(test, "client");
        Caller callers[CALLERS];
        callers_start(callers, client, "org.test.echo", 1);
        server = test_client_new(test, "server");
        test_client_serve(server, "org.test.echo", test_echo_back, NULL);
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
        test_client_serve(server, "org.test.echo", test_echo_back, NULL);
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
                test_client_serve(clients[i], queues[i], test_echo_back, NULL);
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

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        signal(SIGPIPE, SIG_IGN);
        g_test_add_func("/switch/no-such-queue", test_no_such_queue);
        test_pair_add("/switch/threads", test_threads);
        test_pair_add("/switch/server-dies", test_server_dies);
        test_pair_add("/switch/switch-dies", test_switch_dies);
        g_test_add_func("/switch/names-outlive-switch", test_names_outlive_switch);
        g_test_add_func("/switch/grace", test_grace);
        g_test_add_func("/switch/grace-ends", test_grace_ends);
        g_test_add_func("/switch/replaced-server", test_replaced_server);
        g_test_add_func("/switch/mutual", test_mutual);
        return g_test_run();
}
