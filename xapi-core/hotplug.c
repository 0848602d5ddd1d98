/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug.h"

#include "manager.h"
#include "xenapi.h"

static void last_change(Txn *txn, void *user)
{
        Hotplug *h = user;

        if (!h->failed && h->finish && txn_get(txn, h->rules->class, h->device))
                h->finish(txn, h);
        operation_end(txn, h->rules, h->device, h->call->task);
}

static bool begin(Hotplug *h, size_t vm_field, Str *ret_uuid, XapiError **error)
{
        Txn *txn = txn_begin(h->call->store);
        const VmRow *vm;

        if (!operation_begin(txn, h->rules, h->device, h->operation, h->call->task, error)) {
                txn_abort(txn);
                return false;
        }
        h->vm = str_ref(row_values(txn_get(txn, h->rules->class, h->device))[vm_field].s);
        vm = (const VmRow *)txn_get(txn, &CLASS_VM, h->vm);
        *ret_uuid = vm ? str_ref(vm->uuid) : str_empty();
        txn_commit(txn, NULL, NULL);
        return true;
}

bool hotplug_run(Hotplug *h, size_t vm_field, XapiError **error)
{
        Xenops *xenops = h->call->manager->xenops;
        XapiError *store_error = NULL;
        auto_str uuid = NULL;
        char *task = NULL;
        bool ok;

        if (!begin(h, vm_field, &uuid, error))
                return false;
        xenops_enter(xenops, uuid);
        ok = h->ask(h, uuid, &task, error);
        if (ok && task)
                ok = xenops_wait(xenops, h->call, h->vm, task, error);
        h->failed = !ok;
        if (!xenops_leave(xenops, h->vm, ok && h->finish, last_change, h, &store_error)) {
                if (ok)
                        *error = g_steal_pointer(&store_error);
                ok = false;
        }
        xapi_error_free(store_error);
        str_unref(h->vm);
        return ok;
}
