/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame-reader.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for a frame grows with what has come of it, not with what its header promises. */
#define FRAME_READER_GROW_BYTES (64u << 10)

void frame_close_fds(Frame *frame)
{
        for (size_t i = 0; i < frame->header.n_fds; i++)
                close(frame->fds[i]);
        frame->header.n_fds = 0;
}

bool frame_reader_is_kept(const FrameReader *reader)
{
        return reader->bytes == reader->kept.data;
}

/* How much to make room for behind the kept bytes. */
static size_t frame_reader_missing(const FrameReader *reader)
{
        FrameHeader header;
        if (reader->kept.len < FRAME_HEADER_SIZE || frame_header_decode(reader->kept.data, &header) < 0)
                return FRAME_READER_SPACE;
        size_t missing = frame_length(&header) - reader->kept.len;
        size_t most = reader->kept.len > FRAME_READER_GROW_BYTES ? reader->kept.len : FRAME_READER_GROW_BYTES;
        return missing > most ? most : missing + FRAME_READER_SPACE;
}

static int frame_reader_take_fds(FrameReader *reader, struct msghdr *message)
{
        int r = message->msg_flags & MSG_CTRUNC ? -EPROTO : 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;
                        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
                        if (reader->n_fds < FRAME_READER_FDS_MAX) {
                                reader->fds[reader->n_fds++] = fd;
                        } else {
                                close(fd);
                                r = -EPROTO;
                        }
                }
        }
        return r;
}

ssize_t frame_reader_receive(FrameReader *reader, int socket, char *space, size_t room)
{
        assert(room >= FRAME_READER_SPACE);
        size_t already = reader->kept.len;
        char *to = space;
        if (already) {
                room = frame_reader_missing(reader);
                to = buffer_reserve(&reader->kept, room);
        }
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(int) * FRAME_FDS_MAX)];
        } control;
        struct iovec part = { .iov_base = to, .iov_len = room };
        struct msghdr message = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof control,
        };
        ssize_t n;
        do
                n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (message.msg_controllen > 0 || message.msg_flags & MSG_CTRUNC) {
                int r = frame_reader_take_fds(reader, &message);
                if (r < 0)
                        return r;
        }
        if (already)
                reader->kept.len += (size_t)n;
        reader->bytes = already ? reader->kept.data : space;
        reader->len = already + (size_t)n;
        reader->at = 0;
        return n;
}

static int frame_reader_claim_fds(FrameReader *reader, Frame *frame)
{
        size_t n = frame->header.n_fds;
        if (n > reader->n_fds)
                return -EPROTO;
        memcpy(frame->fds, reader->fds, n * sizeof(int));
        reader->n_fds -= n;
        memmove(reader->fds, reader->fds + n, reader->n_fds * sizeof(int));
        return 0;
}

int frame_reader_next(FrameReader *reader, Frame *ret)
{
        size_t left = reader->len - reader->at;
        if (left < FRAME_HEADER_SIZE)
                return 0;
        ret->start = reader->bytes + reader->at;
        int r = frame_header_decode(ret->start, &ret->header);
        if (r < 0)
                return r;
        size_t length = frame_length(&ret->header);
        if (left < length)
                return 0;
        if (ret->header.n_fds > 0) {
                r = frame_reader_claim_fds(reader, ret);
                if (r < 0)
                        return r;
        }
        ret->name = ret->start + FRAME_HEADER_SIZE;
        ret->body = ret->name + ret->header.name_len;
        reader->at += length;
        return 1;
}

int frame_reader_end(FrameReader *reader)
{
        size_t left = reader->len - reader->at;
        if (frame_reader_is_kept(reader)) {
                if (left)
                        buffer_consume(&reader->kept, reader->at);
                else
                        buffer_clear(&reader->kept);
        } else if (left) {
                buffer_append(&reader->kept, reader->bytes + reader->at, left);
        }
        reader->bytes = NULL;
        reader->len = reader->at = 0;
        return left == 0 && reader->n_fds > 0 ? -EPROTO : 0;
}

void frame_reader_clear(FrameReader *reader)
{
        for (size_t i = 0; i < reader->n_fds; i++)
                close(reader->fds[i]);
        buffer_clear(&reader->kept);
        *reader = (FrameReader){ 0 };
}
