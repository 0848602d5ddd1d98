/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Takes frames and their descriptors out of a socket as they come: many a system call, nothing allocated for those that
 * came whole. */
#pragma once

#include <sys/types.h>

#include "buffer.h"
#include "frame.h"

/* Descriptors that have come and belong to no whole frame yet: those of one frame, and of the next in the same read. */
#define FRAME_READER_FDS_MAX (2 * FRAME_FDS_MAX)

typedef struct FrameReader {
        Buffer kept; /* a frame that has not come whole, from its first byte on */
        char *bytes; /* what was received last, and is being walked */
        size_t len, at;
        int fds[FRAME_READER_FDS_MAX];
        size_t n_fds;
} FrameReader;

/* A frame in the bytes that were received: valid until frame_reader_end, and may be changed in place. */
typedef struct Frame {
        FrameHeader header;     /* decoded copy */
        char *start;            /* the whole frame as received, frame_length(&header) bytes */
        const char *name;       /* header.name_len bytes; no NUL */
        const char *body;       /* header.body_len bytes; no NUL */
        int fds[FRAME_FDS_MAX]; /* header.n_fds; the receiver's to close (frame_close_fds) or to keep */
} Frame;
void frame_close_fds(Frame *frame);

/* Receives once, into `space` (at least FRAME_READER_SPACE bytes) or behind what is kept. More than 0: that many bytes
 * came; 0: the peer has ended; negative errno: -EAGAIN, -EPROTO (too many descriptors), or the socket's. */
#define FRAME_READER_SPACE 4096u
ssize_t frame_reader_receive(FrameReader *reader, int socket, char *space, size_t room);
/* 1: *ret is the next whole frame; 0: no more has come; -EPROTO: what came is no frame, or lacks its descriptors;
 * -EMSGSIZE: the frame that ret->header tells of is over a limit. After a fault the connection is of no more use. */
int frame_reader_next(FrameReader *reader, Frame *ret);
/* Whether the frames lie in the reader's own memory, which frame_reader_end moves, rather than in `space`. */
bool frame_reader_is_kept(const FrameReader *reader);
/* Ends the walk: keeps what is not whole for the next frame_reader_receive. -EPROTO: descriptors without a frame. */
int frame_reader_end(FrameReader *reader);
void frame_reader_clear(FrameReader *reader); /* closes descriptors, frees memory; usable again */
