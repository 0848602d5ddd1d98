/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Callers that wait no longer: their deadline has passed, or what they do is to be cancelled. */
#include <signal.h>

#include <glib.h>

#include "test-keeper.h"
#include "test-switch.h"

static void test_timeout(TestPair *f, gconstpointer unused)
{
        TestKeeper keeper = TEST_KEEPER_INIT;
        test_client_serve(f->server, "org.test.keep", test_keep, &keeper);
        BusReply reply;
        BusCall call = {
                .queue = "org.test.keep", .method = "m", .timeout_usec = 50000, .traceparent = "00-1-2-03"
        };
        bus_call_wait(test_client_bus(f->client), &call, &reply);
        g_assert_cmpint(reply.outcome, ==, BUS_TIMEOUT);
        bus_reply_clear(&reply);
        test_keeper_await(&keeper, 1);
        g_assert_cmpstr(bus_request_method(keeper.requests[0]), ==, "m");
        g_assert_cmpstr(bus_request_traceparent(keeper.requests[0]), ==, "00-1-2-03");
        g_assert_cmpuint(bus_request_deadline(keeper.requests[0]), <=, clock_usec());
        while (!bus_request_cancelled(keeper.requests[0]))
                g_assert_cmpint(test_call(f->client, "org.test.nobody", "m", "", NULL), ==,
                                BUS_NO_SUCH_QUEUE);
        test_keeper_answer(&keeper);
}

static void answer_true(BusRequest *request, void *data)
{
        bus_request_respond(request, json_true(), NULL, NULL, 0);
}

#define RACES   300
#define CALLERS 8

static void *race_main(void *data)
{
        TestClient *client = data;
        for (unsigned i = 0; i < RACES; i++) {
                BusReply reply;
                bus_call_wait(test_client_bus(client),
                              &(BusCall){ .queue = "org.test.echo",
                                          .method = "echo",
                                          .timeout_usec = 10 * (i % 50) + 1 },
                              &reply);
                /* DISCONNECTED: it was not even sent. */
                g_assert_true(reply.outcome == BUS_OK || reply.outcome == BUS_TIMEOUT ||
                              reply.outcome == BUS_DISCONNECTED);
                bus_reply_clear(&reply);
        }
        return NULL;
}

/* Answers that come just as nobody waits for them any more: each call ends, and in one way. */
static void test_timeout_races(TestPair *f, gconstpointer unused)
{
        pthread_t threads[CALLERS];
        test_client_serve(f->server, "org.test.echo", answer_true, NULL);
        for (size_t i = 0; i < CALLERS; i++)
                g_assert_cmpint(pthread_create(&threads[i], NULL, race_main, f->client), ==, 0);
        for (size_t i = 0; i < CALLERS; i++)
                pthread_join(threads[i], NULL);
        g_assert_cmpint(test_call(f->client, "org.test.echo", "echo", "", NULL), ==, BUS_OK);
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

/* A thread that calls, and whose call can be cancelled. */
typedef struct Waiter {
        Bus *bus;
        pthread_t thread;
        const char *queue;
        Cancel cancel;
        BusReply reply;
} Waiter;

static void *waiter_main(void *data)
{
        Waiter *waiter = data;
        bus_call_wait(waiter->bus,
                      &(BusCall){ .queue = waiter->queue, .method = "m", .cancel = &waiter->cancel },
                      &waiter->reply);
        return NULL;
}

static void waiter_start(Waiter *waiter, Bus *bus, const char *queue)
{
        *waiter = (Waiter){ .bus = bus, .queue = queue };
        cancel_init(&waiter->cancel);
        g_assert_cmpint(pthread_create(&waiter->thread, NULL, waiter_main, waiter), ==, 0);
}

static BusOutcome waiter_join(Waiter *waiter)
{
        pthread_join(waiter->thread, NULL);
        cancel_destroy(&waiter->cancel);
        BusOutcome outcome = waiter->reply.outcome;
        bus_reply_clear(&waiter->reply);
        return outcome;
}

/* Of calls to a service that never answers one is cancelled: it alone ends, and the service knows. */
static void test_cancelled(TestPair *f, gconstpointer unused)
{
        TestKeeper keeper = TEST_KEEPER_INIT;
        Waiter waiters[CALLERS];
        test_client_serve(f->server, "org.test.keep", test_keep, &keeper);
        for (size_t i = 0; i < CALLERS; i++) {
                waiter_start(&waiters[i], test_client_bus(f->client), "org.test.keep");
                test_keeper_await(&keeper, i + 1);
        }
        cancel_ask(&waiters[3].cancel);
        g_assert_cmpint(waiter_join(&waiters[3]), ==, BUS_CANCELLED);
        while (!bus_request_cancelled(keeper.requests[3]))
                g_assert_cmpint(test_call(f->client, "org.test.nobody", "m", "", NULL), ==,
                                BUS_NO_SUCH_QUEUE);
        for (size_t i = 0; i < CALLERS; i++)
                g_assert_cmpint(bus_request_cancelled(keeper.requests[i]), ==, i == 3);
        test_keeper_answer(&keeper); /* the one too late */
        for (size_t i = 0; i < CALLERS; i++)
                if (i != 3)
                        g_assert_cmpint(waiter_join(&waiters[i]), ==, BUS_OK);
}

/* The wish was there before the call, which the service may hear of or not; it may even have answered. */
static void test_cancelled_before(TestPair *f, gconstpointer unused)
{
        Cancel cancel;
        BusReply reply;
        BusCall call = { .queue = "org.test.echo", .method = "m", .cancel = &cancel };
        test_client_serve(f->server, "org.test.echo", answer_true, NULL);
        cancel_init(&cancel);
        cancel_ask(&cancel);
        bus_call_wait(test_client_bus(f->client), &call, &reply);
        g_assert_true(reply.outcome == BUS_CANCELLED || reply.outcome == BUS_OK);
        bus_reply_clear(&reply);
        cancel_destroy(&cancel);
}

typedef struct Order {
        BusRequest *given_up;
        bool knew;
} Order;

/* Keeps the first, and answers the second. */
static void serve_in_order(BusRequest *request, void *data)
{
        Order *order = data;
        if (!order->given_up) {
                order->given_up = request;
                return;
        }
        order->knew = bus_request_cancelled(order->given_up);
        bus_request_respond(order->given_up, json_true(), NULL, NULL, 0);
        order->given_up = NULL;
        bus_request_respond(request, json_true(), NULL, NULL, 0);
}

/* Who has given a call up and then calls again may rely on the server knowing it by then. */
static void test_order(TestPair *f, gconstpointer unused)
{
        Order order = { 0 };
        test_client_serve(f->server, "org.test.order", serve_in_order, &order);
        test_client_await(f->client, true);
        for (int round = 0; round < 100; round++) {
                Waiter waiter;
                waiter_start(&waiter, test_client_bus(f->client), "org.test.order");
                cancel_ask(&waiter.cancel);
                g_assert_cmpint(waiter_join(&waiter), ==, BUS_CANCELLED);
                order.knew = false;
                g_assert_cmpint(test_call(f->client, "org.test.order", "m", "", NULL), ==, BUS_OK);
                g_assert_true(order.knew);
        }
}

/* Answers that come just as the wish does: each call ends, and in one way. */
static void test_cancel_races(TestPair *f, gconstpointer unused)
{
        test_client_serve(f->server, "org.test.echo", answer_true, NULL);
        for (int round = 0; round < RACES; round++) {
                Waiter waiters[CALLERS];
                for (size_t i = 0; i < CALLERS; i++)
                        waiter_start(&waiters[i], test_client_bus(f->client), "org.test.echo");
                for (size_t i = 0; i < CALLERS; i++)
                        cancel_ask(&waiters[i].cancel);
                for (size_t i = 0; i < CALLERS; i++) {
                        BusOutcome outcome = waiter_join(&waiters[i]);
                        g_assert_true(outcome == BUS_OK || outcome == BUS_CANCELLED);
                }
        }
        g_assert_cmpint(test_call(f->client, "org.test.echo", "echo", "", NULL), ==, BUS_OK);
}

/* A call that waits for a switch that is away. */
static void test_cancelled_without_switch(void)
{
        TestSwitch *test = test_switch_new(NULL, 0);
        test_switch_kill(test, SIGKILL);
        TestClient *client = test_client_new(test, "client");
        Waiter waiter;
        waiter_start(&waiter, test_client_bus(client), "org.test.nobody");
        cancel_ask(&waiter.cancel);
        g_assert_cmpint(waiter_join(&waiter), ==, BUS_CANCELLED);
        test_client_free(client);
        test_switch_free(test);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        signal(SIGPIPE, SIG_IGN);
        test_pair_add("/give-up/timeout", test_timeout);
        test_pair_add("/give-up/timeout-races", test_timeout_races);
        g_test_add_func("/give-up/disconnected", test_disconnected);
        test_pair_add("/give-up/cancelled", test_cancelled);
        test_pair_add("/give-up/cancelled-before", test_cancelled_before);
        test_pair_add("/give-up/order", test_order);
        test_pair_add("/give-up/cancel-races", test_cancel_races);
        g_test_add_func("/give-up/cancelled-without-switch", test_cancelled_without_switch);
        return g_test_run();
}
