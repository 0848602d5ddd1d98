/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "message-switch/lib/loop.h"
#include "nbd-connect.h"
#include "sm-daemon/script.h"

#define STOP_USEC     (10u * 1000000u) /* for a server to write what it has and end, before it is killed */
#define DEADLINE_USEC (30u * 1000000u) /* of one run where nobody waits with a deadline */

static bool cancelled(void *data)
{
        const Operation *operation = data;

        return operation->call != NULL && service_call_cancelled(operation->call);
}

char *runner_sm_disk(const char *sm_disk, const char *verb, const char *folder, const Operation *operation)
{
        const char *const arguments[] = { verb, folder, NULL };
        Script script = { .path = sm_disk,
                          .arguments = arguments,
                          .input = "",
                          .deadline_usec = operation->deadline_usec,
                          .cancelled = cancelled,
                          .data = (void *)operation };
        ScriptResult result;
        char *why;
        int r;

        r = script_run(&script, &result);
        if (r < 0)
                return g_strdup_printf("%s: %s", sm_disk, g_strerror(-r));
        if (result.end != SCRIPT_EXITED)
                why = g_strdup_printf("sm-disk %s: %s", verb, script_end_text(result.end));
        else if (result.status != 0)
                why = g_strdup_printf("sm-disk %s failed with status %d (its reason is in the log)", verb,
                                      result.status);
        else
                why = NULL;
        buffer_clear(&result.output);
        return why;
}

/* The process that holds a lock on the file, which the server does from when it has written it to its end; 0: nobody. */
static pid_t lock_holder(const char *path)
{
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int fd, r;

        fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return 0;
        r = fcntl(fd, F_GETLK, &lock);
        close(fd);
        return r == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0 ? lock.l_pid : 0;
}

pid_t server_pid(const DiskRecord *record)
{
        g_autofree char *path = disk_server_file(record, DISK_PID);

        return lock_holder(path);
}

int server_find(const DiskRecord *record)
{
        pid_t pid = server_pid(record);
        int fd;

        if (pid == 0)
                return -ESRCH;
        fd = pidfd_open(pid, 0);
        if (fd < 0)
                return -errno;
        /* Whose number it is now may be another's, unless the same one holds the lock still. */
        if (server_pid(record) != pid) {
                close(fd);
                return -ESRCH;
        }
        return fd;
}

static int wait_end(int pidfd, uint64_t deadline_usec)
{
        struct pollfd fd = { .fd = pidfd, .events = POLLIN };
        uint64_t now;

        while ((now = clock_usec()) < deadline_usec) {
                uint64_t left_msec = (deadline_usec - now) / 1000 + 1;

                if (poll(&fd, 1, (int)MIN(left_msec, G_MAXINT)) > 0)
                        return 0;
        }
        return -ETIMEDOUT;
}

int server_kill(const DiskRecord *record, int signal, uint64_t deadline_usec)
{
        int pidfd, r;

        pidfd = server_find(record);
        if (pidfd < 0)
                return pidfd == -ESRCH ? 0 : pidfd;
        r = pidfd_send_signal(pidfd, signal, NULL, 0) < 0 && errno != ESRCH ? -errno : 0;
        if (r == 0)
                r = wait_end(pidfd, deadline_usec);
        close(pidfd);
        return r;
}

static char *start(const char *sm_disk, const DiskRecord *record, const Operation *operation)
{
        char *why = runner_sm_disk(sm_disk, "serve", record->folder, operation);

        return why != NULL ? why : runner_sm_disk(sm_disk, "connect", record->folder, operation);
}

static char *stop(const char *sm_disk, const DiskRecord *record, const Operation *operation)
{
        uint64_t now = clock_usec();
        int r;

        r = nbd_disconnect_device(record);
        if (r == 0)
                r = server_kill(record, SIGTERM, MIN(now + STOP_USEC, operation->deadline_usec));
        if (r == -ETIMEDOUT)
                r = server_kill(record, SIGKILL, MAX(operation->deadline_usec, now + DEADLINE_USEC));
        return r < 0 ? g_strdup_printf("The disk's server does not end: %s", g_strerror(-r)) : NULL;
}

const Runner runner_process = { .name = "process", .start = start, .stop = stop };
