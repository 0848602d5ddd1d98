/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "message-switch/lib/daemon.h"

struct Disks {
        char *folder;
        char *sm_disk; /* the program */
        const Runner *runner;
};

/* Beside this executable, installed and in the build folder alike. */
static char *find_sm_disk(void)
{
        g_autofree char *executable = g_file_read_link("/proc/self/exe", NULL);
        g_autofree char *folder = executable != NULL ? g_path_get_dirname(executable) : g_strdup(".");

        return g_build_filename(folder, "sm-disk", NULL);
}

Disks *disks_new(const char *folder)
{
        Disks *disks = g_new0(Disks, 1);

        disks->folder = g_strdup(folder);
        disks->sm_disk = find_sm_disk();
        disks->runner = &runner_process;
        return disks;
}

void disks_free(Disks *disks)
{
        if (disks == NULL)
                return;
        g_free(disks->folder);
        g_free(disks->sm_disk);
        g_free(disks);
}

static bool fail(StorageError **error, const DiskName *name, const char *what, const char *why)
{
        g_autofree char *text = g_strdup_printf("%s: %s", what, why);
        char *params[] = { (char *)"", (char *)"The disk's server failed", text };

        log_warning("Disk's server failed", "SM_SR", name->sr, "SM_VDI", name->vdi, "ERROR", text, NULL);
        return storage_fail_backend_error(error, "SR_BACKEND_FAILURE",
                                          &(BusStrings){ .n = 3, .items = params });
}

static bool fail_errno(StorageError **error, const DiskName *name, const char *what, int r)
{
        return fail(error, name, what, g_strerror(-r));
}

static char *disk_folder(Disks *disks, const DiskName *name)
{
        g_autofree char *id = disk_record_id(name->sr, name->vdi);

        return g_build_filename(disks->folder, id, NULL);
}

/* The record; where there is none, or it is damaged, one that knows no more than the names. */
static int load(Disks *disks, const DiskName *name, DiskRecord *ret)
{
        g_autofree char *folder = disk_folder(disks, name);
        int r;

        r = disk_record_load(folder, ret);
        if (r == 0)
                return 0;
        *ret = (DiskRecord){ .folder = g_steal_pointer(&folder),
                             .sr = g_strdup(name->sr),
                             .vdi = g_strdup(name->vdi),
                             .device = DISK_NO_DEVICE };
        return r;
}

static bool save(const DiskRecord *record, const DiskName *name, StorageError **error)
{
        int r = disk_record_save(record);

        return r == 0 || fail_errno(error, name, "its record", r);
}

static bool socket_fits(const DiskRecord *record)
{
        g_autofree char *path = disk_record_file(record, DISK_SOCKET);

        return strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

static bool attach_new(Disks *disks, DiskRecord *record, const DiskName *name, StorageError **error)
{
        if (layer_uri_parse(name->uri, &record->path, &record->format) < 0)
                return fail(error, name, name->uri, "not a URI of an image");
        if (!socket_fits(record))
                return fail(error, name, record->folder, "the folder's name is too long for a socket");
        if (g_mkdir_with_parents(disks->folder, 0700) < 0)
                return fail_errno(error, name, disks->folder, -errno);
        return save(record, name, error);
}

static void say_ways(const DiskRecord *record, StorageBackend *ret)
{
        g_autofree char *socket = disk_record_file(record, DISK_SOCKET);
        g_autofree char *uri = g_strdup_printf("nbd:unix:%s:exportname=" DISK_EXPORT, socket);
        StorageImplementation *way = BUS_LIST_ADD(&ret->implementations);

        way->tag = STORAGE_IMPLEMENTATION_NBD;
        way->nbd.uri = bus_strdup(uri);
}

/* Ends the server, whatever the record says. */
static bool end_server(Disks *disks, const Operation *operation, const DiskRecord *record,
                       const DiskName *name, StorageError **error)
{
        g_autofree char *why = disks->runner->stop(disks->sm_disk, record, operation);

        return why == NULL || fail(error, name, "stop", why);
}

bool disk_attach(Disks *disks, const Operation *operation, const DiskName *name, StorageBackend *ret,
                 StorageError **error)
{
        DiskRecord record;
        bool good;

        good = load(disks, name, &record) == 0 || (end_server(disks, operation, &record, name, error) &&
                                                   attach_new(disks, &record, name, error));
        if (good)
                say_ways(&record, ret);
        disk_record_clear(&record);
        return good;
}

static bool start(Disks *disks, const Operation *operation, DiskRecord *record, const DiskName *name,
                  StorageError **error)
{
        g_autofree char *why = NULL, *ignored = NULL;

        record->active = true;
        record->held = false;
        if (!save(record, name, error))
                return false;
        why = disks->runner->start(disks->sm_disk, record, operation);
        if (why == NULL) {
                log_info("Disk's server runs", "SM_SR", name->sr, "SM_VDI", name->vdi, NULL);
                return true;
        }
        record->active = false;
        disk_record_save(record);
        ignored = disks->runner->stop(disks->sm_disk, record, operation);
        return fail(error, name, "start", why);
}

static bool server_runs(const DiskRecord *record)
{
        int pidfd = server_find(record);

        if (pidfd < 0)
                return false;
        close(pidfd);
        return true;
}

static bool stop(Disks *disks, const Operation *operation, DiskRecord *record, const DiskName *name,
                 StorageError **error)
{
        record->active = false;
        return save(record, name, error) && end_server(disks, operation, record, name, error);
}

bool disk_activate(Disks *disks, const Operation *operation, const DiskName *name, bool writable,
                   StorageError **error)
{
        DiskRecord record;
        bool good;
        int r;

        r = load(disks, name, &record);
        if (r < 0) {
                good = fail_errno(error, name, "its record", r);
        } else if (record.active && (record.writable || !writable) && server_runs(&record)) {
                good = true;
        } else {
                good = stop(disks, operation, &record, name, error);
                record.writable = writable;
                good = good && start(disks, operation, &record, name, error);
        }
        disk_record_clear(&record);
        return good;
}

bool disk_deactivate(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error)
{
        DiskRecord record;
        bool good;

        good = load(disks, name, &record) == 0 ? stop(disks, operation, &record, name, error)
                                               : end_server(disks, operation, &record, name, error);
        disk_record_clear(&record);
        return good;
}

bool disk_detach(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error)
{
        g_autofree char *folder = disk_folder(disks, name);
        bool good = disk_deactivate(disks, operation, name, error);

        if (good)
                disk_record_remove(folder);
        return good;
}
