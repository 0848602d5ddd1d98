/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <systemd/sd-daemon.h>

#include "disk-private.h"
#include "message-switch/lib/daemon.h"
#include "nbd-connect.h"
#include "nbd-device.h"
#include "server-command.h"

/* Beside this executable, installed and in the build folder alike. */
static char *find_sm_disk(void)
{
        g_autofree char *executable = g_file_read_link("/proc/self/exe", NULL);
        g_autofree char *folder = executable != NULL ? g_path_get_dirname(executable) : g_strdup(".");

        return g_build_filename(folder, "sm-disk", NULL);
}

static void note_device(Disks *disks, const char *id, DiskRecord *record, void *data)
{
        devices_note(disks->devices, record->device);
}

bool disks_choose_runner(Disks *disks, const char *name)
{
        bool service = sd_booted() > 0 && geteuid() == 0 && g_getenv("INVOCATION_ID") != NULL;

        if (strcmp(name, "auto") == 0)
                disks->runner = service ? &runner_systemd : &runner_process;
        else if (strcmp(name, runner_systemd.name) == 0)
                disks->runner = &runner_systemd;
        else if (strcmp(name, runner_process.name) == 0)
                disks->runner = &runner_process;
        else
                return false;
        return true;
}

Disks *disks_new(const char *folder)
{
        Disks *disks = g_new0(Disks, 1);

        disks->folder = g_strdup(folder);
        disks->sm_disk = find_sm_disk();
        disks->devices = devices_new();
        disks_choose_runner(disks, "auto");
        disk_each_record(disks, note_device, NULL);
        return disks;
}

void disks_free(Disks *disks)
{
        if (disks == NULL)
                return;
        watch_free(disks->watch);
        devices_free(disks->devices);
        g_free(disks->folder);
        g_free(disks->sm_disk);
        g_free(disks);
}

bool disk_fail(StorageError **error, const DiskName *name, const char *what, const char *why)
{
        g_autofree char *text = g_strdup_printf("%s: %s", what, why);
        char *params[] = { (char *)"", (char *)"The disk's server failed", text };

        log_warning("Disk's server failed", "SM_SR", name->sr, "SM_VDI", name->vdi, "ERROR", text, NULL);
        return storage_fail_backend_error(error, "SR_BACKEND_FAILURE",
                                          &(BusStrings){ .n = 3, .items = params });
}

bool disk_fail_errno(StorageError **error, const DiskName *name, const char *what, int r)
{
        return disk_fail(error, name, what, g_strerror(-r));
}

char *disk_folder(const Disks *disks, const DiskName *name)
{
        g_autofree char *id = disk_record_id(name->sr, name->vdi);

        return g_build_filename(disks->folder, id, NULL);
}

int disk_load(const Disks *disks, const DiskName *name, DiskRecord *ret)
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

bool disk_save(const DiskRecord *record, const DiskName *name, StorageError **error)
{
        int r = disk_record_save(record);

        return r == 0 || disk_fail_errno(error, name, "its record", r);
}

static bool socket_fits(const DiskRecord *record)
{
        g_autofree char *path = disk_server_file(record, DISK_SOCKET);

        return strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

static bool attach_new(Disks *disks, DiskRecord *record, const DiskName *name, StorageError **error)
{
        if (layer_uri_parse(name->uri, &record->path, &record->format) < 0)
                return disk_fail(error, name, name->uri, "not a URI of an image");
        if (!socket_fits(record))
                return disk_fail(error, name, record->folder, "the folder's name is too long for a socket");
        if (g_mkdir_with_parents(disks->folder, 0700) < 0)
                return disk_fail_errno(error, name, disks->folder, -errno);
        if (nbd_device_supported()) {
                record->device = devices_choose(disks->devices);
                if (record->device == DISK_NO_DEVICE)
                        return disk_fail(error, name, "its device", "the kernel has no more");
        }
        if (disk_save(record, name, error))
                return true;
        devices_forget(disks->devices, record->device);
        return false;
}

static void say_ways(const DiskRecord *record, StorageBackend *ret)
{
        g_autofree char *socket = disk_server_file(record, DISK_SOCKET);
        g_autofree char *uri = g_strdup_printf("nbd:unix:%s:exportname=" DISK_EXPORT, socket);
        StorageImplementation *way;

        if (record->device != DISK_NO_DEVICE) {
                g_autofree char *path = g_strdup_printf("/dev/nbd%d", record->device);

                way = BUS_LIST_ADD(&ret->implementations);
                way->tag = STORAGE_IMPLEMENTATION_BLOCK_DEVICE;
                way->block_device.path = bus_strdup(path);
        }
        way = BUS_LIST_ADD(&ret->implementations);
        way->tag = STORAGE_IMPLEMENTATION_NBD;
        way->nbd.uri = bus_strdup(uri);
}

/* Ends the server, whatever the record says. */
static bool end_server(Disks *disks, const Operation *operation, const DiskRecord *record,
                       const DiskName *name, StorageError **error)
{
        g_autofree char *why = NULL;
        int r;

        disk_watch_no_more(disks, record);
        why = disks->runner->stop(disks->sm_disk, record, operation);
        if (why != NULL)
                return disk_fail(error, name, "stop", why);
        /* What the runner could not, for want of a record, or because nothing ran. */
        r = nbd_disconnect_device(record);
        return r == 0 || disk_fail_errno(error, name, "its device", r);
}

bool disk_attach(Disks *disks, const Operation *operation, const DiskName *name, StorageBackend *ret,
                 StorageError **error)
{
        DiskRecord record;
        bool good;

        good = disk_load(disks, name, &record) == 0 || (end_server(disks, operation, &record, name, error) &&
                                                        attach_new(disks, &record, name, error));
        if (good)
                say_ways(&record, ret);
        disk_record_clear(&record);
        return good;
}

static bool stop(Disks *disks, const Operation *operation, DiskRecord *record, const DiskName *name,
                 StorageError **error)
{
        record->active = false;
        return disk_save(record, name, error) && end_server(disks, operation, record, name, error);
}

/* A disk that nobody uses yet is not in use when its server cannot be started. */
static bool start_new(Disks *disks, const Operation *operation, DiskRecord *record, const DiskName *name,
                      StorageError **error)
{
        g_autoptr(GPtrArray) layers = NULL;
        StorageError *ignored = NULL;
        int r;

        /* Of an image that is missing or damaged, whoever runs the server would tell no more than that it failed. */
        r = layer_chain(record->path, record->format, &layers);
        if (r < 0 ? disk_fail_errno(error, name, record->path, r)
                  : disk_start(disks, operation, record, name, error))
                return true;
        if (!stop(disks, operation, record, name, &ignored))
                storage_error_free(ignored);
        return false;
}

bool disk_activate(Disks *disks, const Operation *operation, const DiskName *name, bool writable,
                   StorageError **error)
{
        DiskRecord record;
        bool good;
        int r;

        r = disk_load(disks, name, &record);
        if (r < 0) {
                good = disk_fail_errno(error, name, "its record", r);
        } else if (record.active && (record.writable || !writable)) {
                /* Others may be using it, who wait while its server is dead. */
                good = disk_server_runs(&record) || disk_restart(disks, operation, &record, name, error);
        } else {
                good = stop(disks, operation, &record, name, error);
                record.writable = writable;
                good = good && start_new(disks, operation, &record, name, error);
        }
        disk_record_clear(&record);
        return good;
}

bool disk_deactivate(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error)
{
        DiskRecord record;
        bool good;

        good = disk_load(disks, name, &record) == 0 ? stop(disks, operation, &record, name, error)
                                                    : end_server(disks, operation, &record, name, error);
        disk_record_clear(&record);
        return good;
}

bool disk_detach(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error)
{
        g_autofree char *folder = disk_folder(disks, name);
        bool good = disk_deactivate(disks, operation, name, error);
        DiskRecord record;

        if (!good)
                return false;
        if (disk_record_load(folder, &record) == 0) {
                devices_forget(disks->devices, record.device);
                disk_record_clear(&record);
        }
        disk_record_remove(folder);
        return true;
}

bool disk_open(Disks *disks, const DiskName *name, int *ret_fd, StorageError **error)
{
        DiskRecord record;
        int fd;

        disk_load(disks, name, &record);
        fd = server_connect(&record, DISK_SOCKET);
        disk_record_clear(&record);
        if (fd < 0)
                return disk_fail_errno(error, name, "its socket", fd);
        *ret_fd = fd;
        return true;
}

static void describe_server(const DiskRecord *record, const char *indent, GString *text)
{
        pid_t pid = server_pid(record);

        if (!record->active)
                g_string_append_printf(text, "%sserver: none\n", indent);
        else if (pid > 0)
                g_string_append_printf(text, "%sserver: process %d, %s%s\n", indent, (int)pid,
                                       record->writable ? "RW" : "RO", record->held ? ", held" : "");
        else
                g_string_append_printf(text, "%sserver: dead%s\n", indent, record->held ? ", held" : "");
}

static void describe_device(const DiskRecord *record, const char *indent, GString *text)
{
        g_autofree char *ours = nbd_backend_name(record), *its = NULL;

        if (record->device == DISK_NO_DEVICE)
                return;
        its = nbd_device_backend(record->device);
        g_string_append_printf(text, "%sdevice: /dev/nbd%d, %s\n", indent, record->device,
                               its == NULL              ? "not connected"
                               : strcmp(its, ours) == 0 ? "connected"
                                                        : "somebody else's");
}

void disk_describe(Disks *disks, const DiskName *name, const char *indent, GString *text)
{
        g_autoptr(GPtrArray) layers = NULL;
        DiskRecord record;
        int r;

        if (disk_load(disks, name, &record) == 0) {
                describe_server(&record, indent, text);
                describe_device(&record, indent, text);
                r = layer_chain(record.path, record.format, &layers);
                if (r < 0)
                        g_string_append_printf(text, "%simage: %s: %s\n", indent, record.path,
                                               g_strerror(-r));
                for (guint i = 0; r == 0 && i < layers->len; i++) {
                        const Layer *layer = g_ptr_array_index(layers, i);

                        g_string_append_printf(text, "%s%s %s (%s, %" PRId64 " bytes)\n", indent,
                                               i == 0 ? "image:" : "    on", layer->path,
                                               layer_format_name(layer->format), layer->virtual_bytes);
                }
        }
        disk_record_clear(&record);
}
