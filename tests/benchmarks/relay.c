/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay FROM TO: takes connections at FROM, makes one to TO for each, and passes bytes both ways without a look at them.
 * What any program that stands between two sockets costs at least. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

#define RELAY_BYTES  (64u << 10)
#define RELAY_EVENTS 256

typedef struct Side {
        int socket; /* -1: the listening one's */
        struct Side *other;
} Side;

static void side_watch(int epoll, Side *side)
{
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = side };
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, side->socket, &event) < 0)
                die("epoll_ctl");
}

static void relay_accept(int epoll, int listener, const char *to)
{
        Side *pair = calloc(2, sizeof *pair);
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 || !pair)
                die("accept");
        pair[0] = (Side){ .socket = fd, .other = &pair[1] };
        pair[1] = (Side){ .socket = unix_connect(to), .other = &pair[0] };
        side_watch(epoll, &pair[0]);
        side_watch(epoll, &pair[1]);
}

/* Nothing is freed: the other half may stand in the same batch of events, and there are few. */
static void side_pass(Side *side)
{
        static char bytes[RELAY_BYTES];
        ssize_t n = recv(side->socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
                return;
        if (n > 0) {
                write_all(side->other->socket, bytes,
                          (size_t)n); /* if it has gone, its own event will tell */
                return;
        }
        close(side->socket);
        shutdown(side->other->socket, SHUT_RDWR);
}

int main(int argc, char **argv)
{
        if (argc != 3)
                die("usage: relay FROM TO");
        int listener = unix_listen(argv[1]);
        int epoll = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event events[RELAY_EVENTS], first = { .events = EPOLLIN };
        if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &first) < 0)
                die("epoll");
        puts("ready");
        fflush(stdout);
        for (;;) {
                int n = epoll_wait(epoll, events, RELAY_EVENTS, -1);
                for (int i = 0; i < n; i++) {
                        Side *side = events[i].data.ptr;
                        if (side)
                                side_pass(side);
                        else
                                relay_accept(epoll, listener, argv[2]);
                }
        }
}
