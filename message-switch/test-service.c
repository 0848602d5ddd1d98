/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service's table, called over a switch. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "service.h"
#include "test-switch.h"

#define QUEUE "org.test.service"

static json_t *add(void *context, const ServiceCall *call, json_t **ret_error)
{
        const json_t *text = json_array_get(call->params, 0);
        g_assert_cmpstr(context, ==, "context");
        g_assert_cmpstr(call->method, ==, "add");
        return json_sprintf("%s!", json_string_value(text));
}

static json_t *fail(void *context, const ServiceCall *call, json_t **ret_error)
{
        *ret_error = json_pack("[s,[s]]", "Does_not_exist", "VM");
        return NULL;
}

static json_t *forget(void *context, const ServiceCall *call, json_t **ret_error)
{
        return NULL;
}

static json_t *send_fd(void *context, const ServiceCall *call, json_t **ret_error)
{
        service_call_send_fd(call, open("/dev/null", O_RDONLY | O_CLOEXEC));
        return json_null();
}

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static bool gate_entered, gate_open;

/* Occupies the one worker until it is let go. */
static json_t *block(void *context, const ServiceCall *call, json_t **ret_error)
{
        pthread_mutex_lock(&gate_lock);
        gate_entered = true;
        pthread_cond_broadcast(&gate_changed);
        while (!gate_open)
                pthread_cond_wait(&gate_changed, &gate_lock);
        pthread_mutex_unlock(&gate_lock);
        return json_boolean(service_call_cancelled(call));
}

static const ServiceMethod methods[] = {
        { "add", true, add },          { "fail", false, fail },   { "forget", false, forget },
        { "send_fd", false, send_fd }, { "block", false, block }, { "urgent", false, fail, .urgent = true },
};

static void expect_error(TestClient *client, const char *method, const char *expected)
{
        BusReply reply;
        bus_call_wait(test_client_bus(client), &(BusCall){ .queue = QUEUE, .method = method }, &reply);
        g_assert_cmpint(reply.outcome, ==, BUS_OK);
        g_assert_true(!reply.result);
        char *text = json_dumps(reply.error, JSON_COMPACT);
        g_assert_cmpstr(text, ==, expected);
        free(text);
        bus_reply_clear(&reply);
}

typedef struct Fixture {
        TestSwitch *test;
        TestClient *server, *client;
        Workers *workers;
        Service *service;
} Fixture;

static void fixture_make_service(void *data)
{
        Fixture *fixture = data;
        fixture->service = service_new(test_client_bus(fixture->server), fixture->workers, QUEUE, methods,
                                       G_N_ELEMENTS(methods), (char *)"context");
}

static void fixture_open(Fixture *fixture, size_t n_workers)
{
        fixture->test = test_switch_new(NULL, 100000);
        fixture->workers = workers_new(n_workers, 1);
        fixture->server = test_client_new(fixture->test, "server");
        fixture->client = test_client_new(fixture->test, "client");
        test_client_post(fixture->server, fixture_make_service, fixture);
}

static void fixture_close(Fixture *fixture)
{
        test_client_stop(fixture->server);
        workers_free(fixture->workers);
        service_free(fixture->service);
        test_client_free(fixture->server);
        test_client_free(fixture->client);
        test_switch_free(fixture->test);
}

static void test_methods(void)
{
        Fixture fixture;
        json_t *result;
        fixture_open(&fixture, 100);
        g_assert_cmpint(test_call(fixture.client, QUEUE, "add", "one", &result), ==, BUS_OK);
        g_assert_cmpstr(json_string_value(result), ==, "one!");
        json_decref(result);
        expect_error(fixture.client, "fail", "[\"Does_not_exist\",[\"VM\"]]");
        expect_error(fixture.client, "forget", "[\"Internal_error\",\"forget failed without saying why\"]");
        expect_error(fixture.client, "unknown", "[\"Internal_error\",\"Unknown method unknown\"]");
        BusReply reply;
        bus_call_wait(test_client_bus(fixture.client), &(BusCall){ .queue = QUEUE, .method = "send_fd" },
                      &reply);
        struct stat status;
        g_assert_cmpuint(reply.n_fds, ==, 1);
        g_assert_cmpint(fstat(reply.fds[0], &status), ==, 0);
        bus_reply_clear(&reply);
        fixture_close(&fixture);
}

static void *call_block(void *data)
{
        Fixture *fixture = data;
        g_assert_cmpint(test_call(fixture->client, QUEUE, "block", "", NULL), ==, BUS_OK);
        return NULL;
}

/* With all workers busy a call is refused, an urgent one is not, and what runs on the loop does not care. */
static void test_busy(void)
{
        Fixture fixture;
        pthread_t thread;
        fixture_open(&fixture, 1);
        g_assert_cmpint(pthread_create(&thread, NULL, call_block, &fixture), ==, 0);
        pthread_mutex_lock(&gate_lock);
        while (!gate_entered)
                pthread_cond_wait(&gate_changed, &gate_lock);
        pthread_mutex_unlock(&gate_lock);
        expect_error(fixture.client, "fail",
                     "[\"Internal_error\",\"fail refused: too many operations at a time\"]");
        expect_error(fixture.client, "urgent", "[\"Does_not_exist\",[\"VM\"]]");
        g_assert_cmpint(test_call(fixture.client, QUEUE, "add", "", NULL), ==, BUS_OK);
        pthread_mutex_lock(&gate_lock);
        gate_open = true;
        pthread_cond_broadcast(&gate_changed);
        pthread_mutex_unlock(&gate_lock);
        pthread_join(thread, NULL);
        fixture_close(&fixture);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        signal(SIGPIPE, SIG_IGN);
        g_test_add_func("/service/methods", test_methods);
        g_test_add_func("/service/busy", test_busy);
        return g_test_run();
}
