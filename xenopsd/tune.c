/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changes a VM while it runs: its processors, its memory, whether it is paused. */
#include "memory.h"

#include <math.h>

#include <glib.h>

#define DELAY_SECONDS_MAX 86400.0

static const XenopsVm *vm_of(const Operation *operation)
{
        return &operation->config->metadata.vm;
}

static bool run_pause(Operation *operation, XenopsError **error)
{
        BackendDomain domain;
        return operation_domain(operation, &domain, error) &&
               operation->backend->operations->pause(operation->context, vm_of(operation), error);
}

static bool run_unpause(Operation *operation, XenopsError **error)
{
        BackendDomain domain;
        return operation_domain(operation, &domain, error) &&
               operation->backend->operations->unpause(operation->context, vm_of(operation), error);
}

static bool run_delay(Operation *operation, XenopsError **error)
{
        double seconds = ((const XenopsVmDelayArgs *)operation->arguments)->delay;
        if (!(seconds >= 0 && seconds <= DELAY_SECONDS_MAX))
                return xenops_fail_internal(error, "a delay is 0 to %g seconds", DELAY_SECONDS_MAX);
        return !cancel_sleep(task_cancel(operation->task), (uint64_t)(seconds * 1e6)) ||
               xenops_fail_cancelled(error, task_id(operation->task));
}

static bool run_request_rdp(Operation *operation, XenopsError **error)
{
        BackendDomain domain;
        return operation_domain(operation, &domain, error) &&
               operation->backend->operations->request_rdp(
                   operation->context, vm_of(operation),
                   ((const XenopsVmRequestRdpArgs *)operation->arguments)->enabled, error);
}

static bool edit_vcpus(VmConfig *config, void *data, XenopsError **error)
{
        config->metadata.vm.vcpus = *(const int64_t *)data;
        return true;
}

static bool run_set_vcpus(Operation *operation, XenopsError **error)
{
        int64_t vcpus = ((const XenopsVmSetVcpusArgs *)operation->arguments)->vcpus;
        BackendDomain domain;
        if (vcpus < 1 || vcpus > vm_of(operation)->vcpu_max)
                return xenops_fail_invalid_vcpus(error, vcpus);
        return operation_domain(operation, &domain, error) &&
               operation->backend->operations->set_vcpus(operation->context, vm_of(operation), vcpus,
                                                         error) &&
               vm_store_edit(operation->manager->vms, operation->vm, edit_vcpus, &vcpus, error);
}

static bool run_set_shadow_multiplier(Operation *operation, XenopsError **error)
{
        double multiplier = ((const XenopsVmSetShadowMultiplierArgs *)operation->arguments)->multiplier;
        BackendDomain domain;
        if (vm_of(operation)->ty.tag != XENOPS_BUILDER_INFO_HVM)
                return xenops_fail_unimplemented(error, "VM.set_shadow_multiplier of a VM that is not HVM");
        if (!isfinite(multiplier) || multiplier < 1.0)
                return xenops_fail_internal(error, "a shadow multiplier is at least 1");
        return operation_domain(operation, &domain, error) &&
               operation->backend->operations->set_shadow_multiplier(operation->context, vm_of(operation),
                                                                     multiplier, error);
}

static bool edit_memory(VmConfig *config, void *data, XenopsError **error)
{
        const XenopsVmSetMemoryDynamicRangeArgs *arguments = data;
        config->metadata.vm.memory_dynamic_min = arguments->minimum;
        config->metadata.vm.memory_dynamic_max = arguments->maximum;
        return true;
}

/* Squeezed moves it within the range; without one it is moved to the end of it. */
static bool move_memory(Operation *operation, const XenopsVmSetMemoryDynamicRangeArgs *arguments,
                        XenopsError **error)
{
        const BackendOperations *backend = operation->backend->operations;
        BackendDomain domain;
        bool served;
        if (!backend->stat(operation->backend, operation->vm, &domain))
                return true;
        if (backend->set_memory_range &&
            !backend->set_memory_range(operation->context, vm_of(operation), arguments->minimum,
                                       arguments->maximum, error))
                return false;
        return memory_balance(operation, &served, error) &&
               (served ||
                backend->set_memory(operation->context, vm_of(operation), arguments->maximum, error));
}

static bool run_set_memory_dynamic_range(Operation *operation, XenopsError **error)
{
        XenopsVmSetMemoryDynamicRangeArgs *arguments = operation->arguments;
        if (arguments->minimum < 0 || arguments->minimum > arguments->maximum ||
            arguments->maximum > vm_of(operation)->memory_static_max)
                return xenops_fail_internal(error,
                                            "0 <= minimum <= maximum <= memory_static_max does not hold");
        return move_memory(operation, arguments, error) &&
               vm_store_edit(operation->manager->vms, operation->vm, edit_memory, arguments, error);
}

static bool edit_xsdata(VmConfig *config, void *data, XenopsError **error)
{
        XenopsVmSetXsdataArgs *arguments = data;
        BusDict old = config->metadata.vm.xsdata;
        config->metadata.vm.xsdata = arguments->xsdata;
        arguments->xsdata = old; /* freed with the arguments */
        return true;
}

static bool run_set_xsdata(Operation *operation, XenopsError **error)
{
        const BackendOperations *backend = operation->backend->operations;
        const XenopsVmSetXsdataArgs *arguments = operation->arguments;
        BackendDomain domain;
        if (backend->set_xsdata && backend->stat(operation->backend, operation->vm, &domain) &&
            !backend->set_xsdata(operation->context, vm_of(operation), &arguments->xsdata, error))
                return false;
        return vm_store_edit(operation->manager->vms, operation->vm, edit_xsdata, operation->arguments,
                             error);
}

static bool run_s3(Operation *operation, const char *method,
                   bool (*function)(BackendContext *, const XenopsVm *, XenopsError **), XenopsError **error)
{
        BackendDomain domain;
        if (!function)
                return xenops_fail_unimplemented(error, method);
        return operation_domain(operation, &domain, error) &&
               function(operation->context, vm_of(operation), error);
}

static bool run_s3suspend(Operation *operation, XenopsError **error)
{
        return run_s3(operation, "VM.s3suspend", operation->backend->operations->s3suspend, error);
}

static bool run_s3resume(Operation *operation, XenopsError **error)
{
        return run_s3(operation, "VM.s3resume", operation->backend->operations->s3resume, error);
}

const OperationKind operation_pause = { "VM.pause", run_pause, false, false };
const OperationKind operation_unpause = { "VM.unpause", run_unpause, false, false };
const OperationKind operation_delay = { "VM.delay", run_delay, false, false };
const OperationKind operation_request_rdp = { "VM.request_rdp", run_request_rdp, false, false };
const OperationKind operation_set_vcpus = { "VM.set_vcpus", run_set_vcpus, false, false };
const OperationKind operation_set_shadow_multiplier = { "VM.set_shadow_multiplier", run_set_shadow_multiplier,
                                                        false, false };
const OperationKind operation_set_memory_dynamic_range = { "VM.set_memory_dynamic_range",
                                                           run_set_memory_dynamic_range, true, false };
const OperationKind operation_set_xsdata = { "VM.set_xsdata", run_set_xsdata, false, false };
const OperationKind operation_s3suspend = { "VM.s3suspend", run_s3suspend, false, false };
const OperationKind operation_s3resume = { "VM.s3resume", run_s3resume, false, false };
