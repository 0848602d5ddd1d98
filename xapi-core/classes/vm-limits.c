/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many processors and how much memory a VM may have, set while it is halted. */
#include "rows.h"
#include "vm-handlers.h"
#include "vm-memory.h"
#include "xenapi.h"

/* ---- processors ---- */

bool vm_fail_vcpus(int64_t value, XapiError **error)
{
        auto_str text = str_printf("%lld", (long long)value);

        return xapi_fail(error, ERR_INVALID_VALUE,
                         "VCPU values must satisfy: 0 < VCPUs_at_startup ≤ VCPUs_max", text, NULL);
}

bool vm_set_VCPUs_max(Call *call, const VmSetVCPUsMaxParams *p, XapiError **error)
{
        VmRow *vm = vm_change(call, p->self, VM_OPERATIONS_CHANGING_VCPUS, error);

        if (!vm)
                return false;
        if (vm->is_control_domain)
                return xapi_fail(error, ERR_OPERATION_NOT_ALLOWED, "This operation is not allowed on dom0",
                                 NULL);
        if (vm->VCPUs_at_startup < 1 || vm->VCPUs_at_startup > p->value)
                return vm_fail_vcpus(p->value, error);
        vm->VCPUs_max = p->value;
        vm_update_overhead(vm);
        return vm_changed(call, vm);
}

bool vm_set_VCPUs_at_startup(Call *call, const VmSetVCPUsAtStartupParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->self, error);

        if (!vm)
                return false;
        if (p->value < 1 || p->value > vm->VCPUs_max)
                return vm_fail_vcpus(p->value, error);
        vm->VCPUs_at_startup = p->value;
        return true;
}

/* ---- shadow memory ---- */

bool vm_check_shadow_multiplier(double value, XapiError **error)
{
        g_autofree char *text = g_strdup_printf("%g", value);

        return !(value < 1.0) || /* as upstream, which lets NaN through */
               xapi_fail(error, ERR_INVALID_VALUE, "HVM_shadow_multiplier", text, NULL);
}

bool vm_set_HVM_shadow_multiplier(Call *call, const VmSetHvmShadowMultiplierParams *p, XapiError **error)
{
        VmRow *vm = vm_change(call, p->self, VM_OPERATIONS_CHANGING_SHADOW_MEMORY, error);

        if (!vm || !vm_check_shadow_multiplier(p->value, error))
                return false;
        vm->HVM_shadow_multiplier = p->value;
        vm_update_overhead(vm);
        return vm_changed(call, vm);
}

/* ---- memory ---- */

static VmMemoryLimits limits_of(const VmRow *vm)
{
        return (VmMemoryLimits){ vm->memory_static_min, vm->memory_dynamic_min, vm->memory_dynamic_max,
                                 vm->memory_static_max };
}

static bool set_limits(Call *call, VmRow *vm, VmMemoryLimits limits, XapiError **error)
{
        if (!vm_memory_limits_valid(&limits))
                return xapi_fail(error, ERR_MEMORY_CONSTRAINT_VIOLATION_ORDER, NULL);
        vm->memory_static_min = limits.static_min_bytes;
        vm->memory_dynamic_min = limits.dynamic_min_bytes;
        vm->memory_dynamic_max = limits.dynamic_max_bytes;
        vm->memory_static_max = limits.static_max_bytes;
        vm_update_overhead(vm);
        return vm_changed(call, vm);
}

static bool set_all_limits(Call *call, const char *self, VmMemoryLimits limits, XapiError **error)
{
        VmRow *vm = vm_change(call, self, VM_OPERATIONS_CHANGING_MEMORY_LIMITS, error);

        if (!vm || !set_limits(call, vm, limits, error))
                return false;
        vm->memory_target = limits.dynamic_min_bytes;
        return true;
}

bool vm_set_memory_limits(Call *call, const VmSetMemoryLimitsParams *p, XapiError **error)
{
        return set_all_limits(
            call, p->self, (VmMemoryLimits){ p->static_min, p->dynamic_min, p->dynamic_max, p->static_max },
            error);
}

bool vm_set_memory(Call *call, const VmSetMemoryParams *p, XapiError **error)
{
        const VmRow *vm = (const VmRow *)txn_require(call_txn(call), &CLASS_VM, p->self, error);

        return vm &&
               set_all_limits(call, p->self,
                              (VmMemoryLimits){ vm->memory_static_min, p->value, p->value, p->value }, error);
}

static bool set_static(Call *call, const char *self, const int64_t *min, const int64_t *max,
                       XapiError **error)
{
        VmRow *vm = vm_change(call, self, VM_OPERATIONS_CHANGING_STATIC_RANGE, error);
        VmMemoryLimits limits;

        if (!vm)
                return false;
        limits = limits_of(vm);
        if (min)
                limits.static_min_bytes = *min;
        if (max)
                limits.static_max_bytes = *max;
        return set_limits(call, vm, limits, error);
}

bool vm_set_memory_static_min(Call *call, const VmSetMemoryStaticMinParams *p, XapiError **error)
{
        return set_static(call, p->self, &p->value, NULL, error);
}

bool vm_set_memory_static_max(Call *call, const VmSetMemoryStaticMaxParams *p, XapiError **error)
{
        return set_static(call, p->self, NULL, &p->value, error);
}

bool vm_set_memory_static_range(Call *call, const VmSetMemoryStaticRangeParams *p, XapiError **error)
{
        return set_static(call, p->self, &p->min, &p->max, error);
}

/* ---- what it costs ---- */

bool vm_compute_memory_overhead(Call *call, const VmComputeMemoryOverheadParams *p, XapiError **error)
{
        const VmRow *vm = (const VmRow *)store_require(call->store, &CLASS_VM, p->vm, error);
        int64_t bytes;

        if (!vm)
                return false;
        bytes = vm_memory_overhead_bytes(vm->memory_static_max, vm->VCPUs_max, vm->HVM_shadow_multiplier);
        row_unref(&vm->row);
        return call_return(call, (Value){ .i = bytes });
}

#define MAXIMISE_VCPUS                                                                                       \
        64 /* what an approximate answer reckons with, so that it holds for any number of processors */

bool vm_maximise_memory(Call *call, const VmMaximiseMemoryParams *p, XapiError **error)
{
        const VmRow *vm = (const VmRow *)store_require(call->store, &CLASS_VM, p->self, error);
        int64_t vcpus, bytes;

        if (!vm)
                return false;
        vcpus = p->approximate ? MAXIMISE_VCPUS : vm->VCPUs_max;
        bytes = vm_memory_maximise_bytes(p->total, vcpus,
                                         vm->domain_type == DOMAIN_TYPE_PV ? 1.0 : vm->HVM_shadow_multiplier);
        row_unref(&vm->row);
        return call_return(call, (Value){ .i = bytes });
}
