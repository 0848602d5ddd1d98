/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loaded before the C library (LD_PRELOAD) it counts a process' fsync and fdatasync in a file that can be read while the
 * process runs: $COUNT_SYNCS.PID, one uint64_t of the machine's order. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic uint64_t *count;

__attribute__((constructor)) static void count_syncs_open(void)
{
        char path[4096];
        const char *prefix = getenv("COUNT_SYNCS");
        if (!prefix)
                return;
        snprintf(path, sizeof path, "%s.%d", prefix, (int)getpid());
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return;
        if (ftruncate(fd, sizeof *count) == 0) {
                void *map = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
                count = map == MAP_FAILED ? NULL : map;
        }
        close(fd);
}

static int count_sync(long call, int fd)
{
        if (count)
                atomic_fetch_add(count, 1);
        return (int)syscall(call, fd);
}

int fdatasync(int fd)
{
        return count_sync(SYS_fdatasync, fd);
}

int fsync(int fd)
{
        return count_sync(SYS_fsync, fd);
}
