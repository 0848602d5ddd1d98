/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes to a VM that a running one feels at once. */
#include <stdlib.h>

#include "generic.h"
#include "lifecycle.h"
#include "manager.h"
#include "vm-handlers.h"
#include "vm-memory.h"
#include "xenapi.h"

/* ---- memory ---- */

typedef struct Range {
        const int64_t *min, *max; /* bytes; NULL: as it is */
        VmMemoryLimits limits;
} Range;

static bool complete_range(Lifecycle *l, Range *range, XapiError **error)
{
        const VmRow *vm = (const VmRow *)store_require(l->call->store, &CLASS_VM, l->vm, error);
        bool control_domain;

        if (!vm)
                return false;
        control_domain = vm->is_control_domain;
        range->limits =
            (VmMemoryLimits){ .static_min_bytes = vm->memory_static_min,
                              .dynamic_min_bytes = range->min ? *range->min : vm->memory_dynamic_min,
                              .dynamic_max_bytes = range->max ? *range->max : vm->memory_dynamic_max,
                              .static_max_bytes = vm->memory_static_max };
        row_unref(&vm->row);
        if (control_domain)
                return xapi_fail(error, ERR_NOT_IMPLEMENTED, "Memory limits of a control domain", NULL);
        return vm_memory_limits_valid(&range->limits) ||
               xapi_fail(error, ERR_MEMORY_CONSTRAINT_VIOLATION_ORDER, NULL);
}

static bool ask_range(Lifecycle *l, const VmMemoryLimits *limits, XapiError **error)
{
        XenopsError *e = NULL;
        char *task = NULL;
        bool called = xenops_vm_set_memory_dynamic_range(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid,
                                                         limits->dynamic_min_bytes, limits->dynamic_max_bytes,
                                                         &task, &e);

        return lifecycle_wait(l, called, task, e, error);
}

static void finish_range(Txn *txn, Lifecycle *l)
{
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, l->vm);
        const Range *range = l->data;

        vm->memory_dynamic_min = vm->memory_target = range->limits.dynamic_min_bytes;
        vm->memory_dynamic_max = range->limits.dynamic_max_bytes;
}

static bool change_range(Lifecycle *l, Range *range, XapiError **error)
{
        if (!complete_range(l, range, error) ||
            (l->power_state == VM_POWER_STATE_RUNNING && !ask_range(l, &range->limits, error)))
                return false;
        l->data = range;
        l->finish = finish_range;
        return true;
}

static bool set_range(Call *call, const char *vm, int64_t operation, const int64_t *min, const int64_t *max,
                      XapiError **error)
{
        Lifecycle l = lifecycle(call, vm, operation);
        Range range = { .min = min, .max = max };

        return lifecycle_begin(&l, error) && lifecycle_end(&l, change_range(&l, &range, error), error);
}

bool vm_set_memory_dynamic_min(Call *call, const VmSetMemoryDynamicMinParams *p, XapiError **error)
{
        return set_range(call, p->self, VM_OPERATIONS_CHANGING_DYNAMIC_RANGE, &p->value, NULL, error);
}

bool vm_set_memory_dynamic_max(Call *call, const VmSetMemoryDynamicMaxParams *p, XapiError **error)
{
        return set_range(call, p->self, VM_OPERATIONS_CHANGING_DYNAMIC_RANGE, NULL, &p->value, error);
}

bool vm_set_memory_dynamic_range(Call *call, const VmSetMemoryDynamicRangeParams *p, XapiError **error)
{
        return set_range(call, p->self, VM_OPERATIONS_CHANGING_DYNAMIC_RANGE, &p->min, &p->max, error);
}

bool vm_set_memory_target_live(Call *call, const VmSetMemoryTargetLiveParams *p, XapiError **error)
{
        return set_range(call, p->self, VM_OPERATIONS_CHANGING_MEMORY_LIVE, &p->target, &p->target, error);
}

#define TARGET_WAIT_USEC      (UINT64_C(256) * 1000000)
#define TARGET_LOOK_USEC      UINT64_C(1000000)
#define TARGET_ACCURACY_BYTES (INT64_C(1) << 20)

static bool look_at_memory(Lifecycle *l, bool *ret_reached, XapiError **error)
{
        XenopsVmStat stat = { 0 };
        XenopsError *e = NULL;

        if (!xenops_vm_stat(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, &stat, &e))
                return xenops_fail(l->vm, e, error);
        *ret_reached = llabs(stat.state.memory_actual - stat.state.memory_target) <= TARGET_ACCURACY_BYTES;
        xenops_vm_stat_clear(&stat);
        return true;
}

static bool wait_for_target(Lifecycle *l, XapiError **error)
{
        uint64_t deadline = clock_usec() + TARGET_WAIT_USEC;
        bool reached;

        while (look_at_memory(l, &reached, error)) {
                if (reached)
                        return true;
                if (clock_usec() > deadline)
                        return xapi_fail(error, ERR_VM_MEMORY_TARGET_WAIT_TIMEOUT, l->vm, NULL);
                if (!call_sleep(l->call, TARGET_LOOK_USEC))
                        return xapi_fail(error, ERR_TASK_CANCELLED, l->call->task, NULL);
        }
        return false;
}

bool vm_wait_memory_target_live(Call *call, const VmWaitMemoryTargetLiveParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->self, VM_OPERATIONS_AWAITING_MEMORY_LIVE);

        return lifecycle_begin(&l, error) && lifecycle_end(&l, wait_for_target(&l, error), error);
}

/* ---- shadow memory ---- */

static void finish_multiplier(Txn *txn, Lifecycle *l)
{
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, l->vm);

        vm->HVM_shadow_multiplier = *(const double *)l->data;
        vm_update_overhead(vm);
}

static bool change_multiplier(Lifecycle *l, double *multiplier, XapiError **error)
{
        XenopsError *e = NULL;
        char *task = NULL;
        bool called;

        if (!vm_check_shadow_multiplier(*multiplier, error))
                return false;
        called = xenops_vm_set_shadow_multiplier(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid,
                                                 *multiplier, &task, &e);
        if (!lifecycle_wait(l, called, task, e, error))
                return false;
        l->data = multiplier;
        l->finish = finish_multiplier;
        return true;
}

bool vm_set_shadow_multiplier_live(Call *call, const VmSetShadowMultiplierLiveParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->self, VM_OPERATIONS_CHANGING_SHADOW_MEMORY_LIVE);
        double multiplier = p->multiplier;

        return lifecycle_begin(&l, error) &&
               lifecycle_end(&l, change_multiplier(&l, &multiplier, error), error);
}

/* ---- processors ---- */

static void finish_vcpus(Txn *txn, Lifecycle *l)
{
        ((VmRow *)txn_edit(txn, &CLASS_VM, l->vm))->VCPUs_at_startup = *(const int64_t *)l->data;
}

static bool check_vcpus(Lifecycle *l, int64_t n, XapiError **error)
{
        const VmRow *vm = (const VmRow *)store_require(l->call->store, &CLASS_VM, l->vm, error);
        int64_t max;

        if (!vm)
                return false;
        max = vm->VCPUs_max;
        row_unref(&vm->row);
        return (n >= 1 && n <= max) || vm_fail_vcpus(n, error);
}

static bool change_vcpus(Lifecycle *l, int64_t *n, XapiError **error)
{
        XenopsError *e = NULL;
        char *task = NULL;
        bool called;

        if (!check_vcpus(l, *n, error))
                return false;
        called = xenops_vm_set_vcpus(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, *n, &task, &e);
        if (!lifecycle_wait(l, called, task, e, error))
                return false;
        l->data = n;
        l->finish = finish_vcpus;
        return true;
}

bool vm_set_VCPUs_number_live(Call *call, const VmSetVCPUsNumberLiveParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->self, VM_OPERATIONS_CHANGING_VCPUS_LIVE);
        int64_t n = p->nvcpu;

        return lifecycle_begin(&l, error) && lifecycle_end(&l, change_vcpus(&l, &n, error), error);
}

/* ---- settings that xenopsd hears of while it has the VM ---- */

/* The row first, durably: it is what the next start goes by. */
static bool commit(Call *call, bool ok, XapiError **error)
{
        Txn *txn = g_steal_pointer(&call->txn);

        if (ok)
                return txn_commit_wait(txn, error);
        if (txn)
                txn_abort(txn);
        return false;
}

static bool is_live(const VmRow *vm)
{
        return xenops_is_live(vm->power_state) && !vm->is_control_domain;
}

bool vm_set_actions_after_crash(Call *call, const VmSetActionsAfterCrashParams *p, XapiError **error)
{
        const Field *field = &CLASS_VM.fields[VM_FIELD_actions_after_crash];
        const VmRow *vm;
        bool ok;

        if (!commit(call, generic_set(call, field, (const Value *)p, error), error))
                return false;
        vm = (const VmRow *)store_require(call->store, &CLASS_VM, p->self, error);
        if (!vm)
                return false;
        ok = !is_live(vm) || xenops_set_on_crash(call->manager->xenops, vm, error);
        row_unref(&vm->row);
        return ok;
}

static bool tell_guest(Call *call, const char *ref, XapiError **error)
{
        Xenops *xenops = call->manager->xenops;
        const VmRow *vm = (const VmRow *)store_require(call->store, &CLASS_VM, ref, error);
        char *task = NULL;
        bool ok = vm;

        if (ok && is_live(vm))
                ok = xenops_set_xenstore_data(xenops, vm, &task, error) &&
                     xenops_wait(xenops, call, ref, task, error);
        if (vm)
                row_unref(&vm->row);
        return ok;
}

#define XENSTORE_DATA (&CLASS_VM.fields[VM_FIELD_xenstore_data])

bool vm_set_xenstore_data(Call *call, const VmSetXenstoreDataParams *p, XapiError **error)
{
        return commit(call, generic_set(call, XENSTORE_DATA, (const Value *)p, error), error) &&
               tell_guest(call, p->self, error);
}

bool vm_add_to_xenstore_data(Call *call, const VmAddToXenstoreDataParams *p, XapiError **error)
{
        return commit(call, generic_add(call, XENSTORE_DATA, (const Value *)p, error), error) &&
               tell_guest(call, p->self, error);
}

bool vm_remove_from_xenstore_data(Call *call, const VmRemoveFromXenstoreDataParams *p, XapiError **error)
{
        return commit(call, generic_remove(call, XENSTORE_DATA, (const Value *)p, error), error) &&
               tell_guest(call, p->self, error);
}
