/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VM.clone, VM.copy, VM.csvm, VM.snapshot: an operation of the VM around the making of another. */
#include "rows.h"
#include "vm-copy.h"
#include "vm-handlers.h"
#include "xenapi.h"

static bool begin(VmCopy *c, int64_t operation, XapiError **error)
{
        Txn *txn = txn_begin(c->call->store);

        if (!operation_begin(txn, &VM_OPERATION_RULES, c->source, operation, c->call->task, error)) {
                txn_abort(txn);
                return false;
        }
        c->power_state = ((const VmRow *)txn_get(txn, &CLASS_VM, c->source))->power_state;
        txn_commit(txn, NULL, NULL);
        return true;
}

static void end(VmCopy *c)
{
        Txn *txn = txn_begin(c->call->store);
        XapiError *ignored = NULL;

        operation_end(txn, &VM_OPERATION_RULES, c->source, c->call->task);
        if (!txn_commit_wait(txn, &ignored))
                xapi_error_free(ignored);
}

static bool finish(VmCopy *c, XapiError **error)
{
        Txn *txn = txn_begin(c->call->store);
        auto_str ref = NULL;

        if (!txn_require(txn, &CLASS_VM, c->source, error)) {
                txn_abort(txn);
                vm_copy_undo(c);
                return false;
        }
        ref = str_ref(vm_copy_insert(c, txn)->row.ref);
        operation_end(txn, &VM_OPERATION_RULES, c->source, c->call->task);
        if (!txn_commit_wait(txn, error)) {
                vm_copy_undo(c);
                return false;
        }
        vm_copy_clear(c);
        return call_return_str(c->call, ref);
}

static bool make(VmCopy *c, int64_t operation, XapiError **error)
{
        if (!begin(c, operation, error))
                return false;
        if (vm_copy_disks(c, error) && finish(c, error))
                return true;
        end(c);
        return false;
}

bool vm_clone(Call *call, const VmCloneParams *p, XapiError **error)
{
        VmCopy c = { .call = call, .kind = VM_COPY_CLONE, .source = p->vm, .name = p->new_name };

        return make(&c, VM_OPERATIONS_CLONE, error);
}

bool vm_copy(Call *call, const VmCopyParams *p, XapiError **error)
{
        VmCopy c = { .call = call, .kind = VM_COPY_FULL, .source = p->vm, .name = p->new_name, .sr = p->sr };
        const Row *sr;

        if (strcmp(p->sr, NULL_REF) != 0) {
                sr = store_require(call->store, &CLASS_SR, p->sr, error);
                if (!sr)
                        return false;
                row_unref(sr);
        }
        return make(&c, VM_OPERATIONS_COPY, error);
}

/* A suspended VM with its memory. */
bool vm_csvm(Call *call, const VmCsvmParams *p, XapiError **error)
{
        const VmRow *vm = (const VmRow *)store_require(call->store, &CLASS_VM, p->vm, error);
        const Row *vdi = vm ? store_require(call->store, &CLASS_VDI, vm->suspend_VDI, error) : NULL;
        auto_str name = vdi ? str_printf("%s-cloned-suspended", vm->name_label) : NULL;
        VmCopy c = { .call = call, .kind = VM_COPY_CLONE, .source = p->vm, .name = name };

        if (vm)
                row_unref(&vm->row);
        if (vdi)
                row_unref(vdi);
        return name && make(&c, VM_OPERATIONS_CSVM, error);
}

bool vm_snapshot(Call *call, const VmSnapshotParams *p, XapiError **error)
{
        VmCopy c = { .call = call,
                     .kind = VM_COPY_SNAPSHOT,
                     .source = p->vm,
                     .name = p->new_name,
                     .ignored = p->ignore_vdis };

        return make(&c, VM_OPERATIONS_SNAPSHOT, error);
}
