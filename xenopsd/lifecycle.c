/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lifecycle.h"

#include <errno.h>
#include <stdlib.h>

#include <glib.h>

#include "disk.h"
#include "memory.h"
#include "vbd.h"
#include "vif.h"

/* A guest is asked to suspend or shut down with at most this much patience. */
#define ASK_SECONDS_MAX 1e6

static const XenopsVm *vm_of(const Operation *operation)
{
        return &operation->config->metadata.vm;
}

static const BackendOperations *backend_of(const Operation *operation)
{
        return operation->backend->operations;
}

static bool step_create(void *context, const void *item, XenopsError **error)
{
        Operation *operation = context;
        return backend_of(operation)->create(operation->context, vm_of(operation), error);
}

static void undo_create(void *context, const void *item)
{
        Operation *operation = context;
        XenopsError *error = NULL;
        if (backend_of(operation)->destroy(operation->undo, vm_of(operation), &error))
                return;
        char *text = xenops_error_text(error);
        log_error("A domain could not be removed", "XAPI_VM", operation->vm, "ERROR", text, NULL);
        free(text);
        xenops_error_free(error);
}

/* What a domain comes back with from an image is what it had. */
static bool step_memory(void *context, const void *image, XenopsError **error)
{
        Operation *operation = context;
        const XenopsVm *vm = vm_of(operation);
        int64_t bytes;
        if (!memory_reserve(operation, image ? vm->memory_dynamic_max : vm->memory_dynamic_min,
                            vm->memory_dynamic_max, &bytes, error))
                return false;
        /* Handed over first, where there is a domain by now: what it then takes is not kept for it a second time. */
        if (memory_hand_over(operation, error) &&
            backend_of(operation)->set_memory(operation->context, vm, bytes, error))
                return true;
        memory_give_back(operation);
        return false;
}

static void undo_memory(void *context, const void *image)
{
        memory_give_back(context);
}

/* From now on the domain's memory may be moved. */
static bool step_memory_range(void *context, const void *item, XenopsError **error)
{
        Operation *operation = context;
        const XenopsVm *vm = vm_of(operation);
        return (!backend_of(operation)->set_memory_range ||
                backend_of(operation)->set_memory_range(operation->context, vm, vm->memory_dynamic_min,
                                                        vm->memory_dynamic_max, error)) &&
               memory_hand_over(operation, error);
}

static bool step_vbd(void *context, const void *item, XenopsError **error)
{
        return vbd_plug(context, item, error);
}

static void undo_vbd(void *context, const void *item)
{
        vbd_unplug_anyway(context, item);
}

static bool step_vif(void *context, const void *item, XenopsError **error)
{
        return vif_plug(context, item, error);
}

static void undo_vif(void *context, const void *item)
{
        vif_unplug_anyway(context, item);
}

static bool step_build(void *context, const void *item, XenopsError **error)
{
        Operation *operation = context;
        return backend_of(operation)->build(operation->context, vm_of(operation), error);
}

static bool step_restore(void *context, const void *item, XenopsError **error)
{
        Operation *operation = context;
        auto_disk_path disk = { 0 };
        if (!disk_attach(operation, SUSPEND_DEVICE, item, false, &disk, error))
                return false;
        bool good =
            disk.path ? backend_of(operation)->restore(operation->context, vm_of(operation), disk.path, error)
                      : xenops_fail_internal(error, "the suspend disk has no path");
        XenopsError *ignored = NULL;
        if (!disk_detach(operation, SUSPEND_DEVICE, item, &ignored))
                xenops_error_free(ignored);
        return good;
}

static bool step_device_model(void *context, const void *item, XenopsError **error)
{
        Operation *operation = context;
        return backend_of(operation)->create_device_model(operation->context, vm_of(operation), error);
}

static bool step_unpause(void *context, const void *item, XenopsError **error)
{
        Operation *operation = context;
        return backend_of(operation)->unpause(operation->context, vm_of(operation), error);
}

bool lifecycle_bring_up(Operation *operation, const XenopsDisk *image, bool paused, XenopsError **error)
{
        const XenopsMetadata *metadata = &operation->config->metadata;
        auto_steps steps = { 0 };
        steps_add(&steps, &(Step){ "create", step_create, undo_create, NULL });
        steps_add(&steps, &(Step){ "memory", step_memory, undo_memory, image });
        for (size_t i = 0; i < metadata->vbds.n; i++)
                steps_add(&steps, &(Step){ "vbd", step_vbd, undo_vbd, &metadata->vbds.items[i] });
        for (size_t i = 0; i < metadata->vifs.n; i++)
                steps_add(&steps, &(Step){ "vif", step_vif, undo_vif, &metadata->vifs.items[i] });
        if (image)
                steps_add(&steps, &(Step){ "restore", step_restore, NULL, image });
        else
                steps_add(&steps, &(Step){ "build", step_build, NULL, NULL });
        steps_add(&steps, &(Step){ "memory-range", step_memory_range, NULL, NULL });
        steps_add(&steps, &(Step){ "device-model", step_device_model, NULL, NULL });
        if (!paused)
                steps_add(&steps, &(Step){ "unpause", step_unpause, NULL, NULL });
        return steps_run(&steps, operation, operation->task, error);
}

void lifecycle_let_go(Operation *operation)
{
        const XenopsMetadata *metadata = &operation->config->metadata;
        for (size_t i = 0; i < metadata->vbds.n; i++)
                vbd_detach_anyway(operation, &metadata->vbds.items[i]);
}

bool lifecycle_take_down(Operation *operation, BackendContext *context, XenopsError **error)
{
        if (!backend_of(operation)->destroy(context, vm_of(operation), error))
                return false;
        lifecycle_let_go(operation);
        return true;
}

bool lifecycle_shut_down(Operation *operation, XenopsError **error)
{
        Journal *journal = operation->manager->journal;
        if (!journal_begin(journal, operation->vm, JOURNAL_SHUTDOWN, error))
                return false;
        bool good = lifecycle_take_down(operation, operation->context, error);
        journal_end(journal, operation->vm);
        return good;
}

bool lifecycle_reboot(Operation *operation, XenopsError **error)
{
        Journal *journal = operation->manager->journal;
        if (!journal_begin(journal, operation->vm, JOURNAL_REBOOT, error))
                return false;
        bool good = lifecycle_take_down(operation, operation->context, error) &&
                    lifecycle_bring_up(operation, NULL, false, error);
        journal_end(journal, operation->vm);
        return good;
}

static bool fail_wait(const Operation *operation, int r, XenopsError **error)
{
        if (r == -ECANCELED)
                return xenops_fail_cancelled(error, task_id(operation->task));
        return xenops_fail_internal(error, "waiting for the guest: %s", g_strerror(-r));
}

bool lifecycle_ask(Operation *operation, BackendReason reason, double seconds, XenopsError **error)
{
        const BackendOperations *backend = backend_of(operation);
        bool suspend = reason == BACKEND_SUSPEND;
        seconds = CLAMP(seconds, 0, ASK_SECONDS_MAX);
        uint64_t now = clock_usec(), deadline = now + (uint64_t)(seconds * 1e6);
        uint64_t acknowledge_deadline =
            MIN(deadline, now + (uint64_t)operation->manager->acknowledge_timeout_ms * 1000);
        if (!backend->request(operation->context, vm_of(operation), reason, error))
                return false;
        int r = backend->wait_acknowledged(operation->context, operation->vm, acknowledge_deadline);
        if (r == -ETIME)
                return suspend ? xenops_fail_failed_to_acknowledge_suspend_request(error)
                               : xenops_fail_failed_to_acknowledge_shutdown_request(error);
        if (r == 0)
                r = backend->wait_shut_down(operation->context, operation->vm, deadline);
        if (r == -ETIME)
                return suspend ? xenops_fail_failed_to_suspend(error, operation->vm, seconds)
                               : xenops_fail_failed_to_shutdown(error, operation->vm, seconds);
        return r == 0 || fail_wait(operation, r, error);
}

static bool edit_suspended(VmConfig *config, void *data, XenopsError **error)
{
        config->suspended = *(const bool *)data;
        return true;
}

bool lifecycle_set_suspended(Operation *operation, bool suspended, XenopsError **error)
{
        return operation->config->suspended == suspended ||
               vm_store_edit(operation->manager->vms, operation->vm, edit_suspended, &suspended, error);
}
