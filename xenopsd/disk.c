/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "idl/bus/storage.h"
#include "message-switch/lib/daemon.h"

#define DISK_TIMEOUT_USEC (120u * 1000000u) /* of one attaching or detaching, with all that is tried again */
#define DISK_RETRY_USEC   (50u * 1000u)

typedef struct DiskCall {
        Bus *bus;
        Cancel *cancel; /* NULL: none */
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

static DiskCall disk_call(Operation *operation, const char *device, uint64_t timeout_usec)
{
        return (DiskCall){ .bus = operation->manager->bus,
                           .cancel = operation->patience,
                           .debug_info = operation_debug_info(operation),
                           .datapath = g_strdup_printf("vbd/%s/%s", operation->vm, device),
                           .vm = operation->vm,
                           .deadline_usec = clock_usec() + timeout_usec };
}

static bool call_attach(DiskCall *call, uint64_t timeout_usec, StorageError **error)
{
        return storage_vdi_attach3(call->bus, call->cancel, timeout_usec, call->debug_info, call->datapath,
                                   call->sr, call->vdi, call->vm, call->read_write, &call->backend, error);
}

static bool call_activate(DiskCall *call, uint64_t timeout_usec, StorageError **error)
{
        return storage_vdi_activate3(call->bus, call->cancel, timeout_usec, call->debug_info, call->datapath,
                                     call->sr, call->vdi, call->vm, error);
}

static bool call_destroy(DiskCall *call, uint64_t timeout_usec, StorageError **error)
{
        return storage_dp_destroy(call->bus, call->cancel, timeout_usec, call->debug_info, call->datapath,
                                  false, error);
}

/* All of the calls may be repeated, so one whose server died is tried again. */
static bool is_worth_repeating(const StorageError *error, bool waits)
{
        const BusFailure *failure = storage_error_failure(error);
        return failure &&
               (failure->outcome == BUS_OUTCOME_UNKNOWN || failure->outcome == BUS_DISCONNECTED ||
                failure->outcome == BUS_OVER_QUOTA || (waits && failure->outcome == BUS_NO_SUCH_QUEUE));
}

/* sm-daemon may have done it, or may do it yet. */
static bool is_unanswered(const StorageError *error, bool waits)
{
        const BusFailure *failure = storage_error_failure(error);
        return failure && (failure->outcome == BUS_TIMEOUT || failure->outcome == BUS_CANCELLED ||
                           is_worth_repeating(error, waits));
}

static bool fail_storage(const DiskCall *call, XenopsError **error, StorageError *taken)
{
        const BusFailure *failure = storage_error_failure(taken);
        bool failed;
        if (failure && failure->outcome == BUS_CANCELLED) {
                failed = xenops_fail_cancelled(error, call->datapath);
        } else if (taken->tag == STORAGE_ERROR_BACKEND_ERROR) {
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

/* NULL: done. Else the error, owned. */
static StorageError *disk_try(DiskCall *call, bool (*function)(DiskCall *, uint64_t, StorageError **))
{
        StorageError *failed = NULL;
        for (;;) {
                uint64_t now = clock_usec();
                if (function(call, call->deadline_usec > now ? call->deadline_usec - now : 1, &failed))
                        return NULL;
                if (cancel_asked(call->cancel) || !is_worth_repeating(failed, call->waits) ||
                    clock_usec() + DISK_RETRY_USEC > call->deadline_usec)
                        return failed;
                storage_error_free(g_steal_pointer(&failed));
                cancel_sleep(call->cancel, DISK_RETRY_USEC);
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

/* False: sm-daemon has not answered, and *failed says how. Else *failed is NULL, or what it answered. */
static bool let_go(DiskCall *call, StorageError **failed)
{
        *failed = disk_try(call, call_destroy);
        return !*failed || !is_unanswered(*failed, call->waits);
}

/* Where sm-daemon has kept silent already, it has a moment to let go. */
static DiskCall letting_go(Operation *operation, const char *device)
{
        bool patient = !cancel_asked(operation->patience) && !operation->grace_end_usec &&
                       !leftovers_has_disk(operation->manager->leftovers, operation->vm, device);
        DiskCall call =
            disk_call(operation, device, patient ? DISK_TIMEOUT_USEC : operation_grace_usec(operation));
        if (!patient)
                call.cancel = NULL;
        return call;
}

/* sm-daemon has not answered: it will be asked again, and this operation asks for more of its disks only briefly. */
static void leave(Operation *operation, const char *device)
{
        leftovers_add_disk(operation->manager->leftovers, operation->vm, device);
        operation_grace_usec(operation);
}

static void undo_attach(Operation *operation, const char *device)
{
        DiskCall call = letting_go(operation, device);
        StorageError *failed;
        if (!let_go(&call, &failed))
                leave(operation, device);
        storage_error_free(failed);
        disk_call_clear(&call);
}

bool disk_attach(Operation *operation, const char *device, const XenopsDisk *disk, bool read_write,
                 DiskPath *ret, XenopsError **error)
{
        if (disk->tag == XENOPS_DISK_LOCAL) {
                *ret = (DiskPath){ .path = g_strdup(disk->local) };
                return true;
        }
        const char *slash = disk->vdi ? strchr(disk->vdi, '/') : NULL;
        if (!slash)
                return xenops_fail_internal(error, "\"%s\" is no SR/VDI", disk->vdi ? disk->vdi : "");
        if (!operation->manager->bus)
                return xenops_fail_storage_backend_error(error, "INTERNAL_ERROR", &(BusStrings){ 0 });
        if (cancel_asked(operation->patience))
                return xenops_fail_cancelled(error, task_id(operation->task));
        leftovers_claim_disk(operation->manager->leftovers, operation->vm, device);
        DiskCall call = disk_call(operation, device, DISK_TIMEOUT_USEC);
        call.sr = g_strndup(disk->vdi, (size_t)(slash - disk->vdi));
        call.vdi = g_strdup(slash + 1);
        call.read_write = read_write;
        StorageError *failed = disk_try(&call, call_attach);
        if (!failed)
                failed = disk_try(&call, call_activate);
        bool good = !failed;
        if (good) {
                *ret = disk_path_of(&call.backend);
        } else {
                fail_storage(&call, error, failed);
                undo_attach(operation, device);
        }
        disk_call_clear(&call);
        return good;
}

bool disk_detach(Operation *operation, const char *device, const XenopsDisk *disk, XenopsError **error)
{
        if (!operation->manager->bus || (disk && disk->tag == XENOPS_DISK_LOCAL))
                return true;
        DiskCall call = letting_go(operation, device);
        call.waits = disk;
        StorageError *failed;
        if (!let_go(&call, &failed))
                leave(operation, device);
        bool good = !failed || fail_storage(&call, error, failed);
        disk_call_clear(&call);
        return good;
}

bool disk_reclaim(Bus *bus, Cancel *cancel, uint64_t timeout_usec, const char *vm, const char *device)
{
        DiskCall call = { .bus = bus,
                          .cancel = cancel,
                          .debug_info = "leftover",
                          .datapath = g_strdup_printf("vbd/%s/%s", vm, device),
                          .vm = vm,
                          .waits = true,
                          .deadline_usec = clock_usec() + timeout_usec };
        StorageError *failed;
        bool answered = let_go(&call, &failed);
        if (failed) {
                char *text = storage_error_text(failed);
                log_warning(answered ? "A disk cannot be let go of" : "A disk is yet to be let go of",
                            "XAPI_VM", vm, "XAPI_DEVICE", device, "ERROR", text, NULL);
                free(text);
        }
        storage_error_free(failed);
        disk_call_clear(&call);
        return answered;
}
