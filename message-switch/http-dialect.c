/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-dialect.h"

#include <string.h>
#include <sys/socket.h>

#include <glib.h>

struct HttpDialect {
        Peer *peer;
        Buffer head;
        bool answered;
        size_t n_dropped;
};

HttpDialect *http_dialect_new(Peer *peer)
{
        HttpDialect *http = g_new0(HttpDialect, 1);
        http->peer = peer;
        deadlines_remove(peer->manager->peer_deadlines, &peer->deadline);
        deadlines_add(peer->manager->peer_deadlines, &peer->deadline,
                      peer->manager->now_usec + HTTP_DIALECT_USEC);
        return http;
}

/* Half-closed, not closed: closing over bytes that were not read would take the answer back. */
static void http_dialect_answer(HttpDialect *http)
{
        static const char answer[] = "HTTP/1.1 501 Not Implemented\r\n"
                                     "Content-Type: text/plain\r\n"
                                     "Content-Length: 52\r\n"
                                     "Connection: close\r\n"
                                     "\r\n"
                                     "This switch speaks its native frame protocol alone.\n";
        http->answered = true;
        peer_send(http->peer, answer, sizeof answer - 1, NULL, 0);
        peer_flush(http->peer);
        if (http->peer->state != PEER_GONE)
                shutdown(http->peer->socket, SHUT_WR);
}

void http_dialect_receive(HttpDialect *http, const char *bytes, size_t n)
{
        if (http->answered) {
                http->n_dropped += n;
                if (http->n_dropped > HTTP_DIALECT_DRAIN_MAX)
                        peer_close(http->peer, "It goes on after the answer");
                return;
        }
        buffer_append(&http->head, bytes, MIN(n, HTTP_DIALECT_HEAD_MAX));
        if (memmem(http->head.data, http->head.len, "\r\n\r\n", 4) || http->head.len >= HTTP_DIALECT_HEAD_MAX)
                http_dialect_answer(http);
}

void http_dialect_free(HttpDialect *http)
{
        if (!http)
                return;
        buffer_clear(&http->head);
        g_free(http);
}
