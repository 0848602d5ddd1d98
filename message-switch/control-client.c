/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control-client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>

#include "frame-reader.h"

#define CONTROL_CLIENT_SPACE_BYTES (64u << 10)

struct ControlClient {
        int socket;
        FrameReader reader;
        char space[CONTROL_CLIENT_SPACE_BYTES];
};

/* What goes wrong here is heard of when the answer is waited for. */
static void control_client_send(ControlClient *client, FrameKind kind, const char *name, const char *body)
{
        auto_buffer frame = { 0 };
        FrameHeader header = { .magic = FRAME_MAGIC,
                               .kind = (uint8_t)kind,
                               .name_len = (uint32_t)strlen(name),
                               .body_len = (uint32_t)strlen(body),
                               .id = 1 };
        frame_header_encode(&header, buffer_reserve(&frame, FRAME_HEADER_SIZE));
        frame.len += FRAME_HEADER_SIZE;
        buffer_append_text(&frame, name);
        buffer_append_text(&frame, body);
        while (frame.len) {
                ssize_t n = send(client->socket, frame.data, frame.len, MSG_NOSIGNAL);
                if (n < 0 && errno != EINTR)
                        return;
                if (n > 0)
                        buffer_consume(&frame, (size_t)n);
        }
}

/* 1: a frame; 0: the switch has ended; negative errno. */
static int control_client_receive(ControlClient *client, Frame *ret)
{
        for (;;) {
                int r = frame_reader_next(&client->reader, ret);
                if (r != 0)
                        return r;
                r = frame_reader_end(&client->reader);
                if (r < 0)
                        return r;
                struct pollfd wait = { .fd = client->socket, .events = POLLIN };
                if (poll(&wait, 1, -1) < 0 && errno != EINTR)
                        return -errno;
                ssize_t n = frame_reader_receive(&client->reader, client->socket, client->space,
                                                 sizeof client->space);
                if (n <= 0 && n != -EAGAIN)
                        return (int)n;
        }
}

static json_t *control_client_read(ControlClient *client, Frame *frame, char **ret_error)
{
        json_error_t problem;
        json_t *answer = NULL;
        switch (frame->header.kind) {
        case FRAME_OK:
                return json_true();
        case FRAME_ERROR:
                *ret_error = g_strndup(frame->body, frame->header.body_len);
                return NULL;
        case FRAME_REPLY:
                answer = json_loadb(frame->body, frame->header.body_len, 0, &problem);
                if (!answer)
                        *ret_error = g_strdup_printf("The switch's answer is no JSON: %s", problem.text);
                return answer;
        default:
                *ret_error = g_strdup("The switch's answer is of a kind that is not known here");
                return NULL;
        }
}

json_t *control_client_next(ControlClient *client, char **ret_error)
{
        Frame frame;
        int r = control_client_receive(client, &frame);
        if (r <= 0) {
                *ret_error = g_strdup(r < 0 ? g_strerror(-r) : "The switch has closed the connection");
                return NULL;
        }
        json_t *answer = control_client_read(client, &frame, ret_error);
        frame_close_fds(&frame);
        return answer;
}

void control_client_ask(ControlClient *client, const char *what, const json_t *options)
{
        char *body = options ? json_dumps(options, JSON_COMPACT) : NULL;
        control_client_send(client, FRAME_CONTROL, what, body ? body : "");
        free(body);
}

ControlClient *control_client_new(const char *path, const char *name, char **ret_error)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        g_strlcpy(address.sun_path, path, sizeof address.sun_path);
        ControlClient *client = g_new0(ControlClient, 1);
        client->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (client->socket < 0 || connect(client->socket, (struct sockaddr *)&address, sizeof address) < 0) {
                *ret_error = g_strdup_printf("%s: %s", path, g_strerror(errno));
                control_client_free(client);
                return NULL;
        }
        control_client_send(client, FRAME_HELLO, name, "");
        json_t *hello = control_client_next(client, ret_error);
        if (!hello) {
                control_client_free(client);
                return NULL;
        }
        json_decref(hello);
        return client;
}

void control_client_free(ControlClient *client)
{
        if (!client)
                return;
        frame_reader_clear(&client->reader);
        if (client->socket >= 0)
                close(client->socket);
        g_free(client);
}
