/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* allowed_operations and current_operations of any class that has them. */
#pragma once

#include "call.h"
#include "xenapi.h"

typedef struct OperationRules {
        const Class *class;
        const Enum *operations;
        size_t allowed_field, current_field; /* indices into Class.fields */
        const int64_t *offered;              /* what allowed_operations may hold, ended by -1 */
        /* Whether the operation may begin now, by the transaction's view; error NULL: nobody asks why not. */
        bool (*check)(Txn *txn, const Row *row, int64_t operation, XapiError **error);
} OperationRules;

extern const OperationRules VM_OPERATION_RULES, VBD_OPERATION_RULES, VIF_OPERATION_RULES, VDI_OPERATION_RULES,
    SR_OPERATION_RULES, VM_APPLIANCE_OPERATION_RULES;

/* Checks, and marks the operation as under way for this task ("" marks nothing). HANDLE_INVALID where there is no such
 * object. */
bool operation_begin(Txn *txn, const OperationRules *rules, const char *ref, int64_t operation,
                     const char *task, XapiError **error);
/* Takes the mark away, also if the transaction is refused; legal where the object or the mark is gone. */
void operation_end(Txn *txn, const OperationRules *rules, const char *ref, const char *task);
/* Makes allowed_operations right again after a change to what the check reads; legal where there is no object. */
void operation_update(Txn *txn, const OperationRules *rules, const char *ref);
/* No operation survives the process that ran it: clears all marks of the class. At start. */
void operations_clear(Txn *txn, const OperationRules *rules);

/* OTHER_OPERATION_IN_PROGRESS [class; ref; operations; tasks]; false. */
bool operation_fail_busy(const OperationRules *rules, const Row *row, XapiError **error);

/* Whether the VDI has a VM's memory, of one that is suspended or of a checkpoint: what the host restores as root. */
bool vdi_holds_memory(Txn *txn, const VdiRow *vdi);
