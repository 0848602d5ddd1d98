/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <systemd/sd-daemon.h>

#include "live.h"
#include "message-switch/lib/daemon.h"
#include "nbd-connect.h"
#include "nbd-device.h"
#include "server-command.h"
#include "watch.h"

#define LIVE_USEC  (30u * 1000000u) /* for a server to do what it is told, while its disk is in use */
#define PROBE_USEC (5u * 1000000u)  /* for a device to answer */

struct Disks {
        char *folder;
        char *sm_disk; /* the program */
        const Runner *runner;
        pthread_mutex_t mutex; /* of what follows */
        GHashTable *devices;   /* the numbers that attached disks have */
        Watch *watch;          /* NULL: nobody wants to hear; set once, as what it calls */
        void (*amiss)(const char *sr, const char *vdi, void *data);
        void *data;
        int next_device; /* where looking for another begins: one that has just gone takes a moment to go */
};

/* Beside this executable, installed and in the build folder alike. */
static char *find_sm_disk(void)
{
        g_autofree char *executable = g_file_read_link("/proc/self/exe", NULL);
        g_autofree char *folder = executable != NULL ? g_path_get_dirname(executable) : g_strdup(".");

        return g_build_filename(folder, "sm-disk", NULL);
}

static void note_device(Disks *disks, int device)
{
        if (device == DISK_NO_DEVICE)
                return;
        pthread_mutex_lock(&disks->mutex);
        g_hash_table_add(disks->devices, GINT_TO_POINTER(device));
        pthread_mutex_unlock(&disks->mutex);
}

static void forget_device(Disks *disks, int device)
{
        pthread_mutex_lock(&disks->mutex);
        g_hash_table_remove(disks->devices, GINT_TO_POINTER(device));
        pthread_mutex_unlock(&disks->mutex);
}

/* A number that no attached disk has, and no other program either. DISK_NO_DEVICE: there is none. */
static int choose_device(Disks *disks)
{
        const int n = NBD_DEVICE_LAST - NBD_DEVICE_FIRST + 1;
        int device = DISK_NO_DEVICE;

        pthread_mutex_lock(&disks->mutex);
        for (int i = 0; i < n && device == DISK_NO_DEVICE; i++) {
                int tried = NBD_DEVICE_FIRST + (disks->next_device + i) % n;

                if (!g_hash_table_contains(disks->devices, GINT_TO_POINTER(tried)) &&
                    !nbd_device_taken(tried))
                        device = tried;
        }
        if (device != DISK_NO_DEVICE) {
                g_hash_table_add(disks->devices, GINT_TO_POINTER(device));
                disks->next_device = device - NBD_DEVICE_FIRST + 1;
        }
        pthread_mutex_unlock(&disks->mutex);
        return device;
}

static void load_devices(Disks *disks)
{
        GDir *dir = g_dir_open(disks->folder, 0, NULL);
        const char *id;

        while (dir != NULL && (id = g_dir_read_name(dir)) != NULL) {
                g_autofree char *folder = g_build_filename(disks->folder, id, NULL);
                DiskRecord record;

                if (disk_record_load(folder, &record) < 0)
                        continue;
                note_device(disks, record.device);
                disk_record_clear(&record);
        }
        if (dir != NULL)
                g_dir_close(dir);
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
        pthread_mutex_init(&disks->mutex, NULL);
        disks->devices = g_hash_table_new(NULL, NULL);
        disks_choose_runner(disks, "auto");
        load_devices(disks);
        return disks;
}

void disks_free(Disks *disks)
{
        if (disks == NULL)
                return;
        watch_free(disks->watch);
        g_hash_table_unref(disks->devices);
        pthread_mutex_destroy(&disks->mutex);
        g_free(disks->folder);
        g_free(disks->sm_disk);
        g_free(disks);
}

/* Calls `each` with every record; those that are damaged have a folder and no more. */
static void each_record(Disks *disks,
                        void (*each)(Disks *disks, const char *id, DiskRecord *record, void *data),
                        void *data)
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

static void watch_record(Disks *disks, const DiskRecord *record)
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
        each_record(data, tell_if_device, &device);
}

static void watch_first(Disks *disks, const char *id, DiskRecord *record, void *data)
{
        watch_record(disks, record);
}

void disks_watch(Disks *disks, void (*amiss)(const char *sr, const char *vdi, void *data), void *data)
{
        const WatchFunctions functions = { .died = on_died, .lost = on_lost, .data = disks };

        disks->amiss = amiss;
        disks->data = data;
        disks->watch = watch_new(&functions);
        each_record(disks, watch_first, NULL);
}

typedef struct Sweep {
        const Operation *operation;
        bool (*wanted)(const char *id, void *data);
        void *data;
        GHashTable *backends; /* of the disks that are wanted */
        char *suffix;         /* of our backends' names */
} Sweep;

static void sweep_record(Disks *disks, const char *id, DiskRecord *record, void *data)
{
        g_autofree char *why = NULL;
        Sweep *sweep = data;

        if (sweep->wanted(id, sweep->data)) {
                if (record->sr != NULL)
                        g_hash_table_add(sweep->backends, nbd_backend_name(record));
                return;
        }
        log_warning("A disk's server is left over, and is ended", "SM_DISK", id, NULL);
        record->active = false;
        if (record->sr != NULL)
                disk_record_save(record);
        why = disks->runner->stop(disks->sm_disk, record, sweep->operation);
        if (why != NULL) {
                log_warning("It does not end", "SM_DISK", id, "ERROR", why, NULL);
                return;
        }
        forget_device(disks, record->device);
        disk_record_remove(record->folder);
}

static void sweep_device(int device, const char *backend, void *data)
{
        Sweep *sweep = data;
        g_autofree char *number = g_strdup_printf("%d", device);
        int r;

        if (!g_str_has_suffix(backend, sweep->suffix) || g_hash_table_contains(sweep->backends, backend))
                return;
        r = nbd_device_disconnect(device, backend);
        log_warning("A device of a disk that is gone is disconnected", "SM_DEVICE", number, "SM_DISK",
                    backend, "ERROR", g_strerror(-r), NULL);
}

void disks_sweep(Disks *disks, const Operation *operation, bool (*wanted)(const char *id, void *data),
                 void *data)
{
        g_autoptr(GHashTable) backends = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        Sweep sweep = { .operation = operation, .wanted = wanted, .data = data, .backends = backends };
        g_autofree char *why = NULL;

        each_record(disks, sweep_record, &sweep);
        if (disks->runner->sweep != NULL)
                why = disks->runner->sweep(wanted, data, operation);
        if (why != NULL)
                log_warning("Cannot look for leftover servers", "ERROR", why, NULL);
        sweep.suffix = g_strconcat("@", disks->folder, NULL);
        nbd_device_each(sweep_device, &sweep);
        g_free(sweep.suffix);
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
        if (nbd_device_supported()) {
                record->device = choose_device(disks);
                if (record->device == DISK_NO_DEVICE)
                        return fail(error, name, "its device", "the kernel has no more");
        }
        if (save(record, name, error))
                return true;
        forget_device(disks, record->device);
        return false;
}

static void say_ways(const DiskRecord *record, StorageBackend *ret)
{
        g_autofree char *socket = disk_record_file(record, DISK_SOCKET);
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

static void watch_no_more(Disks *disks, const DiskRecord *record)
{
        g_autofree char *id = g_path_get_basename(record->folder);

        if (disks->watch != NULL)
                watch_forget(disks->watch, id);
}

/* Ends the server, whatever the record says. */
static bool end_server(Disks *disks, const Operation *operation, const DiskRecord *record,
                       const DiskName *name, StorageError **error)
{
        g_autofree char *why = NULL;
        int r;

        watch_no_more(disks, record);
        why = disks->runner->stop(disks->sm_disk, record, operation);
        if (why != NULL)
                return fail(error, name, "stop", why);
        /* What the runner could not, for want of a record, or because nothing ran. */
        r = nbd_disconnect_device(record);
        return r == 0 || fail_errno(error, name, "its device", r);
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
        g_autofree char *why = NULL;

        record->active = true;
        record->held = false;
        if (!save(record, name, error))
                return false;
        why = disks->runner->start(disks->sm_disk, record, operation);
        if (why != NULL)
                return fail(error, name, "start", why);
        log_info("Disk's server runs", "SM_SR", name->sr, "SM_VDI", name->vdi, NULL);
        watch_record(disks, record);
        return true;
}

/* For a disk in use: whoever uses it waits meanwhile. So it is done even when whoever has us do it waits no longer. */
static bool restart(Disks *disks, const Operation *operation, DiskRecord *record, const DiskName *name,
                    StorageError **error)
{
        const Operation own = { .dbg = operation->dbg,
                                .deadline_usec = MAX(operation->deadline_usec, clock_usec() + LIVE_USEC) };
        int r;

        watch_no_more(disks, record);
        r = server_kill(record, SIGKILL, own.deadline_usec);
        if (r < 0)
                return fail_errno(error, name, "kill", r);
        return start(disks, &own, record, name, error);
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

/* A disk that nobody uses yet is not in use when its server cannot be started. */
static bool start_new(Disks *disks, const Operation *operation, DiskRecord *record, const DiskName *name,
                      StorageError **error)
{
        StorageError *ignored = NULL;

        if (start(disks, operation, record, name, error))
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

        r = load(disks, name, &record);
        if (r < 0) {
                good = fail_errno(error, name, "its record", r);
        } else if (record.active && (record.writable || !writable) && server_runs(&record)) {
                good = true;
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

        good = load(disks, name, &record) == 0 ? stop(disks, operation, &record, name, error)
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
                forget_device(disks, record.device);
                disk_record_clear(&record);
        }
        disk_record_remove(folder);
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
                return fail_errno(error, name, record->path, r);
        why = live_follow(record, MIN(operation->deadline_usec, clock_usec() + LIVE_USEC));
        if (why == NULL)
                return true;
        log_warning("Disk's server does not follow, and is started again", "SM_SR", name->sr, "SM_VDI",
                    name->vdi, "ERROR", why, NULL);
        return restart(disks, operation, record, name, error);
}

bool disk_follow(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error)
{
        DiskRecord record;
        bool good;
        int r;

        r = load(disks, name, &record);
        if (r < 0)
                good = fail_errno(error, name, "its record", r);
        else
                good = !record.active || follow(disks, operation, &record, name, error);
        disk_record_clear(&record);
        return good;
}

bool disk_resize(Disks *disks, const Operation *operation, const DiskName *name, int64_t size_bytes,
                 StorageError **error)
{
        g_autofree char *why = NULL;
        DiskRecord record;
        int r;

        r = load(disks, name, &record);
        if (r < 0)
                return fail_errno(error, name, "its record", r);
        why = live_resize(&record, size_bytes, operation->deadline_usec);
        disk_record_clear(&record);
        return why == NULL || fail(error, name, "resize", why);
}

bool disk_merge_begin(Disks *disks, const Operation *operation, const DiskName *name, Merge merge,
                      const char *upper_path, StorageError **error)
{
        g_autofree char *why = NULL;
        DiskRecord record;
        int r;

        r = load(disks, name, &record);
        why = r < 0 ? g_strdup(g_strerror(-r))
                    : live_merge_begin(&record, merge, upper_path, operation->deadline_usec);
        disk_record_clear(&record);
        return why == NULL || fail(error, name, "merge", why);
}

bool disk_merge_state(Disks *disks, const Operation *operation, const DiskName *name, MergeState *ret,
                      StorageError **error)
{
        g_autofree char *why = NULL;
        DiskRecord record;
        int r;

        r = load(disks, name, &record);
        why = r < 0 ? g_strdup(g_strerror(-r)) : live_merge_state(&record, operation->deadline_usec, ret);
        disk_record_clear(&record);
        return why == NULL || fail(error, name, "merge", why);
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
                return fail(error, name, "merge", why);
        uri = set_top(data, error);
        if (uri == NULL)
                return false;
        if (layer_uri_parse(uri, &path, &format) < 0)
                return fail(error, name, uri, "not a URI of an image");
        g_free(record->path);
        record->path = g_steal_pointer(&path);
        record->format = format;
        record->held = false;
        if (!save(record, name, error))
                return false;
        given = live_merge_give(record, clock_usec() + LIVE_USEC);
        return given == NULL || fail(error, name, "merge", given);
}

bool disk_merge_finish(Disks *disks, const Operation *operation, const DiskName *name,
                       char *(*set_top)(void *data, StorageError **error), void *data, StorageError **error)
{
        StorageError *ignored = NULL;
        DiskRecord record;
        bool good;
        int r;

        r = load(disks, name, &record);
        if (r < 0) {
                good = fail_errno(error, name, "its record", r);
        } else {
                record.held = true;
                good = save(&record, name, error) && merge_held(&record, name, set_top, data, error);
                if (!good && !restart(disks, operation, &record, name, &ignored))
                        storage_error_free(ignored);
        }
        disk_record_clear(&record);
        return good;
}

/* Whether the disk can be used. A server that is just being started again by systemd gets the time for it; one that lives
 * while its device does not answer has lost the connection to that, and no other comes by itself. */
static bool works(Disks *disks, const DiskRecord *record)
{
        if (!server_runs(record) && !disks->runner->restarts)
                return false;
        if (record->device != DISK_NO_DEVICE)
                return nbd_probe_device(record->device, PROBE_USEC) != -ETIMEDOUT;
        return server_runs(record);
}

bool disk_settle(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error)
{
        DiskRecord record;
        bool good;
        int r;

        r = load(disks, name, &record);
        if (r < 0)
                good = fail_errno(error, name, "its record", r);
        else if (!record.active)
                good = true;
        else if (!record.held && works(disks, &record))
                good = follow(disks, operation, &record, name, error);
        else
                good = restart(disks, operation, &record, name, error);
        disk_record_clear(&record);
        return good;
}

bool disk_open(Disks *disks, const DiskName *name, int *ret_fd, StorageError **error)
{
        g_autofree char *folder = disk_folder(disks, name),
                        *path = g_build_filename(folder, DISK_SOCKET, NULL);
        int fd = server_connect(path);

        if (fd < 0)
                return fail_errno(error, name, "its socket", fd);
        *ret_fd = fd;
        return true;
}

static void describe_server(const DiskRecord *record, const char *indent, GString *text)
{
        g_autofree char *path = disk_record_file(record, DISK_PID), *pid = NULL;

        if (!record->active)
                g_string_append_printf(text, "%sserver: none\n", indent);
        else if (server_runs(record) && g_file_get_contents(path, &pid, NULL, NULL))
                g_string_append_printf(text, "%sserver: process %s, %s%s\n", indent, g_strchomp(pid),
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

        if (load(disks, name, &record) == 0) {
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
