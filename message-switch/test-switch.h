/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A switch of the test's own, and clients of it: what the tests that cross the socket share. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "bus.h"
#include "frame-reader.h"

typedef struct TestSwitch {
        char *folder, *path;
        bool has_grace;
        pid_t pid; /* 0: not running */
} TestSwitch;

/* Starts `program` ($MESSAGE_SWITCH) in a new folder with that policy file's text (NULL: none) and grace. */
TestSwitch *test_switch_new(const char *policy, unsigned grace_msec);
void test_switch_start(TestSwitch *test);                   /* returns once it serves */
void test_switch_kill(TestSwitch *test, int signal_number); /* returns once it has ended */
void test_switch_free(TestSwitch *test);

/* A bus client whose loop runs on a thread of its own. */
typedef struct TestClient TestClient;
TestClient *test_client_new(TestSwitch *test, const char *name);
Bus *test_client_bus(TestClient *client);
/* Serves on the client's loop; returns once the switch knows. */
void test_client_serve(TestClient *client, const char *queue,
                       void (*function)(BusRequest *request, void *data), void *data);
void test_client_post(TestClient *client, void (*function)(void *data),
                      void *data); /* waits until it has run */
void test_client_await(TestClient *client, bool connected);
void test_client_stop(TestClient *client); /* closes the bus, ends the thread; may be left out */
void test_client_free(TestClient *client);
/* Calls and waits; returns the outcome, and the result (owned) where ret_result is not NULL. */
BusOutcome test_call(TestClient *client, const char *queue, const char *method, const char *text,
                     json_t **ret_result);

/* A service's function that answers with its first parameter. */
void test_echo_back(BusRequest *request, void *data);

/* A switch, a client that is to serve, and one that calls. */
typedef struct TestPair {
        TestSwitch *test;
        TestClient *server, *client;
} TestPair;
/* A test of GLib's that has one. */
void test_pair_add(const char *path, void (*function)(TestPair *pair, gconstpointer unused));

/* A socket that speaks frames by hand. Blocking. */
typedef struct TestRaw {
        int socket;
        FrameReader reader;
        char *space;
} TestRaw;
TestRaw *test_raw_new(TestSwitch *test, bool hello);
void test_raw_send(TestRaw *raw, FrameKind kind, uint64_t id, const char *name, const void *body,
                   size_t body_len);
void test_raw_send_fds(TestRaw *raw, FrameKind kind, uint64_t id, const char *name, const int *fds,
                       size_t n_fds);
/* The next frame, valid until the one after it; false: the switch has closed the connection. */
bool test_raw_next(TestRaw *raw, Frame *ret);
/* Fails the test unless the next frame is of that kind, id and outcome. */
void test_raw_expect(TestRaw *raw, FrameKind kind, uint64_t id, BusOutcome outcome);
TestRaw *test_raw_server(TestSwitch *test, const char *queue); /* that serves it */
uint64_t test_raw_take_call(TestRaw *raw,
                            size_t body_len); /* the next frame must be a CALL; returns its id */
void test_raw_expect_end(TestRaw *raw);       /* the switch closes the connection */
void test_raw_free(TestRaw *raw);

#define NOBODY 65534                        /* a user of whom the policy knows nothing */
void test_open_fds(int *ret_fds, size_t n); /* one descriptor, n times */
