/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting and stopping: what is allowed is checked and marked, xenopsd is asked and waited for, the rows follow. */
#include <stdlib.h>

#include "manager.h"
#include "rows.h"
#include "uuid.h"
#include "vdi.h"
#include "vm.h"
#include "xenapi.h"

/* How long a guest may take to shut down or restart cleanly. */
#define CLEAN_SHUTDOWN_SEC 1200.0

typedef struct Lifecycle {
        Call *call;
        Xenops *xenops;
        Bus *bus;
        const char *vm;   /* ref */
        Str uuid;
        int64_t operation;
        bool failed;
        void (*finish)(Txn *txn, struct Lifecycle *l); /* in the last transaction, when all went well; may be NULL */
        Str suspend_vdi;  /* ref */
} Lifecycle;

/* ---- around each operation ---- */

static bool begin(Lifecycle *l, XapiError **error)
{
        Txn *txn = txn_begin(l->call->store);

        if (!operation_begin(txn, &VM_OPERATION_RULES, l->vm, l->operation, l->call->task, error)) {
                txn_abort(txn);
                return false;
        }
        l->uuid = str_ref(((const VmRow *)txn_get(txn, &CLASS_VM, l->vm))->uuid);
        txn_commit(txn, NULL, NULL);
        xenops_enter(l->xenops, l->uuid);
        return true;
}

static void last_change(Txn *txn, void *user)
{
        Lifecycle *l = user;

        if (!l->failed && l->finish)
                l->finish(txn, l);
        operation_end(txn, &VM_OPERATION_RULES, l->vm, l->call->task);
}

/* `ok` and *error are what the operation itself came to. */
static bool end(Lifecycle *l, bool ok, XapiError **error)
{
        XapiError *store_error = NULL;

        l->failed = !ok;
        if (!xenops_leave(l->xenops, l->vm, last_change, l, &store_error)) {
                if (ok)
                        *error = g_steal_pointer(&store_error);
                ok = false;
        }
        xapi_error_free(store_error);
        str_unref(l->uuid);
        str_unref(l->suspend_vdi);
        return ok;
}

static Lifecycle lifecycle(Call *call, const char *vm, int64_t operation)
{
        return (Lifecycle){ .call = call,
                            .xenops = call->manager->xenops,
                            .bus = call->manager->daemon->bus,
                            .vm = vm,
                            .operation = operation };
}

/* One call that makes a task of xenopsd's, and the wait for its end. */
static bool finish_step(Lifecycle *l, bool called, char *task, XenopsError *e, XapiError **error)
{
        if (!called)
                return xenops_fail(l->vm, e, error);
        return xenops_wait(l->xenops, l->call, l->vm, task, error);
}

/* ---- start ---- */

/* What a VM keeps from its first start on. */
static void prepare_row(Lifecycle *l)
{
        Txn *txn = txn_begin(l->call->store);
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, l->vm);
        const HostRow *host = (const HostRow *)txn_get(txn, &CLASS_HOST, l->call->manager->host);

        if (vm && host) {
                if (!vm->bios_strings->n)
                        slot_map(&vm->bios_strings, map_ref(host->bios_strings));
                slot_map(&vm->last_boot_CPU_flags, map_of_strings(vm->last_boot_CPU_flags->type, "vendor",
                                                                  map_get_str(host->cpu_info, "vendor"), "features",
                                                                  "", NULL));
        }
        txn_commit(txn, NULL, NULL);
}

static bool ask_start(Lifecycle *l, bool paused, XapiError **error)
{
        XenopsError *e = NULL;
        char *task = NULL;
        bool called = xenops_vm_start(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, paused, &task, &e);

        return finish_step(l, called, task, e, error);
}

static bool start(Call *call, const char *vm, int64_t operation, bool paused, XapiError **error)
{
        Lifecycle l = lifecycle(call, vm, operation);

        if (!begin(&l, error))
                return false;
        prepare_row(&l);
        return end(&l, xenops_describe(l.xenops, vm, error) && ask_start(&l, paused, error), error);
}

/* Where this VM is to run. Of a pool of one host, that one, if it is enabled. */
static bool check_host(Call *call, const char *ref, XapiError **error)
{
        const HostRow *host = (const HostRow *)store_require(call->store, &CLASS_HOST, ref, error);
        bool enabled = host && host->enabled;

        if (!host)
                return false;
        row_unref(&host->row);
        return enabled || xapi_fail(error, ERR_HOST_DISABLED, ref, NULL);
}

bool vm_start(Call *call, const VmStartParams *p, XapiError **error)
{
        return start(call, p->vm, VM_OPERATIONS_START, p->start_paused, error);
}

bool vm_start_on(Call *call, const VmStartOnParams *p, XapiError **error)
{
        return check_host(call, p->host, error) && start(call, p->vm, VM_OPERATIONS_START_ON, p->start_paused, error);
}

/* ---- pause, unpause ---- */

bool vm_pause(Call *call, const VmPauseParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_PAUSE);
        XenopsError *e = NULL;
        char *task = NULL;
        bool called;

        if (!begin(&l, error))
                return false;
        called = xenops_vm_pause(l.bus, XENOPS_CALL_USEC, call->task, l.uuid, &task, &e);
        return end(&l, finish_step(&l, called, task, e, error), error);
}

static bool ask_unpause(Lifecycle *l, XapiError **error)
{
        XenopsError *e = NULL;
        char *task = NULL;
        bool called = xenops_vm_unpause(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, &task, &e);

        return finish_step(l, called, task, e, error);
}

bool vm_unpause(Call *call, const VmUnpauseParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_UNPAUSE);

        return begin(&l, error) && end(&l, ask_unpause(&l, error), error);
}

/* ---- shutdown, reboot ---- */

static bool ask_shutdown(Lifecycle *l, const double *delay_sec, XapiError **error)
{
        XenopsError *e = NULL;
        char *task = NULL;
        bool called = xenops_vm_shutdown(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, delay_sec, &task, &e);

        return finish_step(l, called, task, e, error);
}

static bool ask_reboot(Lifecycle *l, const double *delay_sec, XapiError **error)
{
        XenopsError *e = NULL;
        char *task = NULL;
        bool called = xenops_vm_reboot(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, delay_sec, &task, &e);

        return finish_step(l, called, task, e, error);
}

bool vm_clean_shutdown(Call *call, const VmCleanShutdownParams *p, XapiError **error)
{
        static const double delay = CLEAN_SHUTDOWN_SEC;
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_CLEAN_SHUTDOWN);

        return begin(&l, error) && end(&l, ask_shutdown(&l, &delay, error), error);
}

/* A suspended VM has no domain: what is left of it is its image. */
static void finish_halt(Txn *txn, Lifecycle *l)
{
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, l->vm);

        vm->power_state = VM_POWER_STATE_HALTED;
        slot_str(&vm->suspend_VDI, NULL_REF);
        slot_str(&vm->resident_on, NULL_REF);
}

static bool is_suspended(Lifecycle *l, Str *ret_vdi)
{
        const VmRow *vm = STORE_GET(VmRow, CLASS_VM, l->call->store, l->vm);
        bool suspended = vm && vm->power_state == VM_POWER_STATE_SUSPENDED;

        if (suspended)
                *ret_vdi = str_ref(vm->suspend_VDI);
        if (vm)
                row_unref(&vm->row);
        return suspended;
}

static bool halt(Lifecycle *l, XapiError **error)
{
        XapiError *ignored = NULL;

        if (!is_suspended(l, &l->suspend_vdi))
                return ask_shutdown(l, NULL, error);
        l->finish = finish_halt;
        if (!vdi_destroy_quietly(l->call, l->suspend_vdi, &ignored))
                log_warning("The image of a suspended VM could not be removed", "XAPI_VM", l->uuid, NULL);
        xapi_error_free(ignored);
        return true;
}

static bool hard_shutdown(Call *call, const char *vm, int64_t operation, XapiError **error)
{
        Lifecycle l = lifecycle(call, vm, operation);

        return begin(&l, error) && end(&l, halt(&l, error), error);
}

bool vm_hard_shutdown(Call *call, const VmHardShutdownParams *p, XapiError **error)
{
        return hard_shutdown(call, p->vm, VM_OPERATIONS_HARD_SHUTDOWN, error);
}

/* Cleanly where the guest can, else as if the plug were pulled. */
static bool shut_down(Lifecycle *l, XapiError **error)
{
        static const double delay = CLEAN_SHUTDOWN_SEC;
        const VmRow *vm = STORE_GET(VmRow, CLASS_VM, l->call->store, l->vm);
        bool running = vm && vm->power_state == VM_POWER_STATE_RUNNING;
        XapiError *clean_error = NULL;

        if (vm)
                row_unref(&vm->row);
        if (running && ask_shutdown(l, &delay, &clean_error))
                return true;
        if (xapi_error_is(clean_error, ERR_TASK_CANCELLED)) {
                *error = clean_error;
                return false;
        }
        xapi_error_free(clean_error);
        return halt(l, error);
}

bool vm_shutdown(Call *call, const VmShutdownParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_SHUTDOWN);

        return begin(&l, error) && end(&l, shut_down(&l, error), error);
}

bool vm_clean_reboot(Call *call, const VmCleanRebootParams *p, XapiError **error)
{
        static const double delay = CLEAN_SHUTDOWN_SEC;
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_CLEAN_REBOOT);

        return begin(&l, error) && end(&l, ask_reboot(&l, &delay, error), error);
}

bool vm_hard_reboot(Call *call, const VmHardRebootParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_HARD_REBOOT);

        return begin(&l, error) && end(&l, ask_reboot(&l, NULL, error), error);
}

/* ---- suspend, resume ---- */

/* The VM's own choice, else its host's, else the pool's. Returns owned; NULL_REF: nowhere. */
static Str suspend_sr(Call *call, const char *ref)
{
        const VmRow *vm = STORE_GET(VmRow, CLASS_VM, call->store, ref);
        const HostRow *host = STORE_GET(HostRow, CLASS_HOST, call->store, call->manager->host);
        const PoolRow *pool = STORE_GET(PoolRow, CLASS_POOL, call->store, call->manager->pool);
        const char *choices[] = { vm ? vm->suspend_SR : NULL_REF, host->suspend_image_sr, pool->suspend_image_SR };
        Str found = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(choices) && !found; i++) {
                const Row *sr = store_get(call->store, &CLASS_SR, choices[i]);

                if (sr) {
                        found = str_ref(sr->ref);
                        row_unref(sr);
                }
        }
        if (vm)
                row_unref(&vm->row);
        row_unref(&host->row);
        row_unref(&pool->row);
        return found ? found : str_new(NULL_REF);
}

static void finish_suspend(Txn *txn, Lifecycle *l)
{
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, l->vm);

        vm->power_state = VM_POWER_STATE_SUSPENDED;
        vm->domid = -1;
        slot_str(&vm->suspend_VDI, l->suspend_vdi);
        slot_str(&vm->resident_on, NULL_REF);
}

static int64_t image_bytes(Lifecycle *l)
{
        const VmRow *vm = STORE_GET(VmRow, CLASS_VM, l->call->store, l->vm);
        int64_t bytes = vm ? vm->memory_static_max : 0;

        if (vm)
                row_unref(&vm->row);
        return bytes + bytes / 10 + (INT64_C(16) << 20); /* memory, and what describes it */
}

static bool ask_suspend(Lifecycle *l, const char *vdi, XapiError **error)
{
        g_autofree char *disk_text = xenops_disk_of_vdi(l->call->store, vdi);
        XenopsDisk disk = { .tag = XENOPS_DISK_VDI, .vdi = disk_text };
        XenopsError *e = NULL;
        char *task = NULL;
        bool called = xenops_vm_suspend(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, &disk, &task, &e);

        return finish_step(l, called, task, e, error);
}

static bool suspend(Lifecycle *l, XapiError **error)
{
        auto_str sr = suspend_sr(l->call, l->vm);
        XapiError *ignored = NULL;

        if (strcmp(sr, NULL_REF) == 0)
                return xapi_fail(error, ERR_VM_NO_SUSPEND_SR, l->vm, NULL);
        l->suspend_vdi = vdi_create_in(l->call, sr, "Suspend image", image_bytes(l), VDI_TYPE_SUSPEND, error);
        if (!l->suspend_vdi)
                return false;
        l->finish = finish_suspend;
        if (ask_suspend(l, l->suspend_vdi, error))
                return true;
        vdi_destroy_quietly(l->call, l->suspend_vdi, &ignored);
        xapi_error_free(ignored);
        return false;
}

bool vm_suspend(Call *call, const VmSuspendParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_SUSPEND);

        return begin(&l, error) && end(&l, suspend(&l, error), error);
}

static void finish_resume(Txn *txn, Lifecycle *l)
{
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, l->vm);

        slot_str(&vm->suspend_VDI, NULL_REF);
}

static bool ask_resume(Lifecycle *l, XapiError **error)
{
        g_autofree char *disk_text = xenops_disk_of_vdi(l->call->store, l->suspend_vdi);
        XenopsDisk disk = { .tag = XENOPS_DISK_VDI, .vdi = disk_text };
        XenopsError *e = NULL;
        char *task = NULL;
        bool called;

        if (!disk_text)
                return xapi_fail(error, ERR_VM_HAS_NO_SUSPEND_VDI, l->vm, NULL);
        called = xenops_vm_resume(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, &disk, &task, &e);
        return finish_step(l, called, task, e, error);
}

static bool resume(Lifecycle *l, bool paused, XapiError **error)
{
        XapiError *ignored = NULL;

        if (!is_suspended(l, &l->suspend_vdi))
                return xapi_fail(error, ERR_VM_HAS_NO_SUSPEND_VDI, l->vm, NULL);
        if (!xenops_describe(l->xenops, l->vm, error) || !ask_resume(l, error))
                return false;
        l->finish = finish_resume;
        vdi_destroy_quietly(l->call, l->suspend_vdi, &ignored);
        xapi_error_free(ignored);
        return paused || ask_unpause(l, error);
}

bool vm_resume(Call *call, const VmResumeParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_RESUME);

        return begin(&l, error) && end(&l, resume(&l, p->start_paused, error), error);
}

bool vm_resume_on(Call *call, const VmResumeOnParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_RESUME_ON);

        return check_host(call, p->host, error) && begin(&l, error) &&
               end(&l, resume(&l, p->start_paused, error), error);
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
        l.finish = finish_halt;
        return begin(&l, error) && end(&l, true, error);
}
