/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NATS: its text protocol; each caller has one subject for its replies. The server has no unix sockets. */
#include <stdio.h>
#include <stdlib.h>

#include "echo.h"

#define NATS_ADDRESS  "127.0.0.1"
#define NATS_LINE_MAX 512

static int nats_connect(const char *port)
{
        return tcp_connect(NATS_ADDRESS, port);
}

static void nats_publish(Buffer *out, const char *subject, size_t subject_len, const char *reply_to,
                         const char *body, size_t body_len)
{
        buffer_append_literal(out, "PUB ");
        buffer_append(out, subject, subject_len);
        buffer_append_text(out, reply_to);
        buffer_append_literal(out, " ");
        buffer_append_int(out, (int64_t)body_len);
        buffer_append_literal(out, "\r\n");
        buffer_append(out, body, body_len);
        buffer_append_literal(out, "\r\n");
}

static void nats_open(End *end)
{
        char reply_to[sizeof end->reply_to + 1];
        snprintf(reply_to, sizeof reply_to, " %s", end->reply_to);
        nats_publish(&end->ready, ECHO_NAME, strlen(ECHO_NAME), reply_to, echo_body, sizeof echo_body);
        buffer_printf(&end->out, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB %s 1\r\nPING\r\n",
                      end->serves ? ECHO_NAME : end->reply_to);
}

static void nats_call(End *end)
{
        buffer_append(&end->out, end->ready.data, end->ready.len);
}

/* "MSG subject sid [reply-to] length"; the words are cut out of a copy of the line. */
static size_t nats_message(End *end, const char *bytes, size_t line_len, size_t len)
{
        char line[NATS_LINE_MAX], *words[6] = { NULL }, *rest = line;
        unsigned n = 0;
        if (line_len >= sizeof line)
                die("nats: too long a line");
        memcpy(line, bytes, line_len);
        line[line_len] = '\0';
        while (n < 5 && (words[n] = strsep(&rest, " ")))
                n++;
        size_t body_len = strtoul(words[n - 1], NULL, 10);
        size_t whole = line_len + 1 + body_len + 2;
        if (len < whole)
                return 0;
        if (end->serves) {
                nats_publish(&end->out, words[3], strlen(words[3]), "", bytes + line_len + 1, body_len);
        } else {
                end->replies++;
                end->outstanding--;
        }
        return whole;
}

static size_t nats_take(End *end, const char *bytes, size_t len)
{
        const char *newline = memchr(bytes, '\n', len);
        if (!newline)
                return 0;
        size_t line_len = (size_t)(newline - bytes);
        if (*bytes == 'M')
                return nats_message(end, bytes, line_len, len);
        if (*bytes == '-')
                die("nats: %.*s", (int)line_len, bytes);
        if (strncmp(bytes, "PONG", 4) == 0)
                end->opened = true;
        if (strncmp(bytes, "PING", 4) == 0)
                buffer_append_literal(&end->out, "PONG\r\n");
        return line_len + 1;
}

const EchoProtocol echo_nats = {
        .name = "nats", .connect = nats_connect, .open = nats_open, .call = nats_call, .take = nats_take
};
