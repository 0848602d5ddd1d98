/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "idl/bus/storage.h"
#include "message-switch/lib/loop.h"

#define DISK_TIMEOUT_USEC (120u * 1000000u) /* of one attaching or detaching, with all that is tried again */
#define DISK_RETRY_USEC   (50u * 1000u)

typedef struct DiskCall {
        Bus *bus;
        Cancel *cancel; /* NULL: it must be done in any case */
        const char *debug_info;
        char *datapath, *sr, *vdi;
        const char *vm;
        bool read_write;
        bool waits; /* for an sm-daemon, where there is none yet */
        StorageBackend backend;
        uint64_t deadline_usec;
} DiskCall;

static void disk_call_clear(DiskCall *call)
{
        g_free(call->datapath);
        g_free(call->sr);
        g_free(call->vdi);
        storage_backend_clear(&call->backend);
}

static DiskCall disk_call(Bus *bus, Cancel *cancel, const char *debug_info, const char *vm,
                          const char *device)
{
        return (DiskCall){ .bus = bus,
                           .cancel = cancel,
                           .debug_info = debug_info,
                           .datapath = g_strdup_printf("vbd/%s/%s", vm, device),
                           .vm = vm,
                           .deadline_usec = clock_usec() + DISK_TIMEOUT_USEC };
}

static bool call_attach(DiskCall *call, uint64_t timeout_usec, StorageError **error)
{
        return storage_vdi_attach3(call->bus, timeout_usec, call->debug_info, call->datapath, call->sr,
                                   call->vdi, call->vm, call->read_write, &call->backend, error);
}

static bool call_activate(DiskCall *call, uint64_t timeout_usec, StorageError **error)
{
        return storage_vdi_activate3(call->bus, timeout_usec, call->debug_info, call->datapath, call->sr,
                                     call->vdi, call->vm, error);
}

static bool call_destroy(DiskCall *call, uint64_t timeout_usec, StorageError **error)
{
        return storage_dp_destroy(call->bus, timeout_usec, call->debug_info, call->datapath, false, error);
}

/* All of the calls may be repeated, so one whose server died is tried again. */
static bool is_worth_repeating(const StorageError *error, bool waits)
{
        const BusFailure *failure = storage_error_failure(error);
        return failure &&
               (failure->outcome == BUS_OUTCOME_UNKNOWN || failure->outcome == BUS_DISCONNECTED ||
                failure->outcome == BUS_OVER_QUOTA || (waits && failure->outcome == BUS_NO_SUCH_QUEUE));
}

static bool fail_storage(XenopsError **error, StorageError *taken)
{
        bool failed;
        if (taken->tag == STORAGE_ERROR_BACKEND_ERROR) {
                failed = xenops_fail_storage_backend_error(error, taken->backend_error.code,
                                                           &taken->backend_error.params);
        } else {
                char *text = storage_error_text(taken);
                char *items[] = { text };
                BusStrings params = { 1, items };
                failed = xenops_fail_storage_backend_error(error, "INTERNAL_ERROR", &params);
                free(text);
        }
        storage_error_free(taken);
        return failed;
}

static bool disk_do(DiskCall *call, bool (*function)(DiskCall *, uint64_t, StorageError **),
                    XenopsError **error)
{
        StorageError *failed = NULL;
        for (;;) {
                uint64_t now = clock_usec();
                if (call->cancel && cancel_asked(call->cancel))
                        return xenops_fail_cancelled(error, call->datapath);
                if (function(call, call->deadline_usec > now ? call->deadline_usec - now : 1, &failed))
                        return true;
                if (!is_worth_repeating(failed, call->waits) ||
                    clock_usec() + DISK_RETRY_USEC > call->deadline_usec)
                        return fail_storage(error, failed);
                storage_error_free(failed);
                failed = NULL;
                if (call->cancel)
                        cancel_sleep(call->cancel, DISK_RETRY_USEC);
                else
                        g_usleep(DISK_RETRY_USEC);
        }
}

void disk_path_clear(DiskPath *disk)
{
        g_free(disk->path);
        g_free(disk->nbd);
        *disk = (DiskPath){ 0 };
}

static DiskPath disk_path_of(const StorageBackend *backend)
{
        DiskPath disk = { 0 };
        for (size_t i = 0; i < backend->implementations.n; i++) {
                const StorageImplementation *way = &backend->implementations.items[i];
                const char *path = way->tag == STORAGE_IMPLEMENTATION_BLOCK_DEVICE ? way->block_device.path
                                   : way->tag == STORAGE_IMPLEMENTATION_FILE       ? way->file.path
                                   : way->tag == STORAGE_IMPLEMENTATION_XEN_DISK && way->xen_disk.params &&
                                           way->xen_disk.params[0] == '/'
                                       ? way->xen_disk.params
                                       : NULL;
                if (path && !disk.path)
                        disk.path = g_strdup(path);
                else if (way->tag == STORAGE_IMPLEMENTATION_NBD && !disk.nbd)
                        disk.nbd = g_strdup(way->nbd.uri);
        }
        return disk;
}

bool disk_attach(Bus *bus, Cancel *cancel, const char *debug_info, const char *vm, const char *device,
                 const XenopsDisk *disk, bool read_write, DiskPath *ret, XenopsError **error)
{
        if (disk->tag == XENOPS_DISK_LOCAL) {
                *ret = (DiskPath){ .path = g_strdup(disk->local) };
                return true;
        }
        const char *slash = disk->vdi ? strchr(disk->vdi, '/') : NULL;
        if (!slash)
                return xenops_fail_internal(error, "\"%s\" is no SR/VDI", disk->vdi ? disk->vdi : "");
        if (!bus)
                return xenops_fail_storage_backend_error(error, "INTERNAL_ERROR", &(BusStrings){ 0 });
        DiskCall call = disk_call(bus, cancel, debug_info, vm, device);
        call.sr = g_strndup(disk->vdi, (size_t)(slash - disk->vdi));
        call.vdi = g_strdup(slash + 1);
        call.read_write = read_write;
        bool good = disk_do(&call, call_attach, error) && disk_do(&call, call_activate, error);
        if (good) {
                *ret = disk_path_of(&call.backend);
        } else {
                StorageError *failed = NULL;
                if (!call_destroy(&call, DISK_TIMEOUT_USEC, &failed))
                        storage_error_free(failed);
        }
        disk_call_clear(&call);
        return good;
}

bool disk_detach(Bus *bus, const char *debug_info, const char *vm, const char *device, const XenopsDisk *disk,
                 XenopsError **error)
{
        if (!bus || (disk && disk->tag == XENOPS_DISK_LOCAL))
                return true;
        DiskCall call = disk_call(bus, NULL, debug_info, vm, device);
        call.waits = disk;
        bool good = disk_do(&call, call_destroy, error);
        disk_call_clear(&call);
        return good;
}
