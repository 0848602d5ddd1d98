/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COPY_BYTES (1 << 20) /* by hand, where the kernel cannot */

static int open_new(int directory, const char *name)
{
        int fd;

        fd = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : fd;
}

static int sync_and_close(int fd, int r)
{
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        if (close(fd) < 0 && r == 0)
                r = -errno;
        return r;
}

static int set_size(int fd, int64_t size_bytes)
{
        return ftruncate(fd, size_bytes) < 0 ? -errno : 0;
}

int raw_create(int directory, const char *name, int64_t size_bytes)
{
        int fd;

        fd = open_new(directory, name);
        if (fd < 0)
                return fd;
        return sync_and_close(fd, set_size(fd, size_bytes));
}

static int copy_by_hand(int from, int to, off_t offset, size_t bytes, void *room)
{
        while (bytes > 0) {
                ssize_t n = pread(from, room, bytes < COPY_BYTES ? bytes : COPY_BYTES, offset);
                ssize_t done = 0;

                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                while (done < n) {
                        ssize_t w = pwrite(to, (char *)room + done, (size_t)(n - done), offset + done);

                        if (w < 0)
                                return -errno;
                        done += w;
                }
                offset += n;
                bytes -= (size_t)n;
        }
        return 0;
}

static int copy_extent(int from, int to, off_t offset, off_t end, void *room)
{
        off_t in = offset, out = offset;

        while (in < end) {
                ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - in), 0);

                if (n == 0)
                        return 0;
                if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS))
                        return copy_by_hand(from, to, in, (size_t)(end - in), room);
                if (n < 0 && errno != EINTR)
                        return -errno;
        }
        return 0;
}

static int copy_extents(int from, int to, off_t size)
{
        off_t data = 0, hole;
        void *room;
        int r = 0;

        room = malloc(COPY_BYTES);
        if (room == NULL)
                return -ENOMEM;
        while (r == 0 && data < size) {
                data = lseek(from, data, SEEK_DATA);
                if (data < 0) {
                        r = errno == ENXIO ? 0 : -errno;
                        break;
                }
                hole = lseek(from, data, SEEK_HOLE);
                if (hole < 0)
                        r = -errno;
                else
                        r = copy_extent(from, to, data, hole, room);
                data = hole;
        }
        free(room);
        return r;
}

static bool same_time(struct timespec a, struct timespec b)
{
        return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* A write in the same tick of the kernel's clock as the one before it leaves no trace in the time of change. So a copy
 * begins only in a later tick than that. */
static int wait_for_tick(struct timespec changed)
{
        static const struct timespec tick = { .tv_nsec = 1000000 };
        struct timespec now;

        for (int i = 0; i < 100; i++) {
                clock_gettime(CLOCK_REALTIME_COARSE, &now);
                if (now.tv_sec > changed.tv_sec ||
                    (now.tv_sec == changed.tv_sec && now.tv_nsec > changed.tv_nsec))
                        return 0;
                nanosleep(&tick, NULL);
        }
        /* The time of change lies in the future (the clock was set back): nothing to be learnt from it. */
        return 0;
}

static int copy_unchanged(int from, int to)
{
        struct stat before, after;
        int r;

        if (fstat(from, &before) < 0)
                return -errno;
        wait_for_tick(before.st_mtim);
        r = set_size(to, before.st_size);
        if (r == 0)
                r = copy_extents(from, to, before.st_size);
        if (r < 0)
                return r;
        if (fstat(from, &after) < 0)
                return -errno;
        return same_time(before.st_mtim, after.st_mtim) ? 0 : -EBUSY;
}

int raw_copy(int source, int target)
{
        /* Where blocks are shared, the kernel takes one moment's state by itself. */
        int r = ioctl(target, FICLONE, source) == 0 ? 0 : copy_unchanged(source, target);

        return r == 0 && fsync(target) < 0 ? -errno : r;
}

int raw_grow(int directory, const char *name, int64_t size_bytes)
{
        struct stat st;
        int fd, r;

        fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                r = -errno;
        else if (size_bytes < st.st_size)
                r = -EINVAL;
        else
                r = set_size(fd, size_bytes);
        return sync_and_close(fd, r);
}
