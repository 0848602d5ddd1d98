/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Redis: calls and replies are published, to the channel of the server and to that of the caller, whose name stands in
 * the call. Of the ways to call by redis this is the quickest: one connection an end (RESP3), no list, no answers to
 * PUBLISH (CLIENT REPLY OFF). */
#include <stdio.h>
#include <stdlib.h>

#include "echo.h"

#define REDIS_CHANNEL       "reply.0000000.0000" /* the shape of a caller's, which the server puts in its place */
#define REDIS_CHANNEL_BYTES (sizeof REDIS_CHANNEL - 1)
#define REDIS_CHANNEL_PLACE strlen("*3\r\n$7\r\nPUBLISH\r\n$18\r\n")

static void redis_publish(Buffer *out, const char *channel, const char *reply_to)
{
        buffer_printf(out, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n%s", strlen(channel), channel,
                      strlen(reply_to) + sizeof echo_body, reply_to);
        buffer_append(out, echo_body, sizeof echo_body);
        buffer_append_literal(out, "\r\n");
}

static void redis_open(End *end)
{
        const char *channel = end->serves ? ECHO_NAME : end->reply_to;
        redis_publish(&end->ready, end->serves ? REDIS_CHANNEL : ECHO_NAME, end->serves ? "" : end->reply_to);
        buffer_printf(&end->out, "HELLO 3\r\nCLIENT REPLY OFF\r\nSUBSCRIBE %s\r\n", channel);
}

static void redis_call(End *end)
{
        buffer_append(&end->out, end->ready.data, end->ready.len);
}

/* A "$N\r\n...\r\n" at `*at`; false: not whole. */
static bool redis_string(const char **at, const char *end, const char **ret_text, size_t *ret_len)
{
        const char *line = memchr(*at, '\n', (size_t)(end - *at));
        if (!line)
                return false;
        if (**at != '$')
                die("redis: unexpected %.20s", *at);
        *ret_len = strtoul(*at + 1, NULL, 10);
        *ret_text = line + 1;
        if ((size_t)(end - *ret_text) < *ret_len + 2)
                return false;
        *at = *ret_text + *ret_len + 2;
        return true;
}

/* HELLO's reply, the only one that is no push: lines that we need not understand. */
static size_t redis_skip_line(const char *bytes, size_t len)
{
        const char *line = memchr(bytes, '\n', len);
        if (line && *bytes == '-')
                die("redis: %.*s", (int)(line - bytes), bytes);
        return line ? (size_t)(line - bytes) + 1 : 0;
}

static size_t redis_take(End *end, const char *bytes, size_t len)
{
        const char *at = bytes, *stop = bytes + len, *kind, *channel, *body;
        size_t kind_len, channel_len, body_len;
        if (*bytes != '>')
                return redis_skip_line(bytes, len);
        if (len < 4)
                return 0;
        at += 4;
        if (!redis_string(&at, stop, &kind, &kind_len) || !redis_string(&at, stop, &channel, &channel_len))
                return 0;
        if (*kind == 's') {
                size_t n = redis_skip_line(at, (size_t)(stop - at));
                end->opened |= n > 0;
                return n ? (size_t)(at - bytes) + n : 0;
        }
        if (!redis_string(&at, stop, &body, &body_len))
                return 0;
        if (end->serves) {
                memcpy(end->ready.data + REDIS_CHANNEL_PLACE, body, REDIS_CHANNEL_BYTES);
                buffer_append(&end->out, end->ready.data, end->ready.len);
        } else {
                end->replies++;
                end->outstanding--;
        }
        return (size_t)(at - bytes);
}

const EchoProtocol echo_redis = {
        .name = "redis", .connect = unix_connect, .open = redis_open, .call = redis_call, .take = redis_take
};
