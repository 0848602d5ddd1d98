/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions about a VM: what it may do, and what is free of it. */
#include "blob.h"
#include "rows.h"
#include "vm-handlers.h"
#include "xenapi.h"

/* ---- operations ---- */

/* Checks without beginning. */
static bool check_operation(Call *call, const char *self, int64_t operation, XapiError **error)
{
        return operation_begin(call_txn(call), &VM_OPERATION_RULES, self, operation, "", error);
}

bool vm_assert_operation_valid(Call *call, const VmAssertOperationValidParams *p, XapiError **error)
{
        return check_operation(call, p->self, p->op, error);
}

bool vm_update_allowed_operations(Call *call, const VmUpdateAllowedOperationsParams *p, XapiError **error)
{
        if (!txn_require(call_txn(call), &CLASS_VM, p->self, error))
                return false;
        operation_update(call->txn, &VM_OPERATION_RULES, p->self);
        return true;
}

bool vm_query_services(Call *call, const VmQueryServicesParams *p, XapiError **error)
{
        return check_operation(call, p->self, VM_OPERATIONS_QUERY_SERVICES, error) &&
               xapi_fail(error, ERR_NOT_SYSTEM_DOMAIN, p->self, NULL);
}

bool vm_send_sysrq(Call *call, const VmSendSysrqParams *p, XapiError **error)
{
        return check_operation(call, p->vm, VM_OPERATIONS_SEND_SYSRQ, error) &&
               xapi_fail(error, ERR_NOT_IMPLEMENTED, "send_sysrq", NULL);
}

bool vm_send_trigger(Call *call, const VmSendTriggerParams *p, XapiError **error)
{
        return check_operation(call, p->vm, VM_OPERATIONS_SEND_TRIGGER, error) &&
               xapi_fail(error, ERR_NOT_IMPLEMENTED, "send_trigger", NULL);
}

bool vm_call_plugin(Call *call, const VmCallPluginParams *p, XapiError **error)
{
        return check_operation(call, p->vm, VM_OPERATIONS_CALL_PLUGIN, error) &&
               xapi_fail(error, ERR_NOT_IMPLEMENTED, call->message->name, NULL);
}

bool vm_pool_migrate(Call *call, const VmPoolMigrateParams *p, XapiError **error)
{
        return check_operation(call, p->vm, VM_OPERATIONS_POOL_MIGRATE, error) &&
               xapi_fail(error, ERR_NOT_IMPLEMENTED, call->message->name, NULL);
}

/* ---- devices ---- */

bool vm_get_allowed_VBD_devices(Call *call, const VmGetAllowedVbdDevicesParams *p, XapiError **error)
{
        const VmRow *vm = (const VmRow *)txn_require(call_txn(call), &CLASS_VM, p->vm, error);

        return vm && call_return(call, (Value){ .set = vbd_free_devices(call->txn, vm,
                                                                        call->message->result->element) });
}

bool vm_get_allowed_VIF_devices(Call *call, const VmGetAllowedVifDevicesParams *p, XapiError **error)
{
        const VmRow *vm = (const VmRow *)txn_require(call_txn(call), &CLASS_VM, p->vm, error);

        return vm && call_return(call, (Value){ .set = vif_free_devices(call->txn, vm,
                                                                        call->message->result->element) });
}

/* ---- records ---- */

/* A VM's settings take effect when they are made, or are kept until its next start: its record is what it booted with. */
bool vm_get_boot_record(Call *call, const VmGetBootRecordParams *p, XapiError **error)
{
        const Row *row = store_require(call->store, &CLASS_VM, p->self, error);

        return row && call_return(call, (Value){ .row = (Row *)row });
}

bool vm_get_cooperative(Call *call, const VmGetCooperativeParams *p, XapiError **error)
{
        const Row *row = store_require(call->store, &CLASS_VM, p->self, error);

        if (!row)
                return false;
        row_unref(row);
        return call_return(call, (Value){ .i = true });
}

bool vm_update_snapshot_metadata(Call *call, const VmUpdateSnapshotMetadataParams *p, XapiError **error)
{
        return true; /* obsolete: the fields are right from the start */
}

bool vm_create_new_blob(Call *call, const VmCreateNewBlobParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->vm, error);
        Str blob = vm ? blob_create(call->txn, &vm->blobs, p->name, p->mime_type, p->public, error) : NULL;

        return blob && call_return(call, (Value){ .s = blob });
}
