/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sends runs of frames and their descriptors over a socket: straight from where they lie, copying only what the socket
 * does not take at once. */
#pragma once

#include <stdbool.h>
#include <sys/uio.h>

#include "buffer.h"
#include "frame.h"

#define FRAME_WRITER_PARTS 8u

typedef struct FrameWriterFds FrameWriterFds;

/* Zeroed is empty. */
typedef struct FrameWriter {
        uint64_t added, sent; /* bytes since the beginning */
        Buffer kept;          /* copied, from kept_sent on to be sent first */
        size_t kept_sent;
        struct iovec parts[FRAME_WRITER_PARTS]; /* borrowed, to be sent after what is kept */
        unsigned n_parts;
        FrameWriterFds *fds, **fds_end; /* in the order of their positions */
        size_t n_fds;                   /* descriptors that wait */
} FrameWriter;

static inline size_t frame_writer_unsent(const FrameWriter *writer)
{
        return (size_t)(writer->added - writer->sent);
}

/* Adds a frame (or several without descriptors), borrowed until the next frame_writer_flush or frame_writer_keep. */
void frame_writer_add(FrameWriter *writer, const void *bytes, size_t len);
/* Adds descriptors that go with the first byte of what is added next; taken, closed once sent. */
void frame_writer_add_fds(FrameWriter *writer, const int *fds, size_t n_fds);
void frame_writer_keep(FrameWriter *writer); /* copies what is borrowed */
/* Sends what it can. 0: all; -EAGAIN: the rest is kept, to be flushed when the socket is writable; another negative
 * errno: the socket is of no more use, the rest is kept. */
int frame_writer_flush(FrameWriter *writer, int socket);
void frame_writer_clear(FrameWriter *writer); /* forgets and closes all that is unsent; empty afterwards */
