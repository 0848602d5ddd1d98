/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "test-switch.h"

#define TEST_SPACE_BYTES (64u << 10)

TestSwitch *test_switch_new(const char *policy, unsigned grace_msec)
{
        TestSwitch *test = g_new0(TestSwitch, 1);
        g_autoptr(GError) error = NULL;
        test->folder = g_dir_make_tmp("switch-XXXXXX", &error);
        g_assert_no_error(error);
        g_assert_cmpint(chmod(test->folder, 0755), ==, 0); /* other users are tried, too */
        test->path = g_build_filename(test->folder, "sock", NULL);
        g_autofree char *config = g_build_filename(test->folder, "config", NULL);
        g_autofree char *text = g_strdup_printf("[daemon]\ngrace-msec=%u\n", grace_msec);
        g_assert_true(g_file_set_contents(config, text, -1, NULL));
        g_autofree char *policy_path = g_build_filename(test->folder, "policy", NULL);
        g_assert_true(g_file_set_contents(policy_path, policy ? policy : "", -1, NULL));
        test->has_grace = grace_msec > 0;
        test_switch_start(test);
        return test;
}

void test_switch_start(TestSwitch *test)
{
        int ready[2];
        g_assert_cmpint(pipe(ready), ==, 0);
        g_autofree char *config = g_build_filename(test->folder, "config", NULL);
        g_autofree char *policy = g_build_filename(test->folder, "policy", NULL);
        g_autofree char *ready_fd = g_strdup_printf("%d", ready[1]);
        const char *program = g_getenv("MESSAGE_SWITCH");
        g_assert_nonnull(program);
        test->pid = fork();
        g_assert_cmpint(test->pid, >=, 0);
        if (test->pid == 0) {
                close(ready[0]);
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                execl(program, program, "--config", config, "--policy", policy, "--state", test->folder,
                      "--runtime", test->folder, "--switch-path", test->path, "--ready-fd", ready_fd,
                      "--log-level", "error", NULL);
                _exit(127);
        }
        close(ready[1]);
        char byte;
        g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
        close(ready[0]);
}

void test_switch_kill(TestSwitch *test, int signal_number)
{
        kill(test->pid, signal_number);
        int status;
        g_assert_cmpint(waitpid(test->pid, &status, 0), ==, test->pid);
        if (signal_number == SIGKILL)
                g_assert_true(WIFSIGNALED(status));
        else
                g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        test->pid = 0;
}

void test_switch_free(TestSwitch *test)
{
        if (test->pid)
                test_switch_kill(test, SIGTERM);
        g_autoptr(GDir) folder = g_dir_open(test->folder, 0, NULL);
        const char *name;
        while (folder && (name = g_dir_read_name(folder))) {
                g_autofree char *path = g_build_filename(test->folder, name, NULL);
                g_unlink(path);
        }
        g_rmdir(test->folder);
        g_free(test->folder);
        g_free(test->path);
        g_free(test);
}

struct TestClient {
        const char *path, *name;
        Loop *loop;
        Bus *bus;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool connected, stopped, has_grace;
};

static void test_client_on_state(bool connected, void *data)
{
        TestClient *client = data;
        pthread_mutex_lock(&client->lock);
        client->connected = connected;
        pthread_cond_broadcast(&client->changed);
        pthread_mutex_unlock(&client->lock);
}

/* The loop belongs to this thread from its beginning. */
static void *test_client_main(void *data)
{
        TestClient *client = data;
        Loop *loop = loop_new();
        pthread_mutex_lock(&client->lock);
        client->bus = bus_new(loop, client->path, client->name);
        bus_on_state(client->bus, test_client_on_state, client);
        client->loop = loop;
        pthread_cond_broadcast(&client->changed);
        pthread_mutex_unlock(&client->lock);
        loop_run(loop);
        return NULL;
}

TestClient *test_client_new(TestSwitch *test, const char *name)
{
        TestClient *client = g_new0(TestClient, 1);
        pthread_mutex_init(&client->lock, NULL);
        pthread_cond_init(&client->changed, NULL);
        client->path = test->path;
        client->has_grace = test->has_grace;
        client->name = name;
        g_assert_cmpint(pthread_create(&client->thread, NULL, test_client_main, client), ==, 0);
        pthread_mutex_lock(&client->lock);
        while (!client->loop)
                pthread_cond_wait(&client->changed, &client->lock);
        pthread_mutex_unlock(&client->lock);
        return client;
}

Bus *test_client_bus(TestClient *client)
{
        return client->bus;
}

void test_client_await(TestClient *client, bool connected)
{
        pthread_mutex_lock(&client->lock);
        while (client->connected != connected)
                pthread_cond_wait(&client->changed, &client->lock);
        pthread_mutex_unlock(&client->lock);
}

typedef struct TestPost {
        TestClient *client;
        void (*function)(void *data);
        void *data;
        bool done;
} TestPost;

static void test_client_run_post(void *data)
{
        TestPost *post = data;
        post->function(post->data);
        pthread_mutex_lock(&post->client->lock);
        post->done = true;
        pthread_cond_broadcast(&post->client->changed);
        pthread_mutex_unlock(&post->client->lock);
}

void test_client_post(TestClient *client, void (*function)(void *data), void *data)
{
        TestPost post = { .client = client, .function = function, .data = data };
        loop_post(client->loop, test_client_run_post, &post);
        pthread_mutex_lock(&client->lock);
        while (!post.done)
                pthread_cond_wait(&client->changed, &client->lock);
        pthread_mutex_unlock(&client->lock);
}

typedef struct TestServe {
        Bus *bus;
        const char *queue;
        void (*function)(BusRequest *request, void *data);
        void *data;
} TestServe;

static void test_client_serve_here(void *data)
{
        const TestServe *serve = data;
        bus_serve(serve->bus, serve->queue, serve->function, serve->data);
}

/* Frames of one connection are taken in their order: once a later one is answered, the SERVE has been. (With a grace no
 * unknown name is answered at once; but then a call waits for the SERVE anyway.) */
void test_client_serve(TestClient *client, const char *queue,
                       void (*function)(BusRequest *request, void *data), void *data)
{
        TestServe serve = { .bus = client->bus, .queue = queue, .function = function, .data = data };
        test_client_await(client, true);
        test_client_post(client, test_client_serve_here, &serve);
        if (!client->has_grace)
                g_assert_cmpint(test_call(client, "no.such.queue", "", "", NULL), ==, BUS_NO_SUCH_QUEUE);
}

static void test_client_close(void *data)
{
        TestClient *client = data;
        bus_close(client->bus);
        loop_stop(client->loop);
}

void test_client_stop(TestClient *client)
{
        loop_post(client->loop, test_client_close, client);
        pthread_join(client->thread, NULL);
        client->stopped = true;
}

void test_client_free(TestClient *client)
{
        if (!client->stopped)
                test_client_stop(client);
        bus_free(client->bus);
        loop_free(client->loop);
        pthread_mutex_destroy(&client->lock);
        pthread_cond_destroy(&client->changed);
        g_free(client);
}

BusOutcome test_call(TestClient *client, const char *queue, const char *method, const char *text,
                     json_t **ret_result)
{
        json_t *params = json_pack("[s]", text);
        BusReply reply;
        bus_call_wait(client->bus, &(BusCall){ .queue = queue, .method = method, .params = params }, &reply);
        json_decref(params);
        BusOutcome outcome = reply.outcome;
        if (ret_result)
                *ret_result = json_incref(reply.result);
        bus_reply_clear(&reply);
        return outcome;
}

void test_echo_back(BusRequest *request, void *data)
{
        json_t *result = json_incref(json_array_get(bus_request_params(request), 0));
        bus_request_respond(request, result, NULL, NULL, 0);
}

static void pair_set_up(TestPair *pair, gconstpointer unused)
{
        pair->test = test_switch_new(NULL, 0);
        pair->server = test_client_new(pair->test, "server");
        pair->client = test_client_new(pair->test, "client");
}

static void pair_tear_down(TestPair *pair, gconstpointer unused)
{
        test_client_free(pair->client);
        test_client_free(pair->server);
        test_switch_free(pair->test);
}

void test_pair_add(const char *path, void (*function)(TestPair *pair, gconstpointer unused))
{
        g_test_add(path, TestPair, NULL, pair_set_up, function, pair_tear_down);
}

TestRaw *test_raw_new(TestSwitch *test, bool hello)
{
        TestRaw *raw = g_new0(TestRaw, 1);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        g_strlcpy(address.sun_path, test->path, sizeof address.sun_path);
        raw->space = g_malloc(TEST_SPACE_BYTES);
        raw->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_assert_cmpint(connect(raw->socket, (struct sockaddr *)&address, sizeof address), ==, 0);
        if (hello) {
                test_raw_send(raw, FRAME_HELLO, 1, "raw", NULL, 0);
                test_raw_expect(raw, FRAME_OK, 1, BUS_OK);
        }
        return raw;
}

static void test_raw_send_all(TestRaw *raw, FrameHeader *header, const char *name, const void *body,
                              const int *fds)
{
        header->magic = FRAME_MAGIC;
        header->name_len = name ? (uint32_t)strlen(name) : 0;
        char head[FRAME_HEADER_SIZE];
        frame_header_encode(header, head);
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * 253)];
        } control;
        struct iovec parts[] = { { head, sizeof head },
                                 { (void *)name, header->name_len },
                                 { (void *)body, header->body_len } };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
        if (header->n_fds) {
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * header->n_fds);
                control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int) * header->n_fds),
                                                   .cmsg_level = SOL_SOCKET,
                                                   .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * header->n_fds);
        }
        size_t left = frame_length(header);
        while (left) {
                ssize_t n = sendmsg(raw->socket, &message, MSG_NOSIGNAL);
                if (n < 0)
                        return; /* the switch has had enough: what it said is there to be read */
                left -= (size_t)n;
                message.msg_controllen = 0;
                for (size_t i = 0; i < 3 && n; i++) {
                        size_t part = MIN(parts[i].iov_len, (size_t)n);
                        parts[i].iov_base = (char *)parts[i].iov_base + part;
                        parts[i].iov_len -= part;
                        n -= (ssize_t)part;
                }
        }
}

void test_raw_send(TestRaw *raw, FrameKind kind, uint64_t id, const char *name, const void *body,
                   size_t body_len)
{
        FrameHeader header = { .kind = (uint8_t)kind, .id = id, .body_len = (uint32_t)body_len };
        test_raw_send_all(raw, &header, name, body, NULL);
}

void test_raw_send_fds(TestRaw *raw, FrameKind kind, uint64_t id, const char *name, const int *fds,
                       size_t n_fds)
{
        FrameHeader header = { .kind = (uint8_t)kind, .id = id, .n_fds = (uint16_t)n_fds };
        test_raw_send_all(raw, &header, name, NULL, fds);
}

bool test_raw_next(TestRaw *raw, Frame *ret)
{
        for (;;) {
                int r = frame_reader_next(&raw->reader, ret);
                g_assert_cmpint(r, >=, 0);
                if (r > 0)
                        return true;
                g_assert_cmpint(frame_reader_end(&raw->reader), ==, 0);
                struct pollfd wait = { .fd = raw->socket, .events = POLLIN };
                poll(&wait, 1, -1);
                ssize_t n = frame_reader_receive(&raw->reader, raw->socket, raw->space, TEST_SPACE_BYTES);
                if (n == 0 || n == -ECONNRESET)
                        return false;
                g_assert_true(n > 0 || n == -EAGAIN);
        }
}

void test_raw_expect(TestRaw *raw, FrameKind kind, uint64_t id, BusOutcome outcome)
{
        Frame frame;
        g_assert_true(test_raw_next(raw, &frame));
        if (frame.header.kind == FRAME_ERROR && kind != FRAME_ERROR)
                g_test_message("call %" PRIu64 " ended: %s", frame.header.id,
                               bus_outcome_text(frame.header.outcome));
        g_assert_cmpuint(frame.header.kind, ==, kind);
        g_assert_cmpuint(frame.header.id, ==, id);
        g_assert_cmpuint(frame.header.outcome, ==, outcome);
        frame_close_fds(&frame);
}

void test_raw_free(TestRaw *raw)
{
        frame_reader_clear(&raw->reader);
        close(raw->socket);
        g_free(raw->space);
        g_free(raw);
}

TestRaw *test_raw_server(TestSwitch *test, const char *queue)
{
        TestRaw *raw = test_raw_new(test, true);
        test_raw_send(raw, FRAME_SERVE, 2, queue, NULL, 0);
        test_raw_expect(raw, FRAME_OK, 2, BUS_OK);
        return raw;
}

uint64_t test_raw_take_call(TestRaw *raw, size_t body_len)
{
        Frame frame;
        g_assert_true(test_raw_next(raw, &frame));
        g_assert_cmpuint(frame.header.kind, ==, FRAME_CALL);
        g_assert_cmpuint(frame.header.body_len, ==, body_len);
        frame_close_fds(&frame);
        return frame.header.id;
}

void test_raw_expect_end(TestRaw *raw)
{
        Frame frame;
        g_assert_false(test_raw_next(raw, &frame));
}

void test_open_fds(int *ret_fds, size_t n)
{
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        for (size_t i = 0; i < n; i++)
                ret_fds[i] = fd;
}
