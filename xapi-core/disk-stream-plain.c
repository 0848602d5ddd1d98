/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file or block device. Everything is done when it is begun: the page cache does the waiting. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "disk-stream-internal.h"

#define CHUNK_BYTES (128u << 10)

typedef struct Plain {
        DiskStream stream;
        int fd;
} Plain;

static int plain_extent(DiskStream *s, int64_t at, int64_t max, int64_t *ret_bytes, bool *ret_zero)
{
        int fd = ((Plain *)s)->fd;
        off_t data = lseek(fd, at, SEEK_DATA), hole;

        *ret_bytes = max;
        *ret_zero = data < 0 && errno == ENXIO;
        if (data < 0)
                return 0; /* a hole to the end; or a descriptor that knows no holes */
        if (data > at) {
                *ret_bytes = MIN(max, data - at);
                *ret_zero = true;
                return 0;
        }
        hole = lseek(fd, at, SEEK_HOLE);
        if (hole > at)
                *ret_bytes = MIN(max, hole - at);
        return 0;
}

static void plain_read(DiskStream *s, DiskBuffer *b)
{
        size_t have = 0;

        while (have < b->n) {
                ssize_t got = pread(((Plain *)s)->fd, b->bytes + have, b->n - have, b->at + (off_t)have);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0) {
                        disk_buffer_fail(b, -errno);
                        return;
                }
                if (got == 0)
                        break;
                have += (size_t)got;
        }
        memset(b->bytes + have, 0, b->n - have);
}

static void plain_write(DiskStream *s, DiskBuffer *b, size_t from, size_t n)
{
        while (n > 0 && b->result == 0) {
                ssize_t written = pwrite(((Plain *)s)->fd, b->bytes + from, n, b->at + (off_t)from);

                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0) {
                        disk_buffer_fail(b, -errno);
                        return;
                }
                from += (size_t)written;
                n -= (size_t)written;
        }
}

static int plain_wait(DiskStream *s, DiskBuffer *b)
{
        return b->result;
}

static int plain_zero(DiskStream *s, int64_t at, int64_t bytes)
{
        if (fallocate(((Plain *)s)->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, bytes) == 0)
                return 0;
        return errno == ENOSYS || errno == ENODEV || errno == EINVAL ? -EOPNOTSUPP : -errno;
}

static int plain_flush(DiskStream *s)
{
        return fsync(((Plain *)s)->fd) < 0 ? -errno : 0;
}

static void plain_cancel(DiskStream *s)
{
}

static void plain_free(DiskStream *s)
{
        close(((Plain *)s)->fd);
        g_free(s);
}

DiskStream *disk_stream_new_plain(int fd)
{
        static const DiskStreamKind KIND = { CHUNK_BYTES, plain_extent, plain_read,   plain_write, plain_wait,
                                             plain_zero,  plain_flush,  plain_cancel, plain_free };
        Plain *plain = g_new0(Plain, 1);

        plain->stream.kind = &KIND;
        plain->fd = fd;
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        return &plain->stream;
}
