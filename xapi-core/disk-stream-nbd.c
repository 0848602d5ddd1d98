/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An NBD server's socket, by libnbd: several requests under way, holes by block status. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>
#include <libnbd.h>

#include "disk-stream-internal.h"
#include "loop.h"

#define EXTENTS_MAX  256u        /* kept of one answer */
#define STATUS_BYTES (1 << 30)   /* asked about at once */
#define ZERO_BYTES   (64 << 20)  /* zeroed at once, so that an answer comes now and then */
#define STATE_ZERO   UINT32_C(2) /* NBD's protocol, base:allocation: NBD_STATE_ZERO */
#define CONTEXT      "base:allocation"

typedef struct Extent {
        int64_t end;
        bool zero;
} Extent;

typedef struct Server {
        DiskStream stream;
        struct nbd_handle *nbd;
        int cancel_fd; /* of the same socket */
        bool has_status, has_zero, has_flush;
        DiskBuffer other; /* of what is no buffer's: its pending and result */
        size_t n_extents, at_extent;
        int64_t extents_begin;
        Extent extents[EXTENTS_MAX];
} Server;

static int completed(void *user, int *error)
{
        DiskBuffer *b = user;

        if (*error)
                disk_buffer_fail(b, -*error);
        b->pending--;
        return 1;
}

static nbd_completion_callback completion(DiskBuffer *b)
{
        b->pending++;
        return (nbd_completion_callback){ .callback = completed, .user_data = b };
}

/* A command that could not be begun; libnbd has not called back then. */
static void begun(DiskBuffer *b, int64_t cookie)
{
        int r = nbd_get_errno();

        if (cookie >= 0)
                return;
        b->pending--;
        disk_buffer_fail(b, r ? -r : -EIO);
}

static int server_wait(DiskStream *s, DiskBuffer *b)
{
        Server *server = (Server *)s;
        uint64_t until = clock_usec() + UINT64_C(1000) * DISK_STALL_MSEC;

        while (b->pending > 0) {
                uint64_t now = clock_usec();
                int r = now >= until ? 0 : nbd_poll(server->nbd, (int)((until - now) / 1000 + 1));

                if (r < 0 && b->pending > 0)
                        return -EIO;
                if (r == 0)
                        return -ETIMEDOUT;
        }
        return b->result;
}

static int wait_other(Server *server)
{
        int r = server_wait(&server->stream, &server->other);

        server->other.result = 0;
        return r;
}

/* ---- extents ---- */

static int note_extents(void *user, const char *context, uint64_t offset, uint32_t *entries, size_t n,
                        int *error)
{
        Server *server = user;
        int64_t at = (int64_t)offset;

        if (strcmp(context, CONTEXT) != 0)
                return 0;
        server->n_extents = 0;
        for (size_t i = 0; i + 1 < n && server->n_extents < EXTENTS_MAX; i += 2) {
                at += entries[i];
                server->extents[server->n_extents++] = (Extent){ at, entries[i + 1] & STATE_ZERO };
        }
        return 0;
}

static int ask_extents(Server *server, int64_t at, int64_t max)
{
        nbd_extent_callback extents = { .callback = note_extents, .user_data = server };

        server->n_extents = server->at_extent = 0;
        server->extents_begin = at;
        begun(&server->other, nbd_aio_block_status(server->nbd, (uint64_t)MIN(max, STATUS_BYTES),
                                                   (uint64_t)at, extents, completion(&server->other), 0));
        return wait_other(server);
}

static const Extent *find_extent(Server *server, int64_t at)
{
        if (at < server->extents_begin)
                return NULL;
        while (server->at_extent < server->n_extents && server->extents[server->at_extent].end <= at)
                server->at_extent++;
        return server->at_extent < server->n_extents ? &server->extents[server->at_extent] : NULL;
}

static int server_extent(DiskStream *s, int64_t at, int64_t max, int64_t *ret_bytes, bool *ret_zero)
{
        Server *server = (Server *)s;
        const Extent *extent = find_extent(server, at);

        *ret_bytes = max;
        *ret_zero = false;
        if (!server->has_status)
                return 0;
        if (!extent) {
                int r = ask_extents(server, at, max);

                if (r < 0)
                        return r;
                extent = find_extent(server, at);
        }
        if (!extent)
                return 0;
        *ret_bytes = MIN(max, extent->end - at);
        *ret_zero = extent->zero;
        return 0;
}

/* ---- the rest ---- */

static void server_read(DiskStream *s, DiskBuffer *b)
{
        begun(b, nbd_aio_pread(((Server *)s)->nbd, b->bytes, b->n, (uint64_t)b->at, completion(b), 0));
}

static void server_write(DiskStream *s, DiskBuffer *b, size_t from, size_t n)
{
        begun(b, nbd_aio_pwrite(((Server *)s)->nbd, b->bytes + from, n, (uint64_t)b->at + from, completion(b),
                                0));
}

static int server_zero(DiskStream *s, int64_t at, int64_t bytes)
{
        Server *server = (Server *)s;
        int r = 0;

        if (!server->has_zero)
                return -EOPNOTSUPP;
        while (bytes > 0 && r == 0) {
                int64_t n = MIN(bytes, ZERO_BYTES);

                begun(&server->other,
                      nbd_aio_zero(server->nbd, (uint64_t)n, (uint64_t)at, completion(&server->other), 0));
                r = wait_other(server);
                at += n;
                bytes -= n;
        }
        return r;
}

static int server_flush(DiskStream *s)
{
        Server *server = (Server *)s;

        if (!server->has_flush)
                return 0;
        begun(&server->other, nbd_aio_flush(server->nbd, completion(&server->other), 0));
        return wait_other(server);
}

static void server_cancel(DiskStream *s)
{
        shutdown(((Server *)s)->cancel_fd, SHUT_RDWR);
}

static void server_free(DiskStream *s)
{
        Server *server = (Server *)s;

        nbd_close(server->nbd);
        close(server->cancel_fd);
        g_free(server);
}

static int connect_server(Server *server, int fd, const char *export)
{
        struct nbd_handle *nbd = server->nbd;
        uint64_t until = clock_usec() + UINT64_C(1000) * DISK_STALL_MSEC;

        if (nbd_set_export_name(nbd, export) < 0 || nbd_add_meta_context(nbd, CONTEXT) < 0) {
                close(fd);
                return -EINVAL;
        }
        if (nbd_aio_connect_socket(nbd, fd) < 0)
                return -EIO;
        while (!nbd_aio_is_ready(nbd)) {
                uint64_t now = clock_usec();

                if (nbd_aio_is_dead(nbd) || nbd_aio_is_closed(nbd))
                        return -ECONNREFUSED;
                if (now >= until || nbd_poll(nbd, (int)((until - now) / 1000 + 1)) < 0)
                        return now >= until ? -ETIMEDOUT : -ECONNREFUSED;
        }
        server->has_status = nbd_can_meta_context(nbd, CONTEXT) > 0;
        server->has_zero = nbd_can_zero(nbd) > 0;
        server->has_flush = nbd_can_flush(nbd) > 0;
        return 0;
}

int disk_stream_new_nbd(int fd, const char *export, DiskStream **ret)
{
        static const DiskStreamKind KIND = { DISK_CHUNK_BYTES, server_extent, server_read,
                                             server_write,     server_wait,   server_zero,
                                             server_flush,     server_cancel, server_free };
        Server *server = g_new0(Server, 1);
        int r;

        server->stream.kind = &KIND;
        server->nbd = nbd_create();
        server->cancel_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (!server->nbd || server->cancel_fd < 0) {
                close(fd);
                r = -ENOMEM;
        } else {
                r = connect_server(server, fd, export);
        }
        if (r == 0)
                *ret = &server->stream;
        else
                server_free(&server->stream);
        return r;
}
