/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which operations a VIF allows, and when. */
#include "operations.h"
#include "vm.h"
#include "xenapi.h"

static const int64_t OFFERED[] = { VIF_OPERATIONS_ATTACH, VIF_OPERATIONS_PLUG, VIF_OPERATIONS_UNPLUG, -1 };

static bool check(Txn *txn, const Row *row, int64_t operation, XapiError **error)
{
        const VifRow *vif = (const VifRow *)row;
        const VmRow *vm = (const VmRow *)txn_require(txn, &CLASS_VM, vif->VM, error);

        if (!vm)
                return false;
        if (vif->current_operations->n)
                return operation_fail_busy(&VIF_OPERATION_RULES, row, error);
        if (operation == VIF_OPERATIONS_ATTACH)
                return true;
        if (vm->power_state != VM_POWER_STATE_RUNNING)
                return vm_fail_power_state(vm, 1u << VM_POWER_STATE_RUNNING, error);
        if (operation == VIF_OPERATIONS_PLUG && vif->currently_attached)
                return xapi_fail(error, ERR_DEVICE_ALREADY_ATTACHED, row->ref, NULL);
        if (operation == VIF_OPERATIONS_UNPLUG && !vif->currently_attached)
                return xapi_fail(error, ERR_DEVICE_ALREADY_DETACHED, row->ref, NULL);
        return true;
}

const OperationRules VIF_OPERATION_RULES = {
        .class = &CLASS_VIF,
        .operations = &ENUM_VIF_OPERATIONS,
        .allowed_field = VIF_FIELD_allowed_operations,
        .current_field = VIF_FIELD_current_operations,
        .offered = OFFERED,
        .check = check,
};
