/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame-writer.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

/* Memory that an empty writer may hold on to. */
#define FRAME_WRITER_IDLE_BYTES (64u << 10)

/* Given to the kernel at a time: more than any socket takes. */
#define FRAME_WRITER_SEND_BYTES (1u << 20)

struct FrameWriterFds {
        FrameWriterFds *next;
        uint64_t position; /* of the byte that they travel with, counted as FrameWriter.added is */
        size_t n;
        int fds[FRAME_FDS_MAX];
};

void frame_writer_add(FrameWriter *writer, const void *bytes, size_t len)
{
        struct iovec *last = writer->n_parts ? &writer->parts[writer->n_parts - 1] : NULL;
        writer->added += len;
        if (last && (const char *)last->iov_base + last->iov_len == bytes) {
                last->iov_len += len;
                return;
        }
        if (writer->n_parts == FRAME_WRITER_PARTS)
                frame_writer_keep(writer);
        writer->parts[writer->n_parts++] = (struct iovec){ .iov_base = (void *)bytes, .iov_len = len };
}

void frame_writer_add_fds(FrameWriter *writer, const int *fds, size_t n_fds)
{
        assert(n_fds <= FRAME_FDS_MAX);
        if (n_fds == 0)
                return;
        FrameWriterFds *entry = g_new(FrameWriterFds, 1);
        *entry = (FrameWriterFds){ .position = writer->added, .n = n_fds };
        memcpy(entry->fds, fds, n_fds * sizeof *fds);
        if (!writer->fds)
                writer->fds_end = &writer->fds;
        *writer->fds_end = entry;
        writer->fds_end = &entry->next;
        writer->n_fds += n_fds;
}

void frame_writer_keep(FrameWriter *writer)
{
        for (unsigned i = 0; i < writer->n_parts; i++)
                buffer_append(&writer->kept, writer->parts[i].iov_base, writer->parts[i].iov_len);
        writer->n_parts = 0;
}

static void frame_writer_drop_fds(FrameWriter *writer)
{
        FrameWriterFds *entry = writer->fds;
        for (size_t i = 0; i < entry->n; i++)
                close(entry->fds[i]);
        writer->n_fds -= entry->n;
        writer->fds = entry->next;
        g_free(entry);
}

/* The next `most` bytes as parts for sendmsg. Returns how many parts. */
static size_t frame_writer_parts(FrameWriter *writer, uint64_t most, struct iovec *parts)
{
        size_t n = 0;
        size_t kept = writer->kept.len - writer->kept_sent;
        if (kept)
                parts[n++] = (struct iovec){ .iov_base = writer->kept.data + writer->kept_sent,
                                             .iov_len = MIN(kept, most) };
        most -= MIN(kept, most);
        for (unsigned i = 0; i < writer->n_parts && most; i++) {
                parts[n] = writer->parts[i];
                parts[n].iov_len = MIN(parts[n].iov_len, most);
                most -= parts[n++].iov_len;
        }
        return n;
}

static void frame_writer_advance(FrameWriter *writer, size_t n)
{
        writer->sent += n;
        size_t kept = MIN(writer->kept.len - writer->kept_sent, n);
        writer->kept_sent += kept;
        n -= kept;
        unsigned done = 0;
        while (done < writer->n_parts && n >= writer->parts[done].iov_len)
                n -= writer->parts[done++].iov_len;
        if (done < writer->n_parts) {
                writer->parts[done].iov_base = (char *)writer->parts[done].iov_base + n;
                writer->parts[done].iov_len -= n;
        }
        writer->n_parts -= done;
        memmove(writer->parts, writer->parts + done, writer->n_parts * sizeof *writer->parts);
        if (writer->kept_sent < writer->kept.len)
                return;
        writer->kept.len = writer->kept_sent = 0;
        if (writer->kept.room > FRAME_WRITER_IDLE_BYTES)
                buffer_clear(&writer->kept);
}

/* One system call: up to the next descriptors, which must begin a call of their own. */
static ssize_t frame_writer_send(FrameWriter *writer, int socket, size_t *ret_asked)
{
        struct iovec parts[FRAME_WRITER_PARTS + 1];
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * FRAME_FDS_MAX)];
        } control;
        struct msghdr message = { .msg_iov = parts };
        const FrameWriterFds *fds = writer->fds;
        const FrameWriterFds *next = fds;
        if (fds && fds->position == writer->sent) {
                next = fds->next;
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * fds->n);
                memset(&control, 0,
                       message.msg_controllen); /* it has padding, which the kernel is given, too */
                control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int) * fds->n),
                                                   .cmsg_level = SOL_SOCKET,
                                                   .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(&control.header), fds->fds, sizeof(int) * fds->n);
        }
        uint64_t end = next ? next->position : writer->added;
        *ret_asked = (size_t)MIN(end - writer->sent, FRAME_WRITER_SEND_BYTES);
        message.msg_iovlen = frame_writer_parts(writer, *ret_asked, parts);
        bool is_plain =
            !message.msg_control && message.msg_iovlen == 1; /* most are; the plainer call is cheaper */
        ssize_t n = is_plain ? send(socket, parts[0].iov_base, parts[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
                             : sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
                return -errno;
        if (message.msg_control)
                frame_writer_drop_fds(writer);
        frame_writer_advance(writer, (size_t)n);
        return n;
}

/* What has been sent stays in front until it is worth moving the rest. */
static void frame_writer_compact(FrameWriter *writer)
{
        if (writer->kept_sent < FRAME_WRITER_IDLE_BYTES || writer->kept_sent < writer->kept.len / 2)
                return;
        buffer_consume(&writer->kept, writer->kept_sent);
        writer->kept_sent = 0;
}

int frame_writer_flush(FrameWriter *writer, int socket)
{
        while (writer->sent < writer->added) {
                size_t asked;
                ssize_t n = frame_writer_send(writer, socket, &asked);
                if (n == -EINTR)
                        continue;
                if (n < 0 || (size_t)n < asked) {
                        frame_writer_keep(writer);
                        frame_writer_compact(writer);
                        return n < 0 ? (int)n : -EAGAIN;
                }
        }
        return 0;
}

void frame_writer_clear(FrameWriter *writer)
{
        while (writer->fds)
                frame_writer_drop_fds(writer);
        buffer_clear(&writer->kept);
        *writer = (FrameWriter){ 0 };
}
