/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk's bytes behind a descriptor that sm-daemon gave: a plain image, or an NBD server's socket. One thread's, but for
 * disk_stream_cancel. Requests of several buffers may be under way at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_CHUNK_BYTES (4u << 20)  /* of a buffer */
#define DISK_BLOCK_BYTES (64u << 10) /* what is all zero of that size, and aligned to it, is not stored */
#define DISK_DEPTH       4u          /* buffers that are worth having under way */
#define DISK_STALL_MSEC  (10 * 60 * 1000) /* for an answer of an NBD server; then it is given up */

typedef struct DiskStream DiskStream;

typedef struct DiskBuffer {
        char *bytes; /* DISK_CHUNK_BYTES, owned */
        int64_t at;  /* where on the disk they begin */
        size_t n;
        /* The stream's, until disk_stream_wait: */
        unsigned pending;
        int result;
} DiskBuffer;

DiskStream *disk_stream_new_plain(int fd); /* takes */
/* Takes the connected socket, also on failure. Negative errno: it is no NBD server, or has no such export. */
int disk_stream_new_nbd(int fd, const char *export, DiskStream **ret);
/* Whatever is under way is abandoned: what was written is only sure after disk_stream_flush. NULL is legal. */
void disk_stream_free(DiskStream *stream);
/* Any thread, until disk_stream_free: what waits for a server fails. */
void disk_stream_cancel(DiskStream *stream);

/* How much of a buffer is best used: what stays in a processor's cache, or what is worth a round trip. */
size_t disk_stream_chunk(const DiskStream *stream);

/* What begins at `at`: that many bytes, at most `max`, that are known to be zero, or that may be data. All return 0 or
 * negative errno. */
int disk_stream_extent(DiskStream *stream, int64_t at, int64_t max, int64_t *ret_bytes, bool *ret_zero);
/* Begin; disk_stream_wait tells how all that was begun with the buffer ended. An image that ends early reads as zeros. */
void disk_stream_read(DiskStream *stream, DiskBuffer *buffer);
void disk_stream_write(DiskStream *stream, DiskBuffer *buffer, size_t from, size_t n);
int disk_stream_wait(DiskStream *stream, DiskBuffer *buffer);
/* Makes a range read as zeros, with nothing stored for it where that can be. */
int disk_stream_zero(DiskStream *stream, int64_t at, int64_t bytes);
int disk_stream_flush(DiskStream *stream);

/* Begins to write the buffer, zero blocks as such; `fresh`: the disk reads as zeros where nothing was written yet. */
int disk_stream_put(DiskStream *stream, DiskBuffer *buffer, bool fresh);

bool disk_is_zero(const char *bytes, size_t n);

/* DISK_DEPTH of them, used in turn. */
typedef struct DiskRing {
        DiskBuffer buffers[DISK_DEPTH];
        uint64_t first, next; /* under way: first to next - 1 */
} DiskRing;
void disk_ring_init(DiskRing *ring);
void disk_ring_clear(DiskRing *ring); /* after the stream was freed */
static inline bool disk_ring_is_full(const DiskRing *ring)
{
        return ring->next - ring->first == DISK_DEPTH;
}
static inline DiskBuffer *disk_ring_at(DiskRing *ring, uint64_t i)
{
        return &ring->buffers[i % DISK_DEPTH];
}
