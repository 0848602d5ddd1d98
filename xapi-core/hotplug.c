/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug.h"

#include "daemon.h"
#include "manager.h"
#include "xenapi.h"

static void last_change(Txn *txn, void *user)
{
        Hotplug *h = user;

        if (!h->failed && h->finish && txn_get(txn, h->class->rules->class, h->device))
                h->finish(txn, h);
        operation_end(txn, h->class->rules, h->device, h->call->task);
}

static bool begin(Hotplug *h, Str *ret_uuid, XapiError **error)
{
        Txn *txn = txn_begin(h->call->store);
        const VmRow *vm;

        if (!operation_begin(txn, h->class->rules, h->device, h->operation, h->call->task, error)) {
                txn_abort(txn);
                return false;
        }
        h->vm_ref =
            str_ref(row_values(txn_get(txn, h->class->rules->class, h->device))[h->class->vm_field].s);
        vm = (const VmRow *)txn_get(txn, &CLASS_VM, h->vm_ref);
        *ret_uuid = vm ? str_ref(vm->uuid) : str_empty();
        txn_commit(txn, NULL, NULL);
        return true;
}

static bool ask(Hotplug *h, XapiError **error)
{
        XenopsError *refusal = NULL;
        char *task = NULL;

        h->bus = h->call->manager->daemon->bus;
        h->id = xenops_device(h->vm->uuid, row_values(h->row)[h->class->name_field].s);
        if (!h->ask(h, &task, &refusal, error))
                return refusal ? xenops_fail_device(h->vm_ref, h->device, refusal, error) : false;
        return !task ||
               xenops_wait_device(h->call->manager->xenops, h->call, h->vm_ref, h->device, task, error);
}

static bool ask_with_rows(Hotplug *h, XapiError **error)
{
        bool ok;

        h->row = store_require(h->call->store, h->class->rules->class, h->device, error);
        h->vm = h->row ? (const VmRow *)store_require(h->call->store, &CLASS_VM, h->vm_ref, error) : NULL;
        ok = h->vm && ask(h, error);
        if (h->vm)
                row_unref(&h->vm->row);
        if (h->row)
                row_unref(h->row);
        return ok;
}

bool hotplug_run(Hotplug *h, XapiError **error)
{
        Xenops *xenops = h->call->manager->xenops;
        XapiError *store_error = NULL;
        auto_str uuid = NULL;
        bool ok;

        if (!begin(h, &uuid, error))
                return false;
        xenops_enter(xenops, uuid);
        ok = ask_with_rows(h, error);
        h->failed = !ok;
        if (!xenops_leave(xenops, h->vm_ref, ok && h->finish, last_change, h, &store_error)) {
                if (ok)
                        *error = g_steal_pointer(&store_error);
                ok = false;
        }
        xapi_error_free(store_error);
        str_unref(h->vm_ref);
        return ok;
}
