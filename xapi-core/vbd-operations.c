/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which operations a VBD allows, and when. */
#include "operations.h"
#include "vm.h"
#include "xenapi.h"

#define OP(name) VBD_OPERATIONS_##name

static const int64_t OFFERED[] = { OP(ATTACH),       OP(EJECT), OP(INSERT),  OP(PLUG), OP(UNPLUG),
                                   OP(UNPLUG_FORCE), OP(PAUSE), OP(UNPAUSE), -1 };

static bool check_medium(const VbdRow *vbd, int64_t operation, XapiError **error)
{
        if (operation != OP(INSERT) && operation != OP(EJECT))
                return true;
        if (vbd->type != VBD_TYPE_CD && !vbd->empty)
                return xapi_fail(error, ERR_VBD_NOT_REMOVABLE_MEDIA, vbd->row.ref, NULL);
        if (operation == OP(EJECT) && vbd->empty)
                return xapi_fail(error, ERR_VBD_IS_EMPTY, vbd->row.ref, NULL);
        if (operation == OP(INSERT) && !vbd->empty)
                return xapi_fail(error, ERR_VBD_NOT_EMPTY, vbd->row.ref, NULL);
        return true;
}

static bool changes_connection(int64_t operation)
{
        return operation == OP(PLUG) || operation == OP(UNPLUG) || operation == OP(UNPLUG_FORCE) ||
               operation == OP(PAUSE) || operation == OP(UNPAUSE);
}

static bool check_connection(const VbdRow *vbd, const VmRow *vm, int64_t operation, XapiError **error)
{
        bool unplugs = operation == OP(UNPLUG) || operation == OP(UNPLUG_FORCE);

        if (unplugs && !vbd->unpluggable)
                return xapi_fail(error, ERR_VBD_NOT_UNPLUGGABLE, vbd->row.ref, NULL);
        if (changes_connection(operation) && vm->power_state != VM_POWER_STATE_RUNNING)
                return vm_fail_power_state(vm, 1u << VM_POWER_STATE_RUNNING, error);
        if (operation == OP(PLUG) && vbd->currently_attached)
                return xapi_fail(error, ERR_DEVICE_ALREADY_ATTACHED, vbd->row.ref, NULL);
        if (unplugs && !vbd->currently_attached)
                return xapi_fail(error, ERR_DEVICE_ALREADY_DETACHED, vbd->row.ref, NULL);
        return true;
}

static bool check(Txn *txn, const Row *row, int64_t operation, XapiError **error)
{
        const VbdRow *vbd = (const VbdRow *)row;
        const VmRow *vm = (const VmRow *)txn_require(txn, &CLASS_VM, vbd->VM, error);

        if (!vm)
                return false;
        if (vbd->current_operations->n)
                return operation_fail_busy(&VBD_OPERATION_RULES, row, error);
        return check_medium(vbd, operation, error) && check_connection(vbd, vm, operation, error);
}

const OperationRules VBD_OPERATION_RULES = {
        .class = &CLASS_VBD,
        .operations = &ENUM_VBD_OPERATIONS,
        .allowed_field = VBD_FIELD_allowed_operations,
        .current_field = VBD_FIELD_current_operations,
        .offered = OFFERED,
        .check = check,
};
