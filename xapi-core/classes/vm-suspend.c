/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VM.suspend, VM.resume, VM.checkpoint: a guest's memory put onto a disk, and back. */
#include "lifecycle.h"
#include "manager.h"
#include "rows.h"
#include "vdi.h"
#include "vm-copy.h"
#include "vm-handlers.h"
#include "xenapi.h"

/* ---- suspend, resume ---- */

/* The VM's own choice, else its host's, else the pool's. Returns owned; NULL_REF: nowhere. */
static Str suspend_sr(Call *call, const char *ref)
{
        const VmRow *vm = STORE_GET(VmRow, CLASS_VM, call->store, ref);
        const HostRow *host = STORE_GET(HostRow, CLASS_HOST, call->store, call->manager->host);
        const PoolRow *pool = STORE_GET(PoolRow, CLASS_POOL, call->store, call->manager->pool);
        const char *choices[] = { vm ? vm->suspend_SR : NULL_REF, host->suspend_image_sr,
                                  pool->suspend_image_SR };
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

        return lifecycle_wait(l, called, task, e, error);
}

static void remove_image(Call *call, const char *vdi)
{
        XapiError *error = NULL;

        if (!vdi_destroy_quietly(call, vdi, &error))
                log_warning("The memory image of a VM could not be removed", "XAPI_VDI", vdi, NULL);
        xapi_error_free(error);
}

/* In the row before anything is written to it: should this process not live to see the guest suspended, it can still be
 * resumed. */
static bool note_image(Lifecycle *l, XapiError **error)
{
        Txn *txn = txn_begin(l->call->store);
        VmRow *vm = (VmRow *)txn_require_edit(txn, &CLASS_VM, l->vm, error);
        auto_str stale = NULL;

        if (!vm) {
                txn_abort(txn);
                return false;
        }
        stale = str_ref(vm->suspend_VDI);
        slot_str(&vm->suspend_VDI, l->suspend_vdi);
        if (!txn_commit_wait(txn, error))
                return false;
        remove_image(l->call, stale); /* of a resume that this process did not live to see the end of */
        return true;
}

static void finish_without_image(Txn *txn, Lifecycle *l)
{
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, l->vm);

        vdi_will_go(txn, l->call, vm->suspend_VDI);
        slot_str(&vm->suspend_VDI, NULL_REF);
}

static bool make_image(Lifecycle *l, XapiError **error)
{
        auto_str sr = suspend_sr(l->call, l->vm);

        if (strcmp(sr, NULL_REF) == 0)
                return xapi_fail(error, ERR_VM_NO_SUSPEND_SR, l->vm, NULL);
        l->suspend_vdi = vdi_create_in(l->call, sr, "Suspend image", image_bytes(l), VDI_TYPE_SUSPEND, error);
        return l->suspend_vdi;
}

/* Whether the call failed or only its answer was lost: the image of a guest that is gone is never thrown away. */
static bool see_outcome(Lifecycle *l, XapiError **error)
{
        XenopsVmStat stat = { 0 };
        XenopsError *e = NULL;
        bool known = xenops_vm_stat(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, &stat, &e);
        /* It has ended, and xenopsd was told to forget it. */
        bool gone = !known && e->tag == XENOPS_ERROR_DOES_NOT_EXIST;
        bool suspended = known && stat.state.power_state == XENOPS_POWER_STATE_SUSPENDED;

        xenops_error_free(e);
        xenops_vm_stat_clear(&stat);
        if (!known && !gone)
                return false;
        if (suspended) {
                xapi_error_free(g_steal_pointer(error));
                return true;
        }
        l->finish = finish_without_image;
        remove_image(l->call, l->suspend_vdi);
        return false;
}

static bool suspend(Lifecycle *l, XapiError **error)
{
        if (!make_image(l, error))
                return false;
        if (!note_image(l, error)) {
                remove_image(l->call, l->suspend_vdi);
                return false;
        }
        if (!ask_suspend(l, l->suspend_vdi, error) && !see_outcome(l, error))
                return false;
        l->finish = finish_suspend;
        return true;
}

bool vm_suspend(Call *call, const VmSuspendParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_SUSPEND);

        return lifecycle_begin(&l, error) && lifecycle_end(&l, suspend(&l, error), error);
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
        return lifecycle_wait(l, called, task, e, error);
}

static bool resume(Lifecycle *l, bool paused, XapiError **error)
{
        if (!l->suspend_vdi)
                return xapi_fail(error, ERR_VM_HAS_NO_SUSPEND_VDI, l->vm, NULL);
        if (!lifecycle_hold_networks(l, error) || !xenops_describe(l->xenops, l->vm, error) ||
            !ask_resume(l, error))
                return false;
        l->finish = finish_without_image;
        return paused || lifecycle_unpause(l, error);
}

/* The image goes once no row says that it is needed. */
static bool resume_as(Call *call, const char *vm, int64_t as, bool paused, XapiError **error)
{
        Lifecycle l = lifecycle(call, vm, as);
        auto_str image = NULL;
        bool ok;

        if (!lifecycle_begin(&l, error))
                return false;
        image = l.suspend_vdi ? str_ref(l.suspend_vdi) : NULL;
        ok = lifecycle_end(&l, resume(&l, paused, error), error);
        if (l.finish)
                remove_image(call, image);
        return ok;
}

bool vm_resume(Call *call, const VmResumeParams *p, XapiError **error)
{
        return resume_as(call, p->vm, VM_OPERATIONS_RESUME, p->start_paused, error);
}

bool vm_resume_on(Call *call, const VmResumeOnParams *p, XapiError **error)
{
        return vm_check_host(call, p->host, error) &&
               resume_as(call, p->vm, VM_OPERATIONS_RESUME_ON, p->start_paused, error);
}

/* ---- checkpoint ---- */

static bool wrap(XapiError **error, const char *code, const char *vm)
{
        g_autofree char *reason = xapi_error_text(*error);

        xapi_error_free(g_steal_pointer(error));
        return xapi_fail(error, code, vm, reason, NULL);
}

static void finish_checkpoint(Txn *txn, Lifecycle *l)
{
        VmCopy *c = l->data;

        if (c->power_state == VM_POWER_STATE_RUNNING)
                finish_without_image(txn, l);
        call_return_str(l->call, vm_copy_insert(c, txn)->row.ref);
}

/* The memory goes to a disk, the disks are snapshotted while nothing runs, and the guest goes on from that memory, of
 * which the disk stays with the snapshot. */
static bool checkpoint_running(Lifecycle *l, VmCopy *c, XapiError **error)
{
        XapiError *resume_error = NULL;
        bool copied;

        if (!suspend(l, error))
                return xapi_error_is(*error, ERR_VM_NO_SUSPEND_SR) ||
                               xapi_error_is(*error, ERR_TASK_CANCELLED)
                           ? false
                           : wrap(error, ERR_VM_CHECKPOINT_SUSPEND_FAILED, l->vm);
        copied = vm_copy_disks(c, error);
        if (!ask_resume(l, &resume_error) || !lifecycle_unpause(l, &resume_error)) {
                xapi_error_free(*error);
                *error = resume_error;
                return wrap(error, ERR_VM_CHECKPOINT_RESUME_FAILED, l->vm); /* it stays suspended */
        }
        l->finish = finish_without_image;
        if (copied)
                c->suspend_vdi = g_steal_pointer(&l->suspend_vdi);
        else
                remove_image(l->call, l->suspend_vdi);
        return copied;
}

static bool checkpoint(Lifecycle *l, VmCopy *c, XapiError **error)
{
        bool ok = c->power_state == VM_POWER_STATE_RUNNING ? checkpoint_running(l, c, error)
                                                           : vm_copy_disks(c, error);

        if (ok)
                l->finish = finish_checkpoint;
        return ok;
}

bool vm_checkpoint(Call *call, const VmCheckpointParams *p, XapiError **error)
{
        Lifecycle l = lifecycle(call, p->vm, VM_OPERATIONS_CHECKPOINT);
        VmCopy c = { .call = call, .kind = VM_COPY_CHECKPOINT, .source = p->vm, .name = p->new_name };
        bool ok;

        if (!lifecycle_begin(&l, error))
                return false;
        l.data = &c;
        c.power_state = l.power_state;
        ok = lifecycle_end(&l, checkpoint(&l, &c, error), error);
        if (ok)
                vm_copy_clear(&c);
        else
                vm_copy_undo(&c);
        return ok;
}
