/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded under valgrind, whose kernel has no pidfd_open: a pipe that a thread ends when the process has ended. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS 4096

static atomic_int pids[FDS]; /* by descriptor */

typedef struct Child {
        pid_t pid;
        int fd;
} Child;

static Child children[FDS]; /* by the descriptor that is handed out */

static int wait_id(idtype_t type, id_t id, siginfo_t *info, int options)
{
        return (int)syscall(SYS_waitid, type, id, info, options, NULL);
}

static void *await_end(void *data)
{
        Child *child = data;
        siginfo_t info;
        int fd = child->fd;

        while (wait_id(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
                continue;
        close(fd);
        return NULL;
}

int pidfd_open(pid_t pid, unsigned flags)
{
        pthread_t thread;
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -1;
        if (fds[0] >= FDS) {
                errno = EMFILE;
                goto fail;
        }
        children[fds[0]] = (Child){ pid, fds[1] };
        atomic_store(&pids[fds[0]], pid);
        errno = pthread_create(&thread, NULL, await_end, &children[fds[0]]);
        if (errno != 0)
                goto fail;
        pthread_detach(thread);
        return fds[0];
fail:
        close(fds[0]);
        close(fds[1]);
        return -1;
}

int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
        if (type == P_PIDFD && id < FDS && atomic_load(&pids[id]) > 0)
                return wait_id(P_PID, (id_t)atomic_load(&pids[id]), info, options);
        return wait_id(type, id, info, options);
}
