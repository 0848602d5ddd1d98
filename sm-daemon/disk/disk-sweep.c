/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What befalls all disks: servers that die, and what an earlier process left behind. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "disk-private.h"
#include "message-switch/lib/daemon.h"
#include "nbd-connect.h"
#include "nbd-device.h"

void disk_each_record(Disks *disks,
                      void (*each)(Disks *disks, const char *id, DiskRecord *record, void *data), void *data)
{
        GDir *dir = g_dir_open(disks->folder, 0, NULL);
        const char *id;

        while (dir != NULL && (id = g_dir_read_name(dir)) != NULL) {
                g_autofree char *folder = g_build_filename(disks->folder, id, NULL);
                DiskRecord record;

                if (disk_record_load(folder, &record) < 0)
                        record = (DiskRecord){ .folder = g_strdup(folder), .device = DISK_NO_DEVICE };
                each(disks, id, &record, data);
                disk_record_clear(&record);
        }
        if (dir != NULL)
                g_dir_close(dir);
}

void disk_watch_record(Disks *disks, const DiskRecord *record)
{
        g_autofree char *id = g_path_get_basename(record->folder);
        int pidfd;

        if (disks->watch == NULL || !record->active)
                return;
        pidfd = server_find(record);
        if (pidfd >= 0)
                watch_server(disks->watch, id, pidfd);
        else if (!disks->runner->restarts)
                disks->amiss(record->sr, record->vdi, disks->data); /* dead again already */
}

void disk_watch_no_more(Disks *disks, const DiskRecord *record)
{
        g_autofree char *id = g_path_get_basename(record->folder);

        if (disks->watch != NULL)
                watch_forget(disks->watch, id);
}

/* systemd starts again what it has started. */
static void on_died(const char *id, void *data)
{
        Disks *disks = data;
        g_autofree char *folder = g_build_filename(disks->folder, id, NULL);
        DiskRecord record;

        if (disks->runner->restarts || disk_record_load(folder, &record) < 0)
                return;
        if (record.active)
                disks->amiss(record.sr, record.vdi, disks->data);
        disk_record_clear(&record);
}

static void tell_if_device(Disks *disks, const char *id, DiskRecord *record, void *data)
{
        if (record->active && record->device == *(int *)data)
                disks->amiss(record->sr, record->vdi, disks->data);
}

static void on_lost(int device, void *data)
{
        disk_each_record(data, tell_if_device, &device);
}

static void watch_first(Disks *disks, const char *id, DiskRecord *record, void *data)
{
        disk_watch_record(disks, record);
}

void disks_watch(Disks *disks, void (*amiss)(const char *sr, const char *vdi, void *data), void *data)
{
        const WatchFunctions functions = { .died = on_died, .lost = on_lost, .data = disks };

        disks->amiss = amiss;
        disks->data = data;
        disks->watch = watch_new(&functions);
        disk_each_record(disks, watch_first, NULL);
}

typedef struct Sweep {
        const Operation *operation;
        const Sweeping *wish;
        char *suffix; /* of our backends' names */
} Sweep;

static void sweep_record(Disks *disks, const char *id, DiskRecord *record, void *data)
{
        g_autofree char *why = NULL;
        const Sweep *sweep = data;

        if (sweep->wish->wanted(id, record->sr, sweep->wish->data))
                return;
        log_warning("A disk's server is left over, and is ended", "SM_DISK", id, NULL);
        record->active = false;
        if (record->sr != NULL)
                disk_record_save(record);
        why = disks->runner->stop(disks->sm_disk, record, sweep->operation);
        if (why != NULL) {
                log_warning("It does not end", "SM_DISK", id, "ERROR", why, NULL);
                return;
        }
        devices_forget(disks->devices, record->device);
        disk_record_remove(record->folder);
}

static void sweep_device(int device, const char *backend, void *data)
{
        g_autofree char *sr = NULL, *vdi = NULL, *id = NULL, *number = g_strdup_printf("%d", device);
        const Sweep *sweep = data;
        int r;

        if (!g_str_has_suffix(backend, sweep->suffix) || !nbd_backend_parse(backend, &sr, &vdi))
                return;
        id = disk_record_id(sr, vdi);
        if (sweep->wish->wanted(id, sr, sweep->wish->data))
                return;
        r = nbd_device_disconnect(device, backend);
        log_warning("A device of a disk that is gone is disconnected", "SM_DEVICE", number, "SM_DISK",
                    backend, "ERROR", g_strerror(-r), NULL);
}

void disks_sweep(Disks *disks, const Operation *operation,
                 bool (*wanted)(const char *id, const char *sr, void *data), void *data)
{
        const Sweeping wish = { .folder = disks->folder, .wanted = wanted, .data = data };
        g_autofree char *why = NULL, *suffix = g_strconcat("@", disks->folder, NULL);
        Sweep sweep = { .operation = operation, .wish = &wish, .suffix = suffix };

        disk_each_record(disks, sweep_record, &sweep);
        if (disks->runner->sweep != NULL)
                why = disks->runner->sweep(&wish, operation);
        if (why != NULL)
                log_warning("Cannot look for leftover servers", "ERROR", why, NULL);
        nbd_device_each(sweep_device, &sweep);
}
