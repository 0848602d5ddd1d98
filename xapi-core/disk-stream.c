/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "disk-stream-internal.h"

#define PAGE_BYTES 4096u

bool disk_is_zero(const char *bytes, size_t n)
{
        return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

static char *buffer_new(void)
{
        char *bytes = aligned_alloc(PAGE_BYTES, DISK_CHUNK_BYTES);

        g_assert(bytes);
        return bytes;
}

void disk_ring_init(DiskRing *ring)
{
        *ring = (DiskRing){ 0 };
        for (size_t i = 0; i < DISK_DEPTH; i++)
                ring->buffers[i].bytes = buffer_new();
}

void disk_ring_clear(DiskRing *ring)
{
        for (size_t i = 0; i < DISK_DEPTH; i++)
                free(ring->buffers[i].bytes);
}

void disk_stream_free(DiskStream *s)
{
        char *zeros;

        if (!s)
                return;
        zeros = s->zeros.bytes;
        s->kind->free(s);
        free(zeros);
}

void disk_stream_cancel(DiskStream *s)
{
        s->kind->cancel(s);
}

size_t disk_stream_chunk(const DiskStream *s)
{
        return s->kind->chunk;
}

int disk_stream_extent(DiskStream *s, int64_t at, int64_t max, int64_t *ret_bytes, bool *ret_zero)
{
        return s->kind->extent(s, at, max, ret_bytes, ret_zero);
}

void disk_stream_read(DiskStream *s, DiskBuffer *buffer)
{
        s->kind->read(s, buffer);
}

void disk_stream_write(DiskStream *s, DiskBuffer *buffer, size_t from, size_t n)
{
        s->kind->write(s, buffer, from, n);
}

int disk_stream_wait(DiskStream *s, DiskBuffer *buffer)
{
        int r = s->kind->wait(s, buffer);

        buffer->result = 0;
        return r;
}

static int write_zeros(DiskStream *s, int64_t at, int64_t bytes)
{
        int r = 0;

        if (!s->zeros.bytes) {
                s->zeros.bytes = buffer_new();
                memset(s->zeros.bytes, 0, DISK_CHUNK_BYTES);
        }
        while (bytes > 0 && r == 0) {
                s->zeros.at = at;
                s->zeros.n = (size_t)MIN(bytes, (int64_t)DISK_CHUNK_BYTES);
                disk_stream_write(s, &s->zeros, 0, s->zeros.n);
                r = disk_stream_wait(s, &s->zeros);
                at += (int64_t)s->zeros.n;
                bytes -= (int64_t)s->zeros.n;
        }
        return r;
}

int disk_stream_zero(DiskStream *s, int64_t at, int64_t bytes)
{
        int r = bytes > 0 ? s->kind->zero(s, at, bytes) : 0;

        return r == -EOPNOTSUPP ? write_zeros(s, at, bytes) : r;
}

int disk_stream_flush(DiskStream *s)
{
        return s->kind->flush(s);
}

/* Not what is zero already: an image is not to grow by notes of zeros. */
static int zero_data(DiskStream *s, int64_t at, int64_t bytes)
{
        int r = 0;

        while (bytes > 0 && r == 0) {
                int64_t n;
                bool zero;

                r = disk_stream_extent(s, at, bytes, &n, &zero);
                if (r == 0 && !zero)
                        r = disk_stream_zero(s, at, n);
                at += n;
                bytes -= n;
        }
        return r;
}

/* Where the block that holds `from` ends, which is aligned on the disk. */
static size_t block_end(const DiskBuffer *b, size_t from)
{
        size_t into = (size_t)((uint64_t)(b->at + (int64_t)from) % DISK_BLOCK_BYTES);

        return MIN(b->n, from + DISK_BLOCK_BYTES - into);
}

int disk_stream_put(DiskStream *s, DiskBuffer *b, bool fresh)
{
        int r = 0;

        for (size_t from = 0, to; from < b->n && r == 0; from = to) {
                bool zero;

                to = block_end(b, from);
                zero = disk_is_zero(b->bytes + from, to - from);
                for (size_t next; to < b->n; to = next) {
                        next = block_end(b, to);
                        if (disk_is_zero(b->bytes + to, next - to) != zero)
                                break;
                }
                if (!zero)
                        disk_stream_write(s, b, from, to - from);
                else if (!fresh)
                        r = zero_data(s, b->at + (int64_t)from, (int64_t)(to - from));
        }
        return r;
}
