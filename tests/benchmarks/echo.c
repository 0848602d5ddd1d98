/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* echo PROTOCOL serve TARGET
 * echo PROTOCOL call TARGET CONNECTIONS OUTSTANDING MSEC: prints how many calls a second were answered. */
#include "echo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ECHO_READ_BYTES   (64u << 10)
#define ECHO_EVENTS       256
#define ECHO_WARM_UP_PART 10 /* one in so many of the time goes before the counting */

char echo_body[ECHO_BODY_BYTES];

static const EchoProtocol *const protocols[] = { &echo_frame, &echo_relayed, &echo_dbus, &echo_redis,
                                                 &echo_nats };

static const EchoProtocol *protocol;
static unsigned depth; /* calls outstanding on a connection; 0: a server */

/* False: the other side has gone. */
static bool end_flush(End *end)
{
        bool sent = end->out.len == 0 || write_all(end->socket, end->out.data, end->out.len);
        end->out.len = 0;
        return sent;
}

static void end_take_all(End *end)
{
        size_t at = 0, n;
        while (at < end->in.len && (n = protocol->take(end, end->in.data + at, end->in.len - at)) > 0)
                at += n;
        buffer_consume(&end->in, at);
}

/* The same. */
static bool end_receive(End *end, int flags)
{
        ssize_t n = recv(end->socket, buffer_reserve(&end->in, ECHO_READ_BYTES), ECHO_READ_BYTES, flags);
        if (n <= 0)
                return n < 0 && (errno == EAGAIN || errno == EINTR);
        end->in.len += (size_t)n;
        end_take_all(end);
        return true;
}

static End *end_new(int socket, bool serves, unsigned place)
{
        End *end = calloc(1, sizeof *end);
        if (!end)
                die("memory");
        *end = (End){ .socket = socket, .serves = serves, .number = place };
        snprintf(end->reply_to, sizeof end->reply_to, "reply.%07d.%04u", (int)getpid(), place);
        protocol->open(end);
        end_flush(end);
        while (!end->opened)
                if (!end_receive(end, 0))
                        die("%s: not accepted", protocol->name);
        return end;
}

static void end_run(End *end, int flags)
{
        bool there = end_receive(end, flags);
        for (; end->outstanding < depth; end->outstanding++)
                protocol->call(end);
        if (there && end_flush(end))
                return;
        if (!protocol->listens || depth)
                die("%s: the connection has ended", protocol->name);
        close(end->socket);
}

static void watch(int epoll, int fd, End *end)
{
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = end };
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
                die("epoll_ctl");
}

static void run_once(int epoll, int listener)
{
        struct epoll_event events[ECHO_EVENTS];
        int n = epoll_wait(epoll, events, ECHO_EVENTS, -1);
        for (int i = 0; i < n; i++) {
                if (events[i].data.ptr) {
                        end_run(events[i].data.ptr, MSG_DONTWAIT);
                        continue;
                }
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (fd < 0)
                        die("accept");
                watch(epoll, fd, end_new(fd, true, 0));
        }
}

static _Noreturn void serve(const char *target)
{
        End *end = NULL;
        int epoll = epoll_create1(EPOLL_CLOEXEC), listener = -1;
        if (protocol->listens)
                watch(epoll, listener = unix_listen(target), NULL);
        else
                end = end_new(protocol->connect(target), true, 0);
        puts("ready");
        fflush(stdout);
        for (;;) {
                if (end)
                        end_run(end, 0);
                else
                        run_once(epoll, listener);
        }
}

/* Until `until`, a look at the clock every few events. */
static uint64_t call_until(End **ends, unsigned n, int epoll, uint64_t until)
{
        uint64_t replies = 0;
        for (unsigned i = 0; now_nsec() < until; i++) {
                if (n == 1)
                        end_run(ends[0], 0);
                else
                        run_once(epoll, -1);
        }
        for (unsigned i = 0; i < n; i++)
                replies += ends[i]->replies;
        return replies;
}

static void call(const char *target, unsigned n, uint64_t nsec)
{
        End **ends = calloc(n, sizeof *ends);
        int epoll = epoll_create1(EPOLL_CLOEXEC);
        for (unsigned i = 0; i < n; i++) {
                ends[i] = end_new(protocol->connect(target), false, i);
                watch(epoll, ends[i]->socket, ends[i]);
        }
        for (unsigned i = 0; i < n; i++) {
                for (; ends[i]->outstanding < depth; ends[i]->outstanding++)
                        protocol->call(ends[i]);
                end_flush(ends[i]);
        }
        uint64_t before = call_until(ends, n, epoll, now_nsec() + nsec / ECHO_WARM_UP_PART);
        uint64_t start = now_nsec();
        uint64_t after = call_until(ends, n, epoll, start + nsec);
        printf("%.0f\n", (double)(after - before) * 1e9 / (double)(now_nsec() - start));
}

int main(int argc, char **argv)
{
        const char *usage =
            "usage: echo PROTOCOL serve TARGET | echo PROTOCOL call TARGET CONNECTIONS OUTSTANDING MSEC";
        for (size_t i = 0; argc > 1 && i < sizeof protocols / sizeof protocols[0]; i++)
                if (strcmp(argv[1], protocols[i]->name) == 0)
                        protocol = protocols[i];
        if (!protocol)
                die("%s", usage);
        memset(echo_body, 'x', sizeof echo_body);
        memcpy(echo_body, "{\"method\":\"echo\",\"params\":[\"", 28);
        memcpy(echo_body + sizeof echo_body - 11, "\"],\"id\":1}\n", 11);
        if (argc == 4 && strcmp(argv[2], "serve") == 0)
                serve(argv[3]);
        if (argc != 7 || strcmp(argv[2], "call") != 0)
                die("%s", usage);
        depth = number(argv[5]);
        call(argv[3], number(argv[4]), (uint64_t)number(argv[6]) * 1000000u);
        return EXIT_SUCCESS;
}
