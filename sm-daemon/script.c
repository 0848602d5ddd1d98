/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "script.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "message-switch/lib/daemon.h"

#define ARGUMENTS_MAX 15
#define READ_SIZE     65536

typedef struct Run {
        const Script *script;
        pid_t pid;
        int pidfd, input, output, errors; /* -1: closed */
        size_t written;                   /* bytes of input */
        Buffer out, line;                 /* line: of standard error */
        size_t logged;
} Run;

static void close_fd(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

const char *script_end_text(ScriptEnd end)
{
        static const char *const texts[] = {
                [SCRIPT_EXITED] = "exited",
                [SCRIPT_SIGNALLED] = "died by a signal",
                [SCRIPT_TIMED_OUT] = "timed out",
                [SCRIPT_CANCELLED] = "was cancelled",
                [SCRIPT_FLOODED] = "wrote more than is allowed",
        };
        assert(end < G_N_ELEMENTS(texts));
        return texts[end];
}

/* Standard input and output are sockets, so that a write to a plugin that has closed its end is an error and not a
 * signal. All ends are close-on-exec; ours do not block. */
static int make_streams(int ours[3], int theirs[3])
{
        for (int i = 0; i < 3; i++)
                ours[i] = theirs[i] = -1;
        for (int i = 0; i < 3; i++) {
                int pair[2];

                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                        return -errno;
                ours[i] = pair[0];
                theirs[i] = pair[1];
                shutdown(ours[i], i == 0 ? SHUT_RD : SHUT_WR);
                if (fcntl(ours[i], F_SETFL, O_NONBLOCK) < 0)
                        return -errno;
        }
        return 0;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
        sigset_t none, all;
        int r;

        sigemptyset(&none);
        sigfillset(&all);
        r = posix_spawnattr_setflags(attributes,
                                     POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(attributes, &all);
        if (r == 0)
                r = posix_spawnattr_setsigmask(attributes, &none);
        return -r;
}

static int set_actions(posix_spawn_file_actions_t *actions, const int theirs[3])
{
        int r = 0;

        for (int i = 0; r == 0 && i < 3; i++)
                r = posix_spawn_file_actions_adddup2(actions, theirs[i], i);
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(actions, 3);
        if (r == 0)
                r = posix_spawn_file_actions_addchdir_np(actions, "/");
        return -r;
}

static int spawn(const Script *script, const int theirs[3], pid_t *ret_pid)
{
        static char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL };
        char *argv[ARGUMENTS_MAX + 2] = { (char *)script->path };
        posix_spawnattr_t attributes;
        posix_spawn_file_actions_t actions;
        int r;

        for (size_t i = 0; script->arguments[i] != NULL; i++) {
                assert(i < ARGUMENTS_MAX);
                argv[i + 1] = (char *)script->arguments[i];
        }
        if (posix_spawnattr_init(&attributes) != 0)
                return -ENOMEM;
        if (posix_spawn_file_actions_init(&actions) != 0) {
                posix_spawnattr_destroy(&attributes);
                return -ENOMEM;
        }
        r = set_attributes(&attributes);
        if (r == 0)
                r = set_actions(&actions, theirs);
        if (r == 0)
                r = -posix_spawn(ret_pid, script->path, &actions, &attributes, argv, environment);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        return r;
}

static int run_start(Run *run)
{
        int ours[3], theirs[3];
        int r;

        r = make_streams(ours, theirs);
        if (r == 0)
                r = spawn(run->script, theirs, &run->pid);
        for (int i = 0; i < 3; i++)
                close_fd(&theirs[i]);
        if (r == 0) {
                run->pidfd = pidfd_open(run->pid, 0);
                if (run->pidfd < 0) {
                        r = -errno;
                        kill(-run->pid, SIGKILL);
                        waitpid(run->pid, NULL, 0);
                }
        }
        if (r < 0) {
                for (int i = 0; i < 3; i++)
                        close_fd(&ours[i]);
                return r;
        }
        run->input = ours[0];
        run->output = ours[1];
        run->errors = ours[2];
        return 0;
}

static void log_line(Run *run)
{
        g_autofree char *text = NULL;

        if (run->line.len == 0)
                return;
        for (size_t i = 0; i < run->line.len; i++)
                if (g_ascii_iscntrl(run->line.data[i]))
                        run->line.data[i] = ' ';
        text = g_utf8_make_valid(run->line.data, (gssize)run->line.len);
        log_info("Plugin says", "SM_SCRIPT", run->script->path, "SM_TEXT", text, NULL);
        run->line.len = 0;
}

static void take_errors(Run *run, const char *bytes, size_t n)
{
        for (size_t i = 0; i < n && run->logged < SCRIPT_LOG_MAX; i++) {
                run->logged++;
                if (bytes[i] == '\n' || bytes[i] == '\0')
                        log_line(run);
                else
                        buffer_append(&run->line, &bytes[i], 1);
                if (run->line.len == SCRIPT_LINE_MAX)
                        log_line(run);
        }
}

static void write_input(Run *run)
{
        const Script *script = run->script;
        ssize_t n;

        n = send(run->input, script->input + run->written, script->input_len - run->written, MSG_NOSIGNAL);
        if (n >= 0)
                run->written += (size_t)n;
        else if (errno == EAGAIN || errno == EINTR)
                return;
        /* A plugin that does not read its input is free to. */
        if (n < 0 || run->written == script->input_len)
                close_fd(&run->input);
}

/* Reads what is there; false once the output is more than is allowed. */
static bool read_output(Run *run)
{
        ssize_t n;

        n = read(run->output, buffer_reserve(&run->out, READ_SIZE), READ_SIZE);
        if (n > 0) {
                if (run->out.len + (size_t)n > SCRIPT_OUTPUT_MAX)
                        return false;
                run->out.len += (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                close_fd(&run->output);
        }
        return true;
}

static void read_errors(Run *run)
{
        char bytes[4096];
        ssize_t n;

        n = read(run->errors, bytes, sizeof(bytes));
        if (n > 0)
                take_errors(run, bytes, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                close_fd(&run->errors);
}

static int wait_msec(uint64_t deadline_usec, bool polled)
{
        uint64_t now = clock_usec();
        uint64_t left_msec = deadline_usec > now ? (deadline_usec - now) / 1000 + 1 : 0;

        if (polled && left_msec > SCRIPT_POLL_MSEC)
                return SCRIPT_POLL_MSEC;
        return left_msec > G_MAXINT ? G_MAXINT : (int)left_msec;
}

/* Moves bytes until the process has ended (SCRIPT_EXITED) or must be killed. */
static ScriptEnd run_pump(Run *run)
{
        const Script *script = run->script;

        for (;;) {
                struct pollfd fds[] = {
                        { .fd = run->pidfd, .events = POLLIN },
                        { .fd = run->input, .events = POLLOUT },
                        { .fd = run->output, .events = POLLIN },
                        { .fd = run->errors, .events = POLLIN },
                };

                if (script->cancelled != NULL && script->cancelled(script->data))
                        return SCRIPT_CANCELLED;
                if (clock_usec() >= script->deadline_usec)
                        return SCRIPT_TIMED_OUT;
                if (poll(fds, G_N_ELEMENTS(fds),
                         wait_msec(script->deadline_usec, script->cancelled != NULL)) < 0)
                        continue;
                if (run->input >= 0 && fds[1].revents != 0)
                        write_input(run);
                if (run->output >= 0 && fds[2].revents != 0 && !read_output(run))
                        return SCRIPT_FLOODED;
                if (run->errors >= 0 && fds[3].revents != 0)
                        read_errors(run);
                if (fds[0].revents != 0)
                        return SCRIPT_EXITED;
        }
}

/* What the process wrote before it ended is still in the sockets. Descendants may hold them open and go on writing:
 * so no waiting for the end, and no more reads than the limits allow. */
static ScriptEnd run_drain(Run *run)
{
        struct pollfd fd = { .events = POLLIN };

        for (;;) {
                fd.fd = run->output;
                if (run->output < 0 || poll(&fd, 1, 0) <= 0)
                        break;
                if (!read_output(run))
                        return SCRIPT_FLOODED;
        }
        while (run->errors >= 0 && run->logged < SCRIPT_LOG_MAX) {
                fd.fd = run->errors;
                if (poll(&fd, 1, 0) <= 0)
                        break;
                read_errors(run);
        }
        log_line(run);
        return SCRIPT_EXITED;
}

int script_run(const Script *script, ScriptResult *ret)
{
        Run run = { .script = script, .pidfd = -1, .input = -1, .output = -1, .errors = -1 };
        siginfo_t info = { 0 };
        ScriptEnd end;
        int r;

        r = run_start(&run);
        if (r < 0)
                return r;
        if (script->input_len == 0)
                close_fd(&run.input);
        end = run_pump(&run);
        /* The leader is not reaped yet, so its number, which is the group's, cannot be anybody else's. */
        kill(-run.pid, SIGKILL);
        while (waitid(P_PIDFD, (id_t)run.pidfd, &info, WEXITED) < 0)
                assert(errno == EINTR);
        if (end == SCRIPT_EXITED)
                end = run_drain(&run);
        if (end == SCRIPT_EXITED && info.si_code != CLD_EXITED)
                end = SCRIPT_SIGNALLED;
        close_fd(&run.pidfd);
        close_fd(&run.input);
        close_fd(&run.output);
        close_fd(&run.errors);
        buffer_clear(&run.line);
        *ret = (ScriptResult){ .end = end, .status = info.si_status, .output = run.out };
        return 0;
}
