/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting and stopping: what is allowed is checked and marked, xenopsd is asked and waited for, the rows follow. */
#include "bios-strings.h"
#include "lifecycle.h"
#include "manager.h"
#include "rows.h"
#include "vm-handlers.h"
#include "xenapi.h"

/* How long a guest may take to shut down or restart cleanly. */
#define CLEAN_SHUTDOWN_SEC 1200.0

/* ---- start ---- */

/* What a VM keeps from its first start on. */
static void prepare_row(Txn *txn, VmRow *vm, const HostRow *host)
{
        const char *vendor = map_get_str(host->cpu_info, "vendor");

        if (!*vm->generation_id || strcmp(vm->generation_id, "0:0") == 0)
                vm_fresh_generation_id(vm);
        if (!txn_get(txn, &CLASS_VM_METRICS, vm->metrics))
                vm_make_metrics(txn, vm); /* a VM that has been a template has none */
        if (!vm->bios_strings->n)
                slot_map(&vm->bios_strings, bios_strings_generic(vm->bios_strings->type));
        slot_map(&vm->last_boot_CPU_flags, map_of_strings(vm->last_boot_CPU_flags->type, "vendor",
                                                          vendor ? vendor : "", "features", "", NULL));
}

/* `chosen`: the client named this host, and is told why it will not do. */
static bool prepare(Lifecycle *l, bool chosen, bool force, XapiError **error)
{
        Txn *txn = txn_begin(l->call->store);
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, l->vm);
        const HostRow *host = (const HostRow *)txn_get(txn, &CLASS_HOST, l->call->manager->host);

        if (!force && !vm_check_place(txn, vm, host, error)) {
                txn_abort(txn);
                if (chosen)
                        return false;
                xapi_error_free(g_steal_pointer(error));
                return xapi_fail(error, ERR_NO_HOSTS_AVAILABLE, NULL);
        }
        prepare_row(txn, vm, host);
        txn_commit(txn, NULL, NULL);
        return true;
}

static bool ask_start(Lifecycle *l, bool paused, XapiError **error)
{
        XenopsError *e = NULL;
        char *task = NULL;
        bool called = xenops_vm_start(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, paused, &task, &e);

        return lifecycle_wait(l, called, task, e, error);
}

bool vm_start_on_any(Call *call, const char *vm, bool paused, XapiError **error)
{
        return vm_start(call, &(VmStartParams){ .vm = vm, .start_paused = paused }, error);
}

static bool run_start(Lifecycle *l, bool chosen, bool paused, bool force, XapiError **error)
{
        return prepare(l, chosen, force, error) && lifecycle_hold_networks(l, error) &&
               xenops_describe(l->xenops, l->vm, error) && ask_start(l, paused, error);
}

bool vm_start(Call *call, const VmStartParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_START);

        return lifecycle_begin(&l, error) &&
               lifecycle_end(&l, run_start(&l, false, p->start_paused, p->force, error), error);
}

/* The pool has one host: that is the one that is named, or there is none of that name. */
bool vm_check_host(Call *call, const char *ref, XapiError **error)
{
        const Row *host = store_require(call->store, &CLASS_HOST, ref, error);

        if (host)
                row_unref(host);
        return host;
}

bool vm_start_on(Call *call, const VmStartOnParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_START_ON);

        return vm_check_host(call, p->host, error) && lifecycle_begin(&l, error) &&
               lifecycle_end(&l, run_start(&l, true, p->start_paused, p->force, error), error);
}

/* ---- pause, unpause ---- */

bool vm_pause(Call *call, const VmPauseParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_PAUSE);
        XenopsError *e = NULL;
        char *task = NULL;
        bool called;

        if (!lifecycle_begin(&l, error))
                return false;
        called = xenops_vm_pause(l.bus, XENOPS_CALL_USEC, call->task, l.uuid, &task, &e);
        return lifecycle_end(&l, lifecycle_wait(&l, called, task, e, error), error);
}

bool vm_unpause(Call *call, const VmUnpauseParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_UNPAUSE);

        return lifecycle_begin(&l, error) && lifecycle_end(&l, lifecycle_unpause(&l, error), error);
}

/* ---- shutdown, reboot ---- */

static bool ask_reboot(Lifecycle *l, const double *delay_sec, XapiError **error)
{
        XenopsError *e = NULL;
        char *task = NULL;
        bool called =
            xenops_vm_reboot(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, delay_sec, &task, &e);

        return lifecycle_wait(l, called, task, e, error);
}

/* Cleanly where the guest can, else as if the plug were pulled. */
static bool shut_down(Lifecycle *l, XapiError **error)
{
        static const double delay = CLEAN_SHUTDOWN_SEC;
        XapiError *clean_error = NULL;

        if (l->power_state == VM_POWER_STATE_RUNNING && lifecycle_shut_down(l, &delay, &clean_error))
                return true;
        if (xapi_error_is(clean_error, ERR_TASK_CANCELLED)) {
                *error = clean_error;
                return false;
        }
        xapi_error_free(clean_error);
        return lifecycle_halt(l, error);
}

static bool run_shutdown(Lifecycle *l, XapiError **error)
{
        static const double delay = CLEAN_SHUTDOWN_SEC;

        switch (l->operation) {
        case VM_OPERATIONS_CLEAN_SHUTDOWN:
                return lifecycle_shut_down(l, &delay, error);
        case VM_OPERATIONS_HARD_SHUTDOWN:
                return lifecycle_halt(l, error);
        default:
                return shut_down(l, error);
        }
}

bool vm_shutdown_as(Call *call, const char *vm, int64_t as, XapiError **error)
{
        Lifecycle l = lifecycle(call, vm, as);

        return lifecycle_begin(&l, error) && lifecycle_end(&l, run_shutdown(&l, error), error);
}

bool vm_clean_shutdown(Call *call, const VmCleanShutdownParams *p, XapiError **error)
{
        return vm_shutdown_as(call, p->vm, VM_OPERATIONS_CLEAN_SHUTDOWN, error);
}

bool vm_hard_shutdown(Call *call, const VmHardShutdownParams *p, XapiError **error)
{
        return vm_shutdown_as(call, p->vm, VM_OPERATIONS_HARD_SHUTDOWN, error);
}

bool vm_shutdown(Call *call, const VmShutdownParams *p, XapiError **error)
{
        return vm_shutdown_as(call, p->vm, VM_OPERATIONS_SHUTDOWN, error);
}

bool vm_clean_reboot(Call *call, const VmCleanRebootParams *p, XapiError **error)
{
        static const double delay = CLEAN_SHUTDOWN_SEC;
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_CLEAN_REBOOT);

        return lifecycle_begin(&l, error) && lifecycle_end(&l, ask_reboot(&l, &delay, error), error);
}

bool vm_hard_reboot(Call *call, const VmHardRebootParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_HARD_REBOOT);

        return lifecycle_begin(&l, error) && lifecycle_end(&l, ask_reboot(&l, NULL, error), error);
}

/* ---- reset ---- */

static bool has_domain(Call *call, const VmRow *vm)
{
        XenopsVmStat stat = { 0 };
        XenopsError *e = NULL;
        bool domain;

        if (!xenops_vm_stat(call->manager->daemon->bus, XENOPS_CALL_USEC, call->task, vm->uuid, &stat, &e)) {
                domain = e->tag != XENOPS_ERROR_DOES_NOT_EXIST;
                xenops_error_free(e);
                return domain;
        }
        domain = stat.state.domids.n;
        xenops_vm_stat_clear(&stat);
        return domain;
}

bool vm_power_state_reset(Call *call, const VmPowerStateResetParams *p, XapiError **error)
{
        const VmRow *vm = (const VmRow *)store_require(call->store, &CLASS_VM, p->vm, error);
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_POWER_STATE_RESET);
        bool ok = vm;

        if (ok && vm->is_control_domain)
                ok = xapi_fail(error, ERR_CANNOT_RESET_CONTROL_DOMAIN, p->vm, NULL);
        if (ok && vm->power_state != VM_POWER_STATE_HALTED && has_domain(call, vm))
                ok = xapi_fail(error, ERR_DOMAIN_EXISTS, p->vm, NULL);
        if (vm)
                row_unref(&vm->row);
        if (!ok)
                return false;
        if (!lifecycle_begin(&l, error))
                return false;
        lifecycle_forget(&l);
        l.finish = lifecycle_finish_halted;
        return lifecycle_end(&l, true, error);
}
