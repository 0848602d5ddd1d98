/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay pairs FROM TO: takes connections at FROM, makes one to TO for each, and passes bytes both ways without a look.
 * relay gather FROM TO: all that come share one connection to TO, as they do at the switch; of the frames it looks at the
 * lengths, and marks their ids, so that each reply finds its way back.
 * What any program that stands between two sockets costs at least. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "tool.h"

#define RELAY_BYTES  (64u << 10)
#define RELAY_EVENTS 256
#define RELAY_SIDES  1024 /* connections, all that ever come */

typedef struct Side {
        int socket;
        uint32_t number;
        struct Side *other; /* NULL: gathered */
} Side;

static int epoll, listener;
static bool is_gathering;
static Side *server; /* of all that are gathered */
static Side *sides[RELAY_SIDES];
static uint32_t n_sides;
static char gathered[RELAY_BYTES]; /* for the server, in this round */
static size_t n_gathered;

static Side *side_new(int socket)
{
        Side *side = calloc(1, sizeof *side);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = side };
        if (!side || n_sides == RELAY_SIDES || epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) < 0)
                die("a connection");
        *side = (Side){ .socket = socket, .number = n_sides };
        return sides[n_sides++] = side;
}

static void relay_accept(const char *to)
{
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
                die("accept");
        Side *side = side_new(fd);
        if (is_gathering)
                return;
        side->other = side_new(unix_connect(to));
        side->other->other = side;
}

static ssize_t side_receive(Side *side, char *bytes, size_t room)
{
        ssize_t n = recv(side->socket, bytes, room, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
                return 0;
        if (n > 0)
                return n;
        if (side == server)
                die("the server has gone");
        epoll_ctl(epoll, EPOLL_CTL_DEL, side->socket, NULL);
        shutdown(side->socket, SHUT_RDWR);
        if (side->other)
                shutdown(side->other->socket, SHUT_RDWR);
        return 0;
}

static size_t frame_at(const char *bytes, size_t left, FrameHeader *ret)
{
        if (left < sizeof *ret)
                die("half a frame");
        memcpy(ret, bytes, sizeof *ret);
        if (frame_length(ret) > left)
                die("half a frame");
        return frame_length(ret);
}

static void gather(Side *side)
{
        FrameHeader header;
        char *bytes = gathered + n_gathered;
        size_t n = (size_t)side_receive(side, bytes, sizeof gathered - n_gathered);
        for (size_t at = 0; at < n;) {
                char *id = bytes + at + offsetof(FrameHeader, id);
                at += frame_at(bytes + at, n - at, &header);
                header.id |= (uint64_t)side->number << 32;
                memcpy(id, &header.id, sizeof header.id);
        }
        n_gathered += n;
}

static void scatter(void)
{
        static char bytes[RELAY_BYTES];
        FrameHeader header;
        size_t n = (size_t)side_receive(server, bytes, sizeof bytes);
        for (size_t at = 0, length; at < n; at += length) {
                length = frame_at(bytes + at, n - at, &header);
                write_all(sides[header.id >> 32]->socket, bytes + at, length);
        }
}

/* Whoever has gone tells by an event of its own. */
static void side_pass(Side *side)
{
        static char bytes[RELAY_BYTES];
        if (side == server) {
                scatter();
        } else if (is_gathering) {
                gather(side);
        } else {
                ssize_t n = side_receive(side, bytes, sizeof bytes);
                if (n > 0)
                        write_all(side->other->socket, bytes, (size_t)n);
        }
}

int main(int argc, char **argv)
{
        struct epoll_event events[RELAY_EVENTS], first = { .events = EPOLLIN };
        if (argc != 4)
                die("usage: relay pairs|gather FROM TO");
        is_gathering = strcmp(argv[1], "gather") == 0;
        listener = unix_listen(argv[2]);
        epoll = epoll_create1(EPOLL_CLOEXEC);
        if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &first) < 0)
                die("epoll");
        if (is_gathering)
                server = side_new(unix_connect(argv[3]));
        puts("ready");
        fflush(stdout);
        for (;;) {
                int n = epoll_wait(epoll, events, RELAY_EVENTS, -1);
                for (int i = 0; i < n; i++) {
                        if (events[i].data.ptr)
                                side_pass(events[i].data.ptr);
                        else
                                relay_accept(argv[3]);
                }
                if (n_gathered > 0)
                        write_all(server->socket, gathered, n_gathered);
                n_gathered = 0;
        }
}
