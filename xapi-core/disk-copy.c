/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk-copy.h"

#include <errno.h>

#include "storage-internal.h"

#define EXTENT_BYTES                                                                                         \
        (INT64_C(64) << 20) /* looked at, or zeroed, before the call's cancelling is looked at again */

/* ---- bytes ---- */

typedef struct Copy {
        DiskStream *from, *to;
        DiskRing *ring;
        uint64_t read; /* buffers of the ring that have been read and are being written: first to read - 1 */
        int64_t at, bytes, chunk;
        bool fresh;
} Copy;

/* Begins to read what comes next, or makes it zero there if it is zero here. */
static int begin_read(Copy *c)
{
        int64_t n;
        bool zero;
        DiskBuffer *b;
        int r = disk_stream_extent(c->from, c->at, MIN(c->bytes - c->at, EXTENT_BYTES), &n, &zero);

        if (r < 0)
                return r;
        if (zero) {
                r = c->fresh ? 0 : disk_stream_zero(c->to, c->at, n);
                c->at += n;
                return r;
        }
        b = disk_ring_at(c->ring, c->ring->next++);
        b->at = c->at;
        b->n = (size_t)MIN(n, c->chunk);
        c->at += (int64_t)b->n;
        disk_stream_read(c->from, b);
        return 0;
}

static int begin_write(Copy *c)
{
        DiskBuffer *b = disk_ring_at(c->ring, c->read++);
        int r = disk_stream_wait(c->from, b);

        return r < 0 ? r : disk_stream_put(c->to, b, c->fresh);
}

static int end_write(Copy *c)
{
        return disk_stream_wait(c->to, disk_ring_at(c->ring, c->ring->first++));
}

int disk_copy_bytes(DiskStream *from, DiskStream *to, DiskRing *ring, int64_t bytes, bool fresh,
                    bool (*go_on)(void *data, int64_t done_bytes), void *data)
{
        Copy c = { .from = from, .to = to, .ring = ring, .bytes = bytes, .fresh = fresh };

        int r = 0;

        c.chunk = (int64_t)MAX(disk_stream_chunk(from), disk_stream_chunk(to));
        while (r == 0 && (c.at < bytes || ring->first < ring->next)) {
                if (!go_on(data, c.at))
                        return -ECANCELED;
                while (r == 0 && c.at < bytes && ring->next - c.read < DISK_DEPTH / 2 &&
                       !disk_ring_is_full(ring))
                        r = begin_read(&c);
                if (r == 0 && c.read < ring->next)
                        r = begin_write(&c);
                if (r == 0 && (disk_ring_is_full(ring) || c.at >= bytes) && ring->first < c.read)
                        r = end_write(&c);
        }
        return r < 0 ? r : disk_stream_flush(to);
}

/* ---- disks ---- */

static bool go_on(void *data, int64_t done)
{
        return disk_progress(data, done);
}

static bool copy_open(Call *call, DiskStream *from, DiskStream *to, DiskRing *ring, int64_t bytes, bool fresh,
                      XapiError **error)
{
        DiskProgress progress = { .call = call, .bytes = bytes };
        DiskCancel cancel = { .streams = { from, to } };
        int r;

        disk_cancel_begin(call, &cancel);
        r = disk_copy_bytes(from, to, ring, bytes, fresh, go_on, &progress);
        disk_cancel_end(call);
        if (r == 0)
                return true;
        if (r == -ECANCELED || call_cancelled(call))
                return xapi_fail(error, ERR_TASK_CANCELLED, call->task, NULL);
        if (r == -ENOSPC)
                return xapi_fail(error, ERR_SR_FULL, "", "", NULL);
        return xapi_fail(error, ERR_VDI_COPY_FAILED, NULL);
}

bool disk_copy(Call *call, const DiskPlace *from, const DiskPlace *to, int64_t bytes, bool fresh,
               XapiError **error)
{
        Storage *storage = call->manager->storage;
        const char *dp = storage_copy_begin(storage, call->session, error);
        DiskStream *source, *target = NULL;
        DiskRing ring;
        bool ok;

        if (!dp)
                return false;
        disk_ring_init(&ring);
        source = disk_open(call, dp, from, false, error);
        if (source)
                target = disk_open(call, dp, to, true, error);
        ok = target && copy_open(call, source, target, &ring, bytes, fresh, error);
        disk_stream_free(target);
        disk_stream_free(source);
        disk_ring_clear(&ring);
        disk_close_all(call, dp);
        storage_copy_end(storage, call->session, dp);
        return ok;
}
