/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "storage-internal.h"

#define CHUNK_BYTES    (1 << 20)
#define CONTROL_DOMAIN "0"

/* ---- bytes ---- */

static bool all_zero(const char *bytes, size_t n)
{
        return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

static int write_all(int fd, const char *bytes, size_t n, off_t at)
{
        while (n > 0) {
                ssize_t written = pwrite(fd, bytes, n, at);

                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0)
                        return -errno;
                bytes += written;
                at += written;
                n -= (size_t)written;
        }
        return 0;
}

/* Where data begins at or after `at`; `end` when there is none, `at` itself where holes are not known. */
static off_t next_data(int fd, off_t at, off_t end)
{
        off_t found = lseek(fd, at, SEEK_DATA);

        if (found < 0)
                return errno == ENXIO ? end : at;
        return MIN(found, end);
}

/* One chunk; a source that ends early reads as zeros. */
static int copy_chunk(int from, int to, char *room, off_t at, size_t n, bool fresh)
{
        size_t have = 0;

        while (have < n) {
                ssize_t got = pread(from, room + have, n - have, at + (off_t)have);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
                have += (size_t)got;
        }
        memset(room + have, 0, n - have);
        return fresh && all_zero(room, n) ? 0 : write_all(to, room, n, at);
}

int disk_copy_bytes(int from, int to, int64_t bytes, bool fresh,
                    bool (*go_on)(void *data, int64_t done_bytes), void *data)
{
        g_autofree char *room = g_malloc(CHUNK_BYTES);
        off_t at = 0;
        int r;

        while (at < bytes) {
                size_t n;

                if (!go_on(data, at))
                        return -ECANCELED;
                if (fresh)
                        at = next_data(from, at, bytes);
                n = (size_t)MIN(bytes - at, CHUNK_BYTES);
                r = n ? copy_chunk(from, to, room, at, n, fresh) : 0;
                if (r < 0)
                        return r;
                at += (off_t)n;
        }
        return fsync(to) < 0 ? -errno : 0;
}

/* ---- a disk, open ---- */

static const char *path_in(const StorageBackend *backend)
{
        for (size_t i = 0; i < backend->implementations.n; i++) {
                const StorageImplementation *way = &backend->implementations.items[i];

                if (way->tag == STORAGE_IMPLEMENTATION_FILE)
                        return way->file.path;
                if (way->tag == STORAGE_IMPLEMENTATION_BLOCK_DEVICE)
                        return way->block_device.path;
        }
        return NULL;
}

/* A descriptor, or -1 with *error. */
static int open_path(const DiskPlace *place, const char *path, bool write, XapiError **error)
{
        int fd;

        if (!path) {
                xapi_fail(error, ERR_SR_OPERATION_NOT_SUPPORTED, place->sr_ref, NULL);
                return -1;
        }
        fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        if (fd < 0)
                xapi_fail(error, ERR_VDI_NOT_AVAILABLE, place->vdi_ref, NULL);
        return fd;
}

/* The same. Whatever it comes to, the datapath is to be destroyed. */
static int open_place(Call *call, const char *dp, const DiskPlace *p, bool write, XapiError **error)
{
        Bus *bus = call->manager->daemon->bus;
        StorageBackend backend = { 0 };
        StorageError *e = NULL;
        int fd = -1;

        if (storage_vdi_attach3(bus, STORAGE_CALL_USEC, call->task, dp, p->sr_uuid, p->location,
                                CONTROL_DOMAIN, write, &backend, &e) &&
            storage_vdi_activate3(bus, STORAGE_CALL_USEC, call->task, dp, p->sr_uuid, p->location,
                                  CONTROL_DOMAIN, &e))
                fd = open_path(p, path_in(&backend), write, error);
        else
                storage_fail(p->sr_ref, p->vdi_ref, e, error);
        storage_backend_clear(&backend);
        return fd;
}

static void destroy_datapath(Call *call, const char *dp)
{
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        do
                ok = storage_dp_destroy(call->manager->daemon->bus, STORAGE_CALL_USEC, call->task, dp, false,
                                        &e);
        while (!ok && storage_retry(&e, &attempt));
        storage_error_free(e);
}

/* ---- both ---- */

#define PROGRESS_STEPS 50

typedef struct Progress {
        Call *call;
        int64_t bytes;
        int step;
} Progress;

static bool go_on(void *data, int64_t done)
{
        Progress *p = data;
        int step = (int)(done / MAX(p->bytes / PROGRESS_STEPS, 1));

        if (step > p->step)
                call_progress(p->call, (double)done / (double)p->bytes);
        p->step = step;
        return !call_cancelled(p->call);
}

static bool copy_open(Call *call, int from, int to, int64_t bytes, bool fresh, XapiError **error)
{
        Progress progress = { .call = call, .bytes = bytes };
        int r = disk_copy_bytes(from, to, bytes, fresh, go_on, &progress);

        if (r == 0)
                return true;
        if (r == -ECANCELED)
                return xapi_fail(error, ERR_TASK_CANCELLED, call->task, NULL);
        if (r == -ENOSPC)
                return xapi_fail(error, ERR_SR_FULL, "", "", NULL);
        return xapi_fail(error, ERR_VDI_COPY_FAILED, NULL);
}

static void close_open(int fd)
{
        if (fd >= 0)
                close(fd);
}

bool disk_copy(Call *call, const DiskPlace *from, const DiskPlace *to, int64_t bytes, bool fresh,
               XapiError **error)
{
        Storage *storage = call->manager->storage;
        const char *dp = storage_copy_begin(storage, error);
        int source, target = -1;
        bool ok;

        if (!dp)
                return false;
        source = open_place(call, dp, from, false, error);
        if (source >= 0)
                target = open_place(call, dp, to, true, error);
        ok = target >= 0 && copy_open(call, source, target, bytes, fresh, error);
        close_open(target);
        close_open(source);
        destroy_datapath(call, dp);
        storage_copy_end(storage, dp);
        return ok;
}
