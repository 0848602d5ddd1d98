/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-console.h"

#include <errno.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#define OUT_FULL 65536u /* bytes not taken by the client, past which it is no longer listened to */

typedef struct Console {
        TAILQ_ENTRY(Console) link;
        SimConsoles *consoles;
        const SimConsoleKind *kind;
        char *vm, *name;
        void *state;
        int fd;
        uv_poll_t poll;
        Buffer in, out;
        bool ending, closed; /* closed: waits for its handle to be */
} Console;

/* On the loop, but for `loop`. */
struct SimConsoles {
        Loop *loop;
        TAILQ_HEAD(, Console) all;
};

static void console_free(uv_handle_t *handle)
{
        Console *console = handle->data;
        close(console->fd);
        if (console->kind->clear)
                console->kind->clear(console->state);
        buffer_clear(&console->in);
        buffer_clear(&console->out);
        g_free(console->vm);
        g_free(console->name);
        g_free(console->state);
        g_free(console);
}

static void console_close(Console *console)
{
        if (console->closed)
                return;
        console->closed = true;
        TAILQ_REMOVE(&console->consoles->all, console, link);
        uv_poll_stop(&console->poll);
        shutdown(console->fd, SHUT_RDWR);
        uv_close((uv_handle_t *)&console->poll, console_free);
}

/* False: the client is gone. */
static bool console_write(Console *console)
{
        for (;;) {
                if (console->out.len == 0 && console->kind->room && !console->ending)
                        console->kind->room(console->state, &console->out);
                if (console->out.len == 0)
                        return true;
                ssize_t n =
                    send(console->fd, console->out.data, console->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR;
                buffer_consume(&console->out, (size_t)n);
        }
}

static bool console_read(Console *console)
{
        char *room = buffer_reserve(&console->in, SIM_CONSOLE_INPUT_MAX);
        ssize_t n = recv(console->fd, room, SIM_CONSOLE_INPUT_MAX, MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR;
        if (n == 0)
                return false;
        console->in.len += (size_t)n;
        return console->kind->take(console->state, &console->in, &console->out) &&
               console->in.len <= SIM_CONSOLE_INPUT_MAX;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void console_settle(Console *console)
{
        if (!console_write(console) || (console->ending && console->out.len == 0)) {
                console_close(console);
                return;
        }
        int events = UV_DISCONNECT;
        if (console->out.len > 0)
                events |= UV_WRITABLE;
        if (console->out.len < OUT_FULL && !console->ending)
                events |= UV_READABLE;
        uv_poll_start(&console->poll, events, on_poll);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
        Console *console = poll->data;
        bool good = status == 0;
        if (good && (events & UV_READABLE))
                good = console_read(console);
        else if (events & UV_DISCONNECT)
                good = false;
        if (good)
                console_settle(console);
        else
                console_close(console);
}

static void console_begin(void *data)
{
        Console *console = data;
        TAILQ_INSERT_TAIL(&console->consoles->all, console, link);
        uv_poll_init(loop_uv(console->consoles->loop), &console->poll, console->fd);
        console->poll.data = console;
        console->kind->begin(console->state, console->name, &console->out);
        console_settle(console);
}

int sim_consoles_open(SimConsoles *consoles, const char *vm, const char *name, XenopsConsoleProtocol protocol)
{
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
                return -errno;
        Console *console = g_new0(Console, 1);
        console->consoles = consoles;
        console->kind = protocol == XENOPS_CONSOLE_PROTOCOL_RFB ? &sim_rfb : &sim_terminal;
        console->vm = g_strdup(vm);
        console->name = g_strdup(name);
        console->state = g_malloc0(console->kind->size);
        console->fd = ends[0];
        loop_post(consoles->loop, console_begin, console);
        return ends[1];
}

typedef struct Ending {
        SimConsoles *consoles;
        char *vm, *why; /* vm NULL: all of them, and what holds them */
} Ending;

static void console_end(Console *console, const char *why)
{
        if (console->ending)
                return;
        console->ending = true;
        if (console->kind->end)
                console->kind->end(console->state, why, &console->out);
        console_settle(console);
}

static void end_posted(void *data)
{
        Ending *ending = data;
        Console *next;
        for (Console *console = TAILQ_FIRST(&ending->consoles->all); console; console = next) {
                next = TAILQ_NEXT(console, link);
                if (!ending->vm)
                        console_close(console);
                else if (g_str_equal(console->vm, ending->vm))
                        console_end(console, ending->why);
        }
        if (!ending->vm)
                g_free(ending->consoles);
        g_free(ending->vm);
        g_free(ending->why);
        g_free(ending);
}

void sim_consoles_end(SimConsoles *consoles, const char *vm, const char *why)
{
        Ending *ending = g_new(Ending, 1);
        *ending = (Ending){ consoles, g_strdup(vm), g_strdup(why) };
        loop_post(consoles->loop, end_posted, ending);
}

SimConsoles *sim_consoles_new(Loop *loop)
{
        SimConsoles *consoles = g_new0(SimConsoles, 1);
        consoles->loop = loop;
        TAILQ_INIT(&consoles->all);
        return consoles;
}

void sim_consoles_free(SimConsoles *consoles)
{
        if (consoles)
                sim_consoles_end(consoles, NULL, NULL);
}
