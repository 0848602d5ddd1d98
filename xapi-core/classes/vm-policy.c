/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a VM belongs to, and in which order it starts. */
#include "rows.h"
#include "vm-handlers.h"
#include "xenapi.h"

static bool is_plain(const VmRow *vm)
{
        return !vm->is_control_domain && !vm->is_a_template && !vm->is_a_snapshot;
}

bool vm_set_appliance(Call *call, const VmSetApplianceParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->self, error);

        if (!vm)
                return false;
        if (!is_plain(vm))
                return xapi_fail(error, ERR_OPERATION_NOT_ALLOWED,
                                 "Control domains, templates and snapshots cannot be assigned to appliances.",
                                 NULL);
        slot_str(&vm->appliance, p->value);
        return vm_changed(call, vm);
}

bool vm_set_snapshot_schedule(Call *call, const VmSetSnapshotScheduleParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->self, error);

        if (!vm)
                return false;
        if (!is_plain(vm))
                return xapi_fail(
                    error, ERR_OPERATION_NOT_ALLOWED,
                    "Control domains, templates and snapshots cannot be assigned to snapshot schedules.",
                    NULL);
        slot_str(&vm->snapshot_schedule, p->value);
        return true;
}

bool vm_set_groups(Call *call, const VmSetGroupsParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->self, error);

        if (!vm)
                return false;
        if (!is_plain(vm))
                return xapi_fail(error, ERR_OPERATION_NOT_ALLOWED,
                                 "Control domains, templates and snapshots cannot be added to VM groups.",
                                 NULL);
        if (p->value->n > 1)
                return xapi_fail(error, ERR_TOO_MANY_GROUPS, NULL);
        slot_set(&vm->groups, set_ref(p->value));
        return true;
}

/* ---- order ---- */

static bool set_count(Call *call, const char *self, size_t field, int64_t value, XapiError **error)
{
        Row *row = txn_require_edit(call_txn(call), &CLASS_VM, self, error);
        auto_str reason = str_printf("%s must be non-negative", CLASS_VM.fields[field].name);
        auto_str text = str_printf("%lld", (long long)value);

        if (!row)
                return false;
        if (value < 0)
                return xapi_fail(error, ERR_INVALID_VALUE, reason, text, NULL);
        row_values(row)[field].i = value;
        return true;
}

bool vm_set_order(Call *call, const VmSetOrderParams *p, XapiError **error)
{
        return set_count(call, p->self, VM_FIELD_order, p->value, error);
}

bool vm_set_start_delay(Call *call, const VmSetStartDelayParams *p, XapiError **error)
{
        return set_count(call, p->self, VM_FIELD_start_delay, p->value, error);
}

bool vm_set_shutdown_delay(Call *call, const VmSetShutdownDelayParams *p, XapiError **error)
{
        return set_count(call, p->self, VM_FIELD_shutdown_delay, p->value, error);
}

/* ---- high availability, which no pool of one host can have on ---- */

bool vm_set_ha_restart_priority(Call *call, const VmSetHaRestartPriorityParams *p, XapiError **error)
{
        static const char *const PRIORITIES[] = { "", "restart", "best-effort", NULL };
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->self, error);

        if (!vm)
                return false;
        if (!g_strv_contains(PRIORITIES, p->value))
                return xapi_fail(error, ERR_INVALID_VALUE, "ha_restart_priority", p->value, NULL);
        slot_str(&vm->ha_restart_priority, p->value);
        return vm_changed(call, vm);
}

bool vm_set_ha_always_run(Call *call, const VmSetHaAlwaysRunParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->self, error);

        if (!vm)
                return false;
        vm->ha_always_run = p->value;
        return true;
}
