/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "idl/runtime/buffer.h"
#include "message-switch/lib/loop.h"
#include "server-command.h"
#include "sm-daemon/plugin.h"

#define READ_SIZE 4096u

struct Qmp {
        int fd;
        uint64_t deadline_usec;
        Buffer in;
        char *why;
};

static int wait_for(const Qmp *qmp, short events)
{
        struct pollfd fd = { .fd = qmp->fd, .events = events };
        uint64_t now;

        while ((now = clock_usec()) < qmp->deadline_usec) {
                uint64_t left_msec = (qmp->deadline_usec - now) / 1000 + 1;

                if (poll(&fd, 1, (int)MIN(left_msec, G_MAXINT)) > 0)
                        return 0;
        }
        return -ETIMEDOUT;
}

/* Waits for a whole line, and takes it off the buffer. */
static int take_line(Qmp *qmp, char **ret)
{
        for (;;) {
                char *end = qmp->in.len > 0 ? memchr(qmp->in.data, '\n', qmp->in.len) : NULL;
                ssize_t n;
                int r;

                if (end != NULL) {
                        size_t len = (size_t)(end - qmp->in.data);

                        *ret = g_strndup(qmp->in.data, len);
                        memmove(qmp->in.data, end + 1, qmp->in.len - len - 1);
                        qmp->in.len -= len + 1;
                        return 0;
                }
                if (qmp->in.len > QMP_MESSAGE_MAX)
                        return -EPROTO;
                r = wait_for(qmp, POLLIN);
                if (r < 0)
                        return r;
                n = recv(qmp->fd, buffer_reserve(&qmp->in, READ_SIZE), READ_SIZE, MSG_DONTWAIT);
                if (n > 0)
                        qmp->in.len += (size_t)n;
                else if (n == 0)
                        return -EPIPE;
                else if (errno != EAGAIN && errno != EINTR)
                        return -errno;
        }
}

static int take_message(Qmp *qmp, json_t **ret)
{
        g_autofree char *line = NULL;
        json_t *message;
        int r;

        r = take_line(qmp, &line);
        if (r < 0)
                return r;
        message =
            json_text_depth_ok(line, strlen(line), PLUGIN_JSON_DEPTH_MAX) ? json_loads(line, 0, NULL) : NULL;
        if (!json_is_object(message)) {
                json_decref(message);
                return -EPROTO;
        }
        *ret = message;
        return 0;
}

static int send_text(Qmp *qmp, const char *text)
{
        size_t len = strlen(text);

        while (len > 0) {
                ssize_t n;
                int r = wait_for(qmp, POLLOUT);

                if (r < 0)
                        return r;
                n = send(qmp->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (n > 0) {
                        text += n;
                        len -= (size_t)n;
                }
        }
        return 0;
}

/* The answer to the one command that is under way; events between are nothing to us. */
static int take_answer(Qmp *qmp, json_t **ret)
{
        for (;;) {
                json_t *message, *value;
                int r = take_message(qmp, &message);

                if (r < 0)
                        return r;
                value = json_object_get(message, "return");
                if (value != NULL) {
                        if (ret != NULL)
                                *ret = json_incref(value);
                        json_decref(message);
                        return 0;
                }
                value = json_object_get(message, "error");
                if (value != NULL) {
                        const char *why = json_string_value(json_object_get(value, "desc"));

                        qmp->why = g_strdup(why != NULL ? why : "for no reason");
                        json_decref(message);
                        return -EREMOTEIO;
                }
                json_decref(message);
        }
}

int qmp_call(Qmp *qmp, const char *command, json_t *arguments, json_t **ret)
{
        json_t *message = json_pack("{s:s}", "execute", command);
        char *text;
        int r;

        g_clear_pointer(&qmp->why, g_free);
        if (arguments != NULL)
                json_object_set_new(message, "arguments", arguments);
        text = json_dumps(message, JSON_COMPACT);
        json_decref(message);
        if (text == NULL)
                return -EINVAL;
        r = send_text(qmp, text);
        free(text);
        if (r == 0)
                r = take_answer(qmp, ret);
        if (r < 0 && qmp->why == NULL)
                qmp->why = g_strdup(g_strerror(-r));
        return r;
}

const char *qmp_why(const Qmp *qmp)
{
        return qmp->why != NULL ? qmp->why : "";
}

int qmp_open(const DiskRecord *record, uint64_t deadline_usec, Qmp **ret)
{
        Qmp *qmp = g_new0(Qmp, 1);
        json_t *greeting = NULL;
        int r;

        qmp->deadline_usec = deadline_usec;
        qmp->fd = server_connect(record, DISK_CONTROL);
        r = qmp->fd < 0 ? qmp->fd : take_message(qmp, &greeting);
        if (r == 0)
                r = json_object_get(greeting, "QMP") != NULL ? qmp_call(qmp, "qmp_capabilities", NULL, NULL)
                                                             : -EPROTO;
        json_decref(greeting);
        if (r < 0)
                qmp_close(qmp);
        else
                *ret = qmp;
        return r;
}

void qmp_close(Qmp *qmp)
{
        if (qmp == NULL)
                return;
        if (qmp->fd >= 0)
                close(qmp->fd);
        buffer_clear(&qmp->in);
        g_free(qmp->why);
        g_free(qmp);
}
