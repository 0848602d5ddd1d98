/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Appliances: VMs that start and stop together, in their order. */
#include "classes.h"
#include "manager.h"
#include "operations.h"
#include "rows.h"
#include "vm.h"
#include "xenapi.h"

#define OP(name) VM_APPLIANCE_OPERATION_##name

/* ---- which operations are allowed ---- */

static bool has_vm_in(Txn *txn, const VmApplianceRow *appliance, unsigned states)
{
        for (uint32_t i = 0; i < appliance->VMs->n; i++) {
                const VmRow *vm = (const VmRow *)txn_get(txn, &CLASS_VM, appliance->VMs->items[i].s);

                if (vm && (states & (1u << vm->power_state)))
                        return true;
        }
        return false;
}

static bool check(Txn *txn, const Row *row, int64_t operation, XapiError **error)
{
        static const unsigned HALTED = 1u << VM_POWER_STATE_HALTED, RUNNING = 1u << VM_POWER_STATE_RUNNING;
        const VmApplianceRow *appliance = (const VmApplianceRow *)row;

        if (appliance->current_operations->n)
                return operation_fail_busy(&VM_APPLIANCE_OPERATION_RULES, row, error);
        if (operation == OP(START))
                return has_vm_in(txn, appliance, HALTED) ||
                       xapi_fail(error, ERR_OPERATION_NOT_ALLOWED,
                                 "There are no halted VMs in this appliance.", NULL);
        if (operation == OP(CLEAN_SHUTDOWN))
                return has_vm_in(txn, appliance, RUNNING) ||
                       xapi_fail(error, ERR_OPERATION_NOT_ALLOWED,
                                 "There are no running VMs in this appliance.", NULL);
        return has_vm_in(txn, appliance, ~HALTED) ||
               xapi_fail(error, ERR_OPERATION_NOT_ALLOWED, "All VMs in this appliance are halted.", NULL);
}

static const int64_t OFFERED[] = { OP(START), OP(CLEAN_SHUTDOWN), OP(HARD_SHUTDOWN), OP(SHUTDOWN), -1 };

const OperationRules VM_APPLIANCE_OPERATION_RULES = {
        .class = &CLASS_VM_APPLIANCE,
        .operations = &ENUM_VM_APPLIANCE_OPERATION,
        .allowed_field = VM_APPLIANCE_FIELD_allowed_operations,
        .current_field = VM_APPLIANCE_FIELD_current_operations,
        .offered = OFFERED,
        .check = check,
};

void vm_appliance_derive(Txn *txn, const Row *row, void *data)
{
        if (row->class == &CLASS_VM)
                operation_update(txn, &VM_APPLIANCE_OPERATION_RULES, ((const VmRow *)row)->appliance);
        else if (row->class == &CLASS_VM_APPLIANCE)
                operation_update(txn, &VM_APPLIANCE_OPERATION_RULES, row->ref);
}

/* ---- its VMs, one after the other ---- */

typedef struct Member {
        Str vm;
        int64_t order, delay_sec;
} Member;

typedef struct Walk {
        Call *call;
        const char *appliance;
        int64_t operation;
        bool paused;
        GArray *members; /* of Member, in the order of the walk */
} Walk;

static void member_clear(void *data)
{
        str_unref(((Member *)data)->vm);
}

static bool wants(int64_t operation, const VmRow *vm)
{
        return operation == OP(START)            ? vm->power_state == VM_POWER_STATE_HALTED
               : operation == OP(CLEAN_SHUTDOWN) ? vm->power_state == VM_POWER_STATE_RUNNING
                                                 : vm->power_state != VM_POWER_STATE_HALTED;
}

static int by_order(const void *a, const void *b, void *user)
{
        int64_t x = ((const Member *)a)->order, y = ((const Member *)b)->order;
        int ascending = (x > y) - (x < y);

        return ((const Walk *)user)->operation == OP(START) ? ascending : -ascending;
}

static bool begin(Walk *w, XapiError **error)
{
        Txn *txn = txn_begin(w->call->store);
        const VmApplianceRow *appliance;

        if (!operation_begin(txn, &VM_APPLIANCE_OPERATION_RULES, w->appliance, w->operation, w->call->task,
                             error)) {
                txn_abort(txn);
                return false;
        }
        w->members = g_array_new(FALSE, TRUE, sizeof(Member));
        g_array_set_clear_func(w->members, member_clear);
        appliance = (const VmApplianceRow *)txn_get(txn, &CLASS_VM_APPLIANCE, w->appliance);
        for (uint32_t i = 0; i < appliance->VMs->n; i++) {
                const VmRow *vm = (const VmRow *)txn_get(txn, &CLASS_VM, appliance->VMs->items[i].s);
                Member member;

                if (!vm || !wants(w->operation, vm))
                        continue;
                member = (Member){ .vm = str_ref(vm->row.ref), .order = vm->order };
                member.delay_sec = w->operation == OP(START) ? vm->start_delay : vm->shutdown_delay;
                g_array_append_val(w->members, member);
        }
        txn_commit(txn, NULL, NULL);
        g_array_sort_with_data(w->members, by_order, w);
        return true;
}

static bool run_member(Walk *w, const char *vm, XapiError **error)
{
        switch (w->operation) {
        case OP(START):
                return vm_start_on_any(w->call, vm, w->paused, error);
        case OP(CLEAN_SHUTDOWN):
                return vm_shutdown_as(w->call, vm, VM_OPERATIONS_CLEAN_SHUTDOWN, error);
        case OP(HARD_SHUTDOWN):
                return vm_shutdown_as(w->call, vm, VM_OPERATIONS_HARD_SHUTDOWN, error);
        default:
                return vm_shutdown_as(w->call, vm, VM_OPERATIONS_SHUTDOWN, error);
        }
}

#define DELAY_SEC_MAX (24 * 60 * 60)

/* After the last VM of an order, the longest delay that one of them asks for. False: cancelled. */
static bool delay_after(Walk *w, guint last)
{
        const Member *member = &g_array_index(w->members, Member, last);
        int64_t delay_sec = 0;

        if (last + 1 == w->members->len || (member + 1)->order == member->order)
                return true;
        for (guint i = 0; i <= last; i++)
                if (g_array_index(w->members, Member, i).order == member->order)
                        delay_sec = MAX(delay_sec, g_array_index(w->members, Member, i).delay_sec);
        return !delay_sec || call_sleep(w->call, (uint64_t)MIN(delay_sec, DELAY_SEC_MAX) * 1000000);
}

/* What fails does not keep the others from their turn. */
static bool run_members(Walk *w, XapiError **error)
{
        guint n_failed = 0;

        for (guint i = 0; i < w->members->len; i++) {
                const char *vm = g_array_index(w->members, Member, i).vm;
                XapiError *failure = NULL;

                if (!run_member(w, vm, &failure)) {
                        g_autofree char *text = xapi_error_text(failure);

                        log_warning("A VM of an appliance failed", "XAPI_VM", vm, "XAPI_ERROR", text, NULL);
                        xapi_error_free(failure);
                        n_failed++;
                }
                call_progress(w->call, (i + 1.0) / w->members->len);
                if (call_cancelled(w->call) || !delay_after(w, i))
                        return xapi_fail(error, ERR_TASK_CANCELLED, w->call->task, NULL);
        }
        return !n_failed || xapi_fail(error, ERR_OPERATION_PARTIALLY_FAILED,
                                      ENUM_VM_APPLIANCE_OPERATION.values[w->operation], NULL);
}

static bool end(Walk *w, bool ok, XapiError **error)
{
        Txn *txn = txn_begin(w->call->store);
        XapiError *store_error = NULL;

        operation_end(txn, &VM_APPLIANCE_OPERATION_RULES, w->appliance, w->call->task);
        if (!txn_commit_wait(txn, &store_error)) {
                if (ok)
                        *error = g_steal_pointer(&store_error);
                ok = false;
        }
        xapi_error_free(store_error);
        g_array_unref(w->members);
        return ok;
}

static bool walk(Call *call, const char *appliance, int64_t operation, bool paused, XapiError **error)
{
        Walk w = { .call = call, .appliance = appliance, .operation = operation, .paused = paused };

        return begin(&w, error) && end(&w, run_members(&w, error), error);
}

static bool start(Call *call, const VmApplianceStartParams *p, XapiError **error)
{
        return walk(call, p->self, OP(START), p->paused, error);
}

static bool clean_shutdown(Call *call, const VmApplianceCleanShutdownParams *p, XapiError **error)
{
        return walk(call, p->self, OP(CLEAN_SHUTDOWN), false, error);
}

static bool hard_shutdown(Call *call, const VmApplianceHardShutdownParams *p, XapiError **error)
{
        return walk(call, p->self, OP(HARD_SHUTDOWN), false, error);
}

static bool shut_down(Call *call, const VmApplianceShutdownParams *p, XapiError **error)
{
        return walk(call, p->self, OP(SHUTDOWN), false, error);
}

/* ---- recovery ---- */

static bool get_srs(Call *call, const VmApplianceGetSRsRequiredForRecoveryParams *p, XapiError **error)
{
        const VmApplianceRow *appliance =
            (const VmApplianceRow *)txn_require(call_txn(call), &CLASS_VM_APPLIANCE, p->self, error);
        Set *srs;

        if (!appliance)
                return false;
        srs = set_empty(call->message->result->element);
        for (uint32_t i = 0; i < appliance->VMs->n; i++) {
                const VmRow *vm = (const VmRow *)txn_get(call->txn, &CLASS_VM, appliance->VMs->items[i].s);

                if (vm)
                        vm_add_required_srs(call->txn, vm, &srs);
        }
        return call_return(call, (Value){ .set = srs });
}

static bool assert_recoverable(Call *call, const VmApplianceAssertCanBeRecoveredParams *p, XapiError **error)
{
        const VmApplianceRow *appliance =
            (const VmApplianceRow *)txn_require(call_txn(call), &CLASS_VM_APPLIANCE, p->self, error);
        bool ok = appliance;

        for (uint32_t i = 0; ok && i < appliance->VMs->n; i++) {
                const VmRow *vm = (const VmRow *)txn_get(call->txn, &CLASS_VM, appliance->VMs->items[i].s);

                ok = !vm || vm_check_recoverable(call->txn, vm, error);
        }
        return ok;
}

const VmApplianceHandlers vm_appliance_handlers = {
        .start = { PLACE_THREAD, start },
        .clean_shutdown = { PLACE_THREAD, clean_shutdown },
        .hard_shutdown = { PLACE_URGENT, hard_shutdown },
        .shutdown = { PLACE_THREAD, shut_down },
        .get_SRs_required_for_recovery = { PLACE_LOOP, get_srs },
        .assert_can_be_recovered = { PLACE_LOOP, assert_recoverable },
};
