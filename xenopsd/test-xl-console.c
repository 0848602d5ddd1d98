/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "xenlight.h"

#define HANGS_SECONDS 60 /* and the test is killed */

/* A device model that takes no connection holds up nobody who wants to see the screen. */
static void test_hung(void)
{
        g_autofree char *folder = g_dir_make_tmp("xl-console-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "vnc", NULL);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), first, second;

        g_assert_cmpint(xl_console_connect(path), ==, -ENOENT);
        g_strlcpy(address.sun_path, path, sizeof address.sun_path);
        g_assert_cmpint(bind(server, (struct sockaddr *)&address, sizeof address), ==, 0);
        g_assert_cmpint(xl_console_connect(path), ==, -ECONNREFUSED);
        g_assert_cmpint(listen(server, 0), ==, 0);
        first = xl_console_connect(path);
        g_assert_cmpint(first, >=, 0);
        g_assert_true(fcntl(first, F_GETFL) & O_NONBLOCK);
        alarm(HANGS_SECONDS);
        second = xl_console_connect(path);
        alarm(0);
        g_assert_cmpint(second, ==, -EAGAIN);
        close(first);
        close(server);
        g_unlink(path);
        g_rmdir(folder);
}

static void work_at(const char *path, int ready)
{
        setsid();
        if (open(path, O_RDWR) >= 0 && write(ready, "", 1) == 1)
                pause();
        _exit(EXIT_FAILURE);
}

/* A guest's terminal that is somebody's place of work by now is not opened. */
static void test_terminal(void)
{
        int master, slave, pipe_fds[2];
        char path[64], byte;

        g_assert_cmpint(openpty(&master, &slave, path, NULL, NULL), ==, 0);
        int fd = xl_console_open_terminal(path);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
        g_assert_cmpint(pipe(pipe_fds), ==, 0);
        pid_t child = fork();
        if (child == 0)
                work_at(path, pipe_fds[1]);
        g_assert_cmpint(read(pipe_fds[0], &byte, 1), ==, 1);
        g_assert_cmpint(xl_console_open_terminal(path), ==, -EBUSY);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        fd = xl_console_open_terminal(path);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
        if (geteuid() == 0) {
                g_assert_cmpint(fchown(slave, 1, 5), ==, 0);
                g_assert_cmpint(xl_console_open_terminal(path), ==, -EBUSY);
        }
        g_assert_cmpint(xl_console_open_terminal("/dev/null"), ==, -ENOTTY);
        close(master);
        close(slave);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/xl-console/hung", test_hung);
        g_test_add_func("/xl-console/terminal", test_terminal);
        return g_test_run();
}
