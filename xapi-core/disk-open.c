/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk-open.h"

#include <errno.h>
#include <unistd.h>

#include "storage-internal.h"

#define CONTROL_DOMAIN "0"
#define PROGRESS_STEPS 50

/* Each of these may be repeated, so what a dying sm-daemon leaves open is asked for again. */
static bool attach(Call *call, const char *dp, const DiskPlace *p, bool write, StorageDataChannel *ret,
                   int *ret_fd, StorageError **e)
{
        Bus *bus = call->manager->daemon->bus;
        StorageBackend backend = { 0 };
        int attempt = 0;
        bool ok;

        do {
                ok = storage_vdi_attach3(bus, NULL, STORAGE_CALL_USEC, call->task, dp, p->sr_uuid,
                                         p->location, CONTROL_DOMAIN, write, &backend, e);
                if (ok)
                        storage_backend_clear(&backend);
                ok = ok &&
                     storage_vdi_activate3(bus, NULL, STORAGE_CALL_USEC, call->task, dp, p->sr_uuid,
                                           p->location, CONTROL_DOMAIN, e) &&
                     storage_vdi_open_data(bus, STORAGE_CALL_USEC, call->task, dp, p->sr_uuid, p->location,
                                           write, ret, ret_fd, e);
        } while (!ok && storage_retry(e, &attempt));
        return ok;
}

DiskStream *disk_open(Call *call, const char *dp, const DiskPlace *p, bool write, XapiError **error)
{
        StorageDataChannel channel = { 0 };
        StorageError *e = NULL;
        DiskStream *stream = NULL;
        int fd, r = 0;

        if (!attach(call, dp, p, write, &channel, &fd, &e)) {
                storage_fail(p->sr_ref, p->vdi_ref, e, error);
                return NULL;
        }
        if (channel.tag == STORAGE_DATA_CHANNEL_PLAIN)
                stream = disk_stream_new_plain(fd);
        else
                r = disk_stream_new_nbd(fd, channel.export ? channel.export : "", &stream);
        storage_data_channel_clear(&channel);
        if (r < 0)
                xapi_fail(error, ERR_VDI_NOT_AVAILABLE, p->vdi_ref, NULL);
        return stream;
}

void disk_close_all(Call *call, const char *dp)
{
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        do
                ok = storage_dp_destroy(call->manager->daemon->bus, NULL, STORAGE_CALL_USEC, call->task, dp,
                                        false, &e);
        while (!ok && storage_retry(&e, &attempt));
        if (!ok)
                log_warning("A datapath is left", "XAPI_DP", dp, NULL);
        storage_error_free(e);
}

bool disk_fail(Call *call, const DiskPlace *p, int r, XapiError **error)
{
        if (r == -ECANCELED || call_cancelled(call))
                return xapi_fail(error, ERR_TASK_CANCELLED, call->task, NULL);
        if (r == -ENOSPC || r == -EDQUOT)
                return xapi_fail(error, ERR_SR_FULL, "", "", NULL);
        return xapi_fail(error, ERR_VDI_IO_ERROR, p->vdi_ref, g_strerror(-r), NULL);
}

static void cancel(void *user)
{
        DiskCancel *c = user;

        for (size_t i = 0; i < G_N_ELEMENTS(c->streams); i++)
                if (c->streams[i])
                        disk_stream_cancel(c->streams[i]);
        if (c->more)
                c->more(c->data);
}

void disk_cancel_begin(Call *call, DiskCancel *c)
{
        call_on_cancel(call, cancel, c);
}

void disk_cancel_end(Call *call)
{
        call_on_cancel(call, NULL, NULL);
}

bool disk_progress(DiskProgress *p, int64_t done)
{
        int step = (int)(done / MAX(p->bytes / PROGRESS_STEPS, 1));

        if (step > p->step)
                call_progress(p->call, (double)done / (double)p->bytes);
        p->step = step;
        return !call_cancelled(p->call);
}
