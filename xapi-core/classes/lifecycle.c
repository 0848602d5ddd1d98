/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lifecycle.h"

#include <stdlib.h>
#include <string.h>

#include "manager.h"
#include "networks.h"
#include "rows.h"
#include "vdi.h"
#include "xenapi.h"

/* ---- around each operation ---- */

bool lifecycle_begin(Lifecycle *l, XapiError **error)
{
        const VmRow *vm;
        Txn *txn;

        /* Nothing is begun of which the end could not be written down. */
        if (!store_check_writable(l->call->store, error))
                return false;
        txn = txn_begin(l->call->store);
        if (!operation_begin(txn, &VM_OPERATION_RULES, l->vm, l->operation, l->call->task, error)) {
                txn_abort(txn);
                return false;
        }
        vm = (const VmRow *)txn_get(txn, &CLASS_VM, l->vm);
        l->uuid = str_ref(vm->uuid);
        l->power_state = vm->power_state;
        if (vm->power_state == VM_POWER_STATE_SUSPENDED)
                l->suspend_vdi = str_ref(vm->suspend_VDI);
        txn_commit(txn, NULL, NULL);
        xenops_enter(l->xenops, l->uuid);
        return true;
}

static void last_change(Txn *txn, void *user)
{
        Lifecycle *l = user;

        if (l->finish)
                l->finish(txn, l);
        operation_end(txn, &VM_OPERATION_RULES, l->vm, l->call->task);
}

/* The refs of the networks that the VM has interfaces on, each once; owned. */
static GPtrArray *networks_of(Store *store, const char *ref)
{
        GPtrArray *refs = g_ptr_array_new_with_free_func(g_free);
        Txn *txn = txn_begin(store);
        const VmRow *vm = (const VmRow *)txn_get(txn, &CLASS_VM, ref);

        for (uint32_t i = 0; vm && i < vm->VIFs->n; i++) {
                const VifRow *vif = (const VifRow *)txn_get(txn, &CLASS_VIF, vm->VIFs->items[i].s);

                if (vif && !g_ptr_array_find_with_equal_func(refs, vif->network, g_str_equal, NULL))
                        g_ptr_array_add(refs, g_strdup(vif->network));
        }
        txn_abort(txn);
        return refs;
}

bool lifecycle_hold_networks(Lifecycle *l, XapiError **error)
{
        g_autoptr(GPtrArray) wanted = networks_of(l->call->store, l->vm);

        l->networks = g_ptr_array_new_with_free_func(g_free);
        for (guint i = 0; i < wanted->len; i++) {
                if (!networks_hold(l->call->manager->networks, l->call->task, wanted->pdata[i], error))
                        return false;
                g_ptr_array_add(l->networks, g_strdup(wanted->pdata[i]));
        }
        return true;
}

static void drop_networks(Lifecycle *l)
{
        for (guint i = 0; l->networks && i < l->networks->len; i++)
                networks_drop(l->call->manager->networks, l->networks->pdata[i]);
        g_clear_pointer(&l->networks, g_ptr_array_unref);
}

static void remove_image(Lifecycle *l, bool ok)
{
        XapiError *ignored = NULL;

        if (ok && l->unneeded && !vdi_destroy_quietly(l->call, l->unneeded, &ignored))
                log_warning("The image of a suspended VM could not be removed", "XAPI_VM", l->uuid, NULL);
        xapi_error_free(ignored);
        str_unref(l->unneeded);
}

bool lifecycle_end(Lifecycle *l, bool ok, XapiError **error)
{
        /* What only this operation knows of is lost unless it is written down; the rest can be asked for later. */
        bool insist = ok && l->finish;
        XapiError *store_error = NULL;

        if (!xenops_leave(l->xenops, l->vm, insist, last_change, l, &store_error)) {
                if (ok)
                        *error = g_steal_pointer(&store_error);
                ok = false;
        }
        xapi_error_free(store_error);
        remove_image(l, ok);
        drop_networks(l);
        str_unref(l->uuid);
        str_unref(l->suspend_vdi);
        return ok;
}

Lifecycle lifecycle(Call *call, const char *vm, int64_t operation)
{
        return (Lifecycle){ .call = call,
                            .xenops = call->manager->xenops,
                            .bus = call->manager->daemon->bus,
                            .vm = vm,
                            .operation = operation };
}

bool lifecycle_wait(Lifecycle *l, bool called, char *task, XenopsError *e, XapiError **error)
{
        if (!called)
                return xenops_fail(l->vm, e, error);
        return xenops_wait(l->xenops, l->call, l->vm, task, error);
}

/* ---- steps that several operations have ---- */

bool lifecycle_unpause(Lifecycle *l, XapiError **error)
{
        XenopsError *e = NULL;
        char *task = NULL;
        bool called = xenops_vm_unpause(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, &task, &e);

        return lifecycle_wait(l, called, task, e, error);
}

bool lifecycle_shut_down(Lifecycle *l, const double *delay_sec, XapiError **error)
{
        XenopsError *e = NULL;
        char *task = NULL;
        bool called =
            xenops_vm_shutdown(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, delay_sec, &task, &e);

        return lifecycle_wait(l, called, task, e, error);
}

void lifecycle_finish_halted(Txn *txn, Lifecycle *l)
{
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, l->vm);

        vm->power_state = VM_POWER_STATE_HALTED;
        if (strcmp(vm->suspend_VDI, NULL_REF) != 0) {
                vdi_will_go(txn, l->call, vm->suspend_VDI);
                str_unref(l->unneeded);
                l->unneeded = str_ref(vm->suspend_VDI);
        }
        slot_str(&vm->suspend_VDI, NULL_REF);
        slot_str(&vm->resident_on, NULL_REF);
}

void lifecycle_forget(Lifecycle *l)
{
        XenopsError *e = NULL;

        if (!xenops_vm_remove(l->bus, XENOPS_CALL_USEC, l->call->task, l->uuid, &e))
                xenops_error_free(e);
}

bool lifecycle_halt(Lifecycle *l, XapiError **error)
{
        if (l->power_state != VM_POWER_STATE_SUSPENDED)
                return lifecycle_shut_down(l, NULL, error);
        lifecycle_forget(l); /* it would say that the VM is suspended */
        l->finish = lifecycle_finish_halted;
        return true;
}
