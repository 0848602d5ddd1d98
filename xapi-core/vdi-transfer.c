/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks as streams of bytes over HTTP: PUT /import_raw_vdi and GET /export_raw_vdi. Each has a thread, the client's
 * connection and a datapath of its own. */
#include <stdlib.h>
#include <string.h>

#include "disk-open.h"
#include "http-action.h"
#include "storage-internal.h"

/* Of clients that do not know how long their stream is (1 PiB), who then cut the connection at its end. */
#define LENGTH_UNKNOWN (INT64_C(1) << 50)
/* They ask first by such a request, too, whether they would be sent elsewhere, and cut it when it is answered. The disk was taken
 * for that, and the real request waits until it has been given back. */
#define ASKED_BEFORE_USEC (UINT64_C(30) * 1000000)

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
#define HEAD     "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\ntask-id: "

typedef struct Transfer {
        Action *action; /* NULL once the connection has been taken */
        HttpStream *stream;
        bool import, headed; /* headed: the client has been told that it goes on */
        bool expect_continue;
        char *vdi;         /* ref; owned */
        int64_t announced; /* bytes of the body; -1: not said */
        StorageVdiInfo after;
} Transfer;

static void transfer_free(Transfer *t)
{
        storage_vdi_info_clear(&t->after);
        g_free(t->vdi);
        g_free(t);
}

static int status_of(const XapiError *error)
{
        static const struct {
                const char *code;
                int status;
        } STATUSES[] = {
                { ERR_HANDLE_INVALID, 404 },         { ERR_UUID_INVALID, 404 },
                { ERR_RBAC_PERMISSION_DENIED, 403 }, { ERR_OPERATION_NOT_ALLOWED, 403 },
                { ERR_VDI_INCOMPATIBLE_TYPE, 403 },  { ERR_TOO_BUSY, 503 },
                { ERR_VDI_TOO_SMALL, 413 },          { ERR_NOT_IMPLEMENTED, 501 },
                { ERR_VDI_IO_ERROR, 400 },           { ERR_IMPORT_ERROR_CANNOT_HANDLE_CHUNKED, 403 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(STATUSES); i++)
                if (xapi_error_is(error, STATUSES[i].code))
                        return STATUSES[i].status;
        return 500;
}

/* ---- bytes ---- */

static bool broken_off(Call *call, const DiskPlace *place, int r, XapiError **error)
{
        if (call_cancelled(call))
                return xapi_fail(error, ERR_TASK_CANCELLED, call->task, NULL);
        return xapi_fail(error, ERR_VDI_IO_ERROR, place->vdi_ref,
                         r == 0 ? "The client's data ended early" : g_strerror(-r), NULL);
}

/* Fills the buffer from the client. 0: the client has ended before it was full. */
static ssize_t receive(HttpStream *stream, DiskBuffer *b)
{
        size_t have = 0;

        while (have < b->n) {
                ssize_t r = http_stream_read(stream, b->bytes + have, b->n - have);

                if (r <= 0)
                        return r;
                have += (size_t)r;
        }
        return (ssize_t)have;
}

static bool import_bytes(Call *call, Transfer *t, DiskStream *disk, const DiskPlace *place, DiskRing *ring,
                         int64_t bytes, XapiError **error)
{
        DiskProgress progress = { .call = call, .bytes = bytes };
        int r = 0;

        for (int64_t at = 0; at < bytes && r == 0;) {
                DiskBuffer *b = disk_ring_at(ring, ring->next);
                ssize_t got;

                if (!disk_progress(&progress, at))
                        return xapi_fail(error, ERR_TASK_CANCELLED, call->task, NULL);
                if (disk_ring_is_full(ring))
                        r = disk_stream_wait(disk, disk_ring_at(ring, ring->first++));
                if (r < 0)
                        break;
                b->at = at;
                b->n = (size_t)MIN(bytes - at, (int64_t)disk_stream_chunk(disk));
                got = receive(t->stream, b);
                if (got <= 0)
                        return broken_off(call, place, (int)got, error);
                ring->next++;
                r = disk_stream_put(disk, b, false);
                at += got;
        }
        while (r == 0 && ring->first < ring->next)
                r = disk_stream_wait(disk, disk_ring_at(ring, ring->first++));
        if (r == 0)
                r = disk_stream_flush(disk);
        return r == 0 || disk_fail(call, place, r, error);
}

/* What the client gets for what is not stored. */
static int send_zeros(HttpStream *stream, int64_t bytes)
{
        static const char zeros[256 << 10];
        int r = 0;

        while (bytes > 0 && r == 0) {
                size_t n = (size_t)MIN(bytes, (int64_t)sizeof(zeros));

                r = http_stream_write(stream, zeros, n);
                bytes -= (int64_t)n;
        }
        return r;
}

typedef struct Export {
        Call *call;
        HttpStream *stream;
        DiskStream *disk;
        DiskRing *ring;
        int64_t asked, sent, bytes; /* asked: up to where has been begun to read */
        int64_t zero_bytes;         /* what comes at `asked` is zero, for so long */
} Export;

/* Reads ahead as far as there are buffers, or up to what is zero. */
static int read_ahead(Export *e)
{
        while (e->zero_bytes == 0 && e->asked < e->bytes && !disk_ring_is_full(e->ring)) {
                DiskBuffer *b = disk_ring_at(e->ring, e->ring->next);
                int64_t n;
                bool zero;
                int r = disk_stream_extent(e->disk, e->asked, e->bytes - e->asked, &n, &zero);

                if (r < 0)
                        return r;
                if (zero) {
                        e->zero_bytes = n;
                        break;
                }
                b->at = e->asked;
                b->n = (size_t)MIN(n, (int64_t)disk_stream_chunk(e->disk));
                e->asked += (int64_t)b->n;
                e->ring->next++;
                disk_stream_read(e->disk, b);
        }
        return 0;
}

static bool export_bytes(Export *e, const DiskPlace *place, XapiError **error)
{
        DiskProgress progress = { .call = e->call, .bytes = e->bytes };

        while (e->sent < e->bytes) {
                int r = read_ahead(e);

                if (r < 0)
                        return disk_fail(e->call, place, r, error);
                if (!disk_progress(&progress, e->sent))
                        return xapi_fail(error, ERR_TASK_CANCELLED, e->call->task, NULL);
                if (e->ring->first < e->ring->next) {
                        DiskBuffer *b = disk_ring_at(e->ring, e->ring->first++);

                        r = disk_stream_wait(e->disk, b);
                        if (r < 0)
                                return disk_fail(e->call, place, r, error);
                        r = http_stream_write(e->stream, b->bytes, b->n);
                        e->sent += (int64_t)b->n;
                } else {
                        int64_t n = MIN(e->zero_bytes, (int64_t)DISK_CHUNK_BYTES);

                        r = send_zeros(e->stream, n);
                        e->asked = e->sent += n;
                        e->zero_bytes -= n;
                }
                if (r < 0)
                        return broken_off(e->call, place, r, error);
        }
        return true;
}

/* ---- one transfer, on its thread ---- */

static bool send_head(Call *call, Transfer *t, const VdiRow *vdi, int64_t bytes, XapiError **error)
{
        auto_buffer head = { 0 };
        int r;

        if (t->import && t->expect_continue)
                buffer_append_literal(&head, CONTINUE);
        buffer_append_literal(&head, HEAD);
        buffer_printf(&head, "%s\r\ncontent-type: application/octet-stream\r\n", call->task);
        if (!t->import)
                buffer_printf(&head,
                              "Content-Length: %" G_GINT64_FORMAT
                              "\r\ncontent-disposition: attachment; filename=\"%s.raw\"\r\n",
                              bytes, vdi->uuid);
        buffer_append_literal(&head, "\r\n");
        t->headed = true;
        r = http_stream_write(t->stream, head.data, head.len);
        return r == 0 || xapi_fail(error, ERR_VDI_IO_ERROR, t->vdi, g_strerror(-r), NULL);
}

/* Takes the disk, and ends what could cancel its requests. */
static bool move(Call *call, Transfer *t, DiskStream *disk, const DiskPlace *place, const VdiRow *vdi,
                 XapiError **error)
{
        int64_t bytes = vdi->virtual_size;
        DiskRing ring;
        bool ok;

        if (t->import && t->announced >= 0)
                bytes = MIN(bytes, t->announced);
        disk_ring_init(&ring);
        ok = send_head(call, t, vdi, bytes, error);
        if (ok && t->import) {
                ok = import_bytes(call, t, disk, place, &ring, bytes, error);
        } else if (ok) {
                Export e = { .call = call, .stream = t->stream, .disk = disk, .ring = &ring, .bytes = bytes };

                ok = export_bytes(&e, place, error);
        }
        disk_cancel_end(call);
        /* A failure may leave requests under way, which the stream's end abandons before the buffers go. */
        disk_stream_free(disk);
        disk_ring_clear(&ring);
        return ok;
}

static void cancel_client(void *stream)
{
        http_stream_cancel(stream);
}

static bool with_disk(Call *call, Transfer *t, const SrOperation *o, XapiError **error)
{
        Storage *storage = call->manager->storage;
        DiskPlace place = {
                .sr_ref = o->sr, .vdi_ref = t->vdi, .sr_uuid = o->sr_uuid, .location = o->location
        };
        const char *dp = storage_copy_begin(storage, call->session, error);
        DiskStream *disk;
        bool ok = false;

        if (!dp)
                return false;
        disk = disk_open(call, dp, &place, t->import, error);
        if (disk) {
                DiskCancel cancel = { .streams = { disk }, .more = cancel_client, .data = t->stream };

                disk_cancel_begin(call, &cancel);
                ok = move(call, t, disk, &place, o->vdi, error);
        }
        disk_close_all(call, dp);
        storage_copy_end(storage, call->session, dp);
        return ok;
}

/* A disk that a VM has is the VM's. */
static bool check_unused(Call *call, const VdiRow *vdi, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        bool ok = true;

        for (uint32_t i = 0; i < vdi->VBDs->n && ok; i++) {
                const VbdRow *vbd = (const VbdRow *)txn_get(txn, &CLASS_VBD, vdi->VBDs->items[i].s);

                if (vbd && (vbd->currently_attached || vbd->reserved))
                        ok = xapi_fail(error, ERR_VDI_IN_USE, vdi->row.ref,
                                       ENUM_VDI_OPERATIONS.values[VDI_OPERATIONS_BLOCKED], NULL);
        }
        txn_abort(txn);
        return ok;
}

static void fold_after(Txn *txn, void *data)
{
        Transfer *t = data;
        VdiRow *vdi = (VdiRow *)txn_edit(txn, &CLASS_VDI, t->vdi);

        if (vdi && t->after.vdi)
                vdi_fold(txn, vdi, &t->after);
}

static void stat_after(Call *call, Transfer *t, const SrOperation *o)
{
        StorageError *e = NULL;

        if (!storage_vdi_stat(call->manager->daemon->bus, STORAGE_CALL_USEC, call->task, o->sr_uuid,
                              o->location, &t->after, &e))
                storage_error_free(e);
}

/* Clients ask so whether they would be sent elsewhere, and mean no more: the disk is left alone, and the real request,
 * which may follow at once, finds it free. */
static bool answer_probe(Call *call, Transfer *t, XapiError **error)
{
        return send_head(call, t, NULL, 0, error) &&
               xapi_fail(error, ERR_VDI_IO_ERROR, t->vdi, "There is no data", NULL);
}

static bool begin_operation(SrOperation *o, const Transfer *t, XapiError **error)
{
        if (t->import && t->announced == LENGTH_UNKNOWN)
                return storage_begin_by(o, clock_usec() + ASKED_BEFORE_USEC, error);
        return storage_begin(o, error);
}

static bool run(Call *call, void *data, XapiError **error)
{
        Transfer *t = data;
        SrOperation o = { .call = call,
                          .vdi_ref = t->vdi,
                          .sr_operation = -1,
                          .vdi_operation = t->import ? VDI_OPERATIONS_BLOCKED : VDI_OPERATIONS_COPY,
                          .sizes = t->import };
        bool ok;

        if (t->import && t->announced == 0)
                return answer_probe(call, t, error);
        if (!begin_operation(&o, t, error))
                return false;
        ok = (!t->import || check_unused(call, o.vdi, error)) && with_disk(call, t, &o, error);
        if (ok && t->import)
                stat_after(call, t, &o);
        return storage_end(&o, ok, fold_after, t, error);
}

/* The task's end can be seen before the client's. */
static void ended(const XapiError *error, void *data)
{
        Transfer *t = data;

        if (error && !t->headed)
                http_stream_refuse(t->stream, status_of(error), NULL);
        else
                http_stream_close(t->stream, !error);
        t->stream = NULL;
}

/* ---- on the loop ---- */

static bool take_connection(Call *call, void *data, XapiError **error)
{
        Transfer *t = data;

        t->stream = http_detach(t->action->exchange, 0);
        if (!t->stream)
                return xapi_fail(error, ERR_VDI_IO_ERROR, t->vdi, "The client is gone", NULL);
        t->action->exchange = NULL;
        action_free(g_steal_pointer(&t->action));
        return true;
}

static void done(const XapiError *error, bool ran, void *data)
{
        Transfer *t = data;

        if (t->action)
                action_refuse(t->action, status_of(error), NULL);
        if (t->stream)
                http_stream_close(t->stream, false);
        transfer_free(t);
}

/* raw, or an error about what is not written yet. */
static bool check_format(const Action *a, XapiError **error)
{
        static const char *const LATER[] = { "vhd", "tar", "qcow2" };
        static const char *const ABSENT[] = { "base", "chunked" };
        char *format = action_value(a, "format");
        bool ok = !format || g_ascii_strcasecmp(format, "raw") == 0;

        for (size_t i = 0; i < G_N_ELEMENTS(LATER) && !ok && !*error; i++)
                if (g_ascii_strcasecmp(format, LATER[i]) == 0)
                        xapi_fail(error, ERR_NOT_IMPLEMENTED, format, NULL);
        if (!ok && !*error)
                xapi_fail_internal(error, "Unknown format %s", format);
        free(format);
        for (size_t i = 0; i < G_N_ELEMENTS(ABSENT) && ok; i++) {
                char *value = action_value(a, ABSENT[i]);

                ok = !value || xapi_fail(error, ERR_NOT_IMPLEMENTED, ABSENT[i], NULL);
                free(value);
        }
        return ok;
}

/* By reference or uuid; owned (row_unref), or NULL. */
static const VdiRow *find_vdi(const Action *a, XapiError **error)
{
        char *name = action_value(a, "vdi");
        const Row *row = NULL;

        if (name)
                row = store_get(a->manager->store, &CLASS_VDI, name);
        if (name && !row)
                row = store_get_by_uuid(a->manager->store, &CLASS_VDI, name);
        if (!row)
                xapi_fail(error, ERR_HANDLE_INVALID, "VDI", name ? name : "", NULL);
        free(name);
        return (const VdiRow *)row;
}

/* A part of a disk, or packed bytes, would be stored as if they were its beginning. */
static bool check_content(const HttpRequest *r, XapiError **error)
{
        const char *encoding = http_header(r, "content-encoding");

        if (http_header(r, "content-range"))
                return xapi_fail(error, ERR_NOT_IMPLEMENTED, "Content-Range", NULL);
        return !encoding || g_ascii_strcasecmp(encoding, "identity") == 0 ||
               xapi_fail(error, ERR_NOT_IMPLEMENTED, "Content-Encoding", NULL);
}

/* Less than the disk holds is taken for an image that was rounded up; more is not cut off in silence. */
static bool check_import(const VdiRow *vdi, const HttpRequest *r, XapiError **error)
{
        g_autofree char *length = g_strdup_printf("%" G_GINT64_FORMAT, r->content_length);

        if (r->chunked)
                return xapi_fail(error, ERR_IMPORT_ERROR_CANNOT_HANDLE_CHUNKED, NULL);
        if (!check_content(r, error))
                return false;
        if (vdi->read_only || vdi->is_a_snapshot)
                return xapi_fail(error, ERR_VDI_READONLY, vdi->row.ref, NULL);
        return r->content_length <= vdi->virtual_size || r->content_length == LENGTH_UNKNOWN ||
               xapi_fail(error, ERR_VDI_TOO_SMALL, vdi->row.ref, length, NULL);
}

static bool start(Action *a, Transfer *t, XapiError **error)
{
        const HttpRequest *r = http_exchange_request(a->exchange);
        const VdiRow *vdi = check_format(a, error) ? find_vdi(a, error) : NULL;
        JobWork work = { .label = t->import ? "Importing raw VDI" : "Exporting raw VDI",
                         .session = a->session,
                         .roles = a->info.roles,
                         .local_root = a->info.local_root,
                         .task = a->task,
                         .begin = take_connection,
                         .run = run,
                         .ended = ended,
                         .done = done,
                         .data = t };
        bool ok;

        if (!vdi)
                return false;
        t->vdi = g_strdup(vdi->row.ref);
        t->announced = r->content_length;
        t->expect_continue = r->expect_continue;
        ok = !t->import || check_import(vdi, r, error);
        row_unref(&vdi->row);
        return ok && job_run_work(a->manager, &work, error);
}

static void begin(Action *a, bool import)
{
        Transfer *t = g_new0(Transfer, 1);
        XapiError *error = NULL;

        t->action = a;
        t->import = import;
        if (start(a, t, &error))
                return;
        action_refuse(a, status_of(error), error);
        transfer_free(t);
}

void vdi_import_begin(Action *a)
{
        begin(a, true);
}

void vdi_export_begin(Action *a)
{
        begin(a, false);
}
