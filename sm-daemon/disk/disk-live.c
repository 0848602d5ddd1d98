/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks' servers while they run: started again, told of new images, merging them. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "disk-private.h"
#include "live.h"
#include "message-switch/lib/daemon.h"
#include "nbd-connect.h"

#define PROBE_USEC (5u * 1000000u) /* for a device to answer */

bool disk_start(Disks *disks, const Operation *operation, DiskRecord *record, const DiskName *name,
                StorageError **error)
{
        g_autofree char *why = NULL;

        record->active = true;
        record->held = false;
        if (!disk_save(record, name, error))
                return false;
        why = disks->runner->start(disks->sm_disk, record, operation);
        if (why != NULL)
                return disk_fail(error, name, "start", why);
        log_info("Disk's server runs", "SM_SR", name->sr, "SM_VDI", name->vdi, NULL);
        disk_watch_record(disks, record);
        return true;
}

bool disk_restart(Disks *disks, const Operation *operation, DiskRecord *record, const DiskName *name,
                  StorageError **error)
{
        const Operation own = { .dbg = operation->dbg,
                                .deadline_usec = MAX(operation->deadline_usec, clock_usec() + LIVE_USEC) };
        int r;

        disk_watch_no_more(disks, record);
        r = server_kill(record, SIGKILL, own.deadline_usec);
        if (r < 0)
                return disk_fail_errno(error, name, "kill", r);
        return disk_start(disks, &own, record, name, error);
}

bool disk_server_runs(const DiskRecord *record)
{
        int pidfd = server_find(record);

        if (pidfd < 0)
                return false;
        close(pidfd);
        return true;
}

/* Has the disk's server follow its name; or else, be started again, which comes to the same. But where its images cannot be
 * read, no other could be started: then the one that has them open is let alone. */
static bool follow(Disks *disks, const Operation *operation, DiskRecord *record, const DiskName *name,
                   StorageError **error)
{
        g_autoptr(GPtrArray) layers = NULL;
        g_autofree char *why = NULL;
        int r;

        r = layer_chain(record->path, record->format, &layers);
        if (r < 0)
                return disk_fail_errno(error, name, record->path, r);
        /* Not the caller's time: the disk is in use, and between two images until this is done. */
        why = live_follow(record, clock_usec() + LIVE_USEC);
        if (why == NULL)
                return true;
        log_warning("Disk's server does not follow, and is started again", "SM_SR", name->sr, "SM_VDI",
                    name->vdi, "ERROR", why, NULL);
        return disk_restart(disks, operation, record, name, error);
}

bool disk_follow(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error)
{
        DiskRecord record;
        bool good;
        int r;

        r = disk_load(disks, name, &record);
        if (r < 0)
                good = disk_fail_errno(error, name, "its record", r);
        else
                good = !record.active || follow(disks, operation, &record, name, error);
        disk_record_clear(&record);
        return good;
}

bool disk_resize(Disks *disks, const Operation *operation, const DiskName *name, int64_t size_bytes,
                 StorageError **error)
{
        StorageError *ignored = NULL;
        g_autofree char *why = NULL;
        DiskRecord record;
        int r;

        r = disk_load(disks, name, &record);
        if (r < 0)
                return disk_fail_errno(error, name, "its record", r);
        why = live_resize(&record, size_bytes, clock_usec() + LIVE_USEC);
        /* It may have been taken from those who use it, who are given it again. */
        if (why != NULL && !follow(disks, operation, &record, name, &ignored))
                storage_error_free(ignored);
        disk_record_clear(&record);
        return why == NULL || disk_fail(error, name, "resize", why);
}

bool disk_merge_begin(Disks *disks, const Operation *operation, const DiskName *name, Merge merge,
                      const char *upper_path, StorageError **error)
{
        g_autofree char *why = NULL;
        DiskRecord record;
        int r;

        r = disk_load(disks, name, &record);
        why = r < 0 ? g_strdup(g_strerror(-r))
                    : live_merge_begin(&record, merge, upper_path, operation->deadline_usec);
        disk_record_clear(&record);
        return why == NULL || disk_fail(error, name, "merge", why);
}

bool disk_merge_state(Disks *disks, const Operation *operation, const DiskName *name, MergeState *ret,
                      StorageError **error)
{
        g_autofree char *why = NULL;
        DiskRecord record;
        int r;

        r = disk_load(disks, name, &record);
        why = r < 0 ? g_strdup(g_strerror(-r)) : live_merge_state(&record, operation->deadline_usec, ret);
        disk_record_clear(&record);
        return why == NULL || disk_fail(error, name, "merge", why);
}

bool disk_merge_cancel(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error)
{
        g_autofree char *why = NULL;
        DiskRecord record;
        int r;

        r = disk_load(disks, name, &record);
        /* Where no server runs, none merges. */
        if (r == 0 && disk_server_runs(&record))
                why = live_merge_cancel(&record, operation->deadline_usec);
        disk_record_clear(&record);
        return why == NULL || disk_fail(error, name, "merge", why);
}

/* The record is held from before the server lets go of the upper layer until the lower one has its name: a server that died
 * in between would begin again with the upper one, and what it wrote there would be lost by the change of name. */
static bool merge_held(DiskRecord *record, const DiskName *name,
                       char *(*set_top)(void *data, StorageError **error), void *data, StorageError **error)
{
        g_autofree char *why = NULL, *uri = NULL, *path = NULL, *given = NULL;
        LayerFormat format;

        why = live_merge_take(record, clock_usec() + LIVE_USEC);
        if (why != NULL)
                return disk_fail(error, name, "merge", why);
        uri = set_top(data, error);
        if (uri == NULL)
                return false;
        if (layer_uri_parse(uri, &path, &format) < 0)
                return disk_fail(error, name, uri, "not a URI of an image");
        g_free(record->path);
        record->path = g_steal_pointer(&path);
        record->format = format;
        record->held = false;
        if (!disk_save(record, name, error))
                return false;
        given = live_merge_give(record, clock_usec() + LIVE_USEC);
        return given == NULL || disk_fail(error, name, "merge", given);
}

bool disk_merge_finish(Disks *disks, const Operation *operation, const DiskName *name,
                       char *(*set_top)(void *data, StorageError **error), void *data, StorageError **error)
{
        StorageError *ignored = NULL;
        DiskRecord record;
        bool good;
        int r;

        r = disk_load(disks, name, &record);
        if (r < 0) {
                good = disk_fail_errno(error, name, "its record", r);
        } else {
                record.held = true;
                good = disk_save(&record, name, error) && merge_held(&record, name, set_top, data, error);
                if (!good && !disk_restart(disks, operation, &record, name, &ignored))
                        storage_error_free(ignored);
        }
        disk_record_clear(&record);
        return good;
}

/* Whether the disk can be used. A server that is just being started again by systemd gets the time for it; one that lives
 * while its device does not answer has lost the connection to that, and no other comes by itself. */
static bool works(Disks *disks, const DiskRecord *record)
{
        if (!disk_server_runs(record) && !disks->runner->restarts)
                return false;
        if (record->device != DISK_NO_DEVICE)
                return nbd_probe_device(record->device, PROBE_USEC) != -ETIMEDOUT;
        return disk_server_runs(record);
}

/* A record that cannot be read any more, of a disk that is in use, is made anew. Its server, which may well run, is let
 * alone. */
static int make_anew(Disks *disks, const DiskName *name, bool writable, DiskRecord *record)
{
        if (layer_uri_parse(name->uri, &record->path, &record->format) < 0)
                return -EBADMSG;
        record->active = true;
        record->writable = writable;
        record->device = nbd_find_device(record);
        devices_note(disks->devices, record->device);
        log_error("The record of a disk in use was damaged, and is made anew", "SM_SR", name->sr, "SM_VDI",
                  name->vdi, NULL);
        return disk_record_save(record);
}

bool disk_settle(Disks *disks, const Operation *operation, const DiskName *name, bool writable,
                 StorageError **error)
{
        DiskRecord record;
        bool good;
        int r;

        r = disk_load(disks, name, &record);
        if (r == -EBADMSG)
                r = make_anew(disks, name, writable, &record);
        if (r < 0)
                good = disk_fail_errno(error, name, "its record", r);
        else if (!record.active)
                good = true;
        else if (!record.held && works(disks, &record))
                good = follow(disks, operation, &record, name, error);
        else
                good = disk_restart(disks, operation, &record, name, error);
        disk_record_clear(&record);
        return good;
}
