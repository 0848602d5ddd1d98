/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xl-table.h"

#include <errno.h>
#include <string.h>

#include <glib.h>
#include <jansson.h>

#include "message-switch/lib/condition.h"
#include "message-switch/lib/daemon.h"
#include "vm-names.h"

#define VM_PREFIX "vm/"

struct XlTable {
        Ledger *ledger;
        pthread_mutex_t lock;
        GHashTable *by_vm; /* XlVm.vm -> XlVm */
};

typedef char VmKey[128];

static void make_key(VmKey key, const char *vm)
{
        g_snprintf(key, sizeof(VmKey), VM_PREFIX "%s", vm);
}

static void device_clear(XlDevice *device)
{
        g_free(device->kind);
        g_free(device->id);
        g_free(device->node);
        g_free(device->memo);
}

static void vm_unref(XlVm *vm)
{
        if (--vm->refs > 0)
                return;
        for (size_t i = 0; i < vm->n_devices; i++)
                device_clear(&vm->devices[i]);
        g_free(vm->devices);
        pthread_cond_destroy(&vm->changed);
        g_free(vm->vm);
        g_free(vm);
}

static XlVm *vm_new(const char *name)
{
        XlVm *vm = g_new0(XlVm, 1);
        vm->vm = g_strdup(name);
        vm->domid = XL_NO_DOMAIN;
        vm->refs = 1;
        condition_init(&vm->changed);
        return vm;
}

static json_t *vm_to_json(const XlVm *vm)
{
        json_t *devices = json_array();
        for (size_t i = 0; i < vm->n_devices; i++) {
                const XlDevice *device = &vm->devices[i];
                json_array_append_new(devices, json_pack("{ss ss ss ss sb}", "kind", device->kind, "id",
                                                         device->id, "node", device->node, "memo",
                                                         device->memo, "carrier", device->carrier));
        }
        return json_pack("{sI sb sI so}", "domid", (json_int_t)vm->domid, "hvm", vm->hvm, "started",
                         (json_int_t)vm->started_usec, "devices", devices);
}

static bool vm_from_json(XlVm *vm, json_t *json)
{
        json_int_t domid, started;
        int hvm;
        json_t *devices, *item;
        size_t i;
        if (json_unpack(json, "{sI sb sI so}", "domid", &domid, "hvm", &hvm, "started", &started, "devices",
                        &devices) < 0)
                return false;
        vm->domid = domid;
        vm->hvm = hvm;
        vm->started_usec = (uint64_t)started;
        json_array_foreach(devices, i, item)
        {
                const char *kind, *id, *node, *memo;
                int carrier;
                if (json_unpack(item, "{ss ss ss ss sb}", "kind", &kind, "id", &id, "node", &node, "memo",
                                &memo, "carrier", &carrier) < 0)
                        return false;
                xl_vm_add_device(vm, kind, id, node, memo, carrier);
        }
        return true;
}

static void table_load(XlTable *table)
{
        g_auto(GStrv) keys = ledger_keys(table->ledger, VM_PREFIX);
        for (char **key = keys; *key; key++) {
                json_t *json = NULL;
                XlVm *vm = vm_new(*key + strlen(VM_PREFIX));
                if (ledger_get_json(table->ledger, *key, &json) == 0 && vm_from_json(vm, json)) {
                        g_hash_table_insert(table->by_vm, vm->vm, vm);
                } else {
                        log_error("What is known of a domain cannot be read", "KEY", *key, NULL);
                        vm_unref(vm);
                }
                json_decref(json);
        }
}

static void vm_release(gpointer vm)
{
        vm_unref(vm);
}

XlTable *xl_table_new(Ledger *ledger)
{
        XlTable *table = g_new0(XlTable, 1);
        table->ledger = ledger;
        pthread_mutex_init(&table->lock, NULL);
        table->by_vm = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, vm_release);
        table_load(table);
        return table;
}

void xl_table_free(XlTable *table)
{
        if (!table)
                return;
        g_hash_table_destroy(table->by_vm);
        pthread_mutex_destroy(&table->lock);
        g_free(table);
}

char **xl_table_list(XlTable *table)
{
        return vm_names(table->by_vm, &table->lock);
}

static int vm_write(XlTable *table, const XlVm *vm)
{
        VmKey key;
        make_key(key, vm->vm);
        json_t *json = vm_to_json(vm);
        int r = ledger_put_json(table->ledger, key, json);
        json_decref(json);
        return r;
}

int xl_table_add(XlTable *table, const char *name, bool hvm)
{
        int r;
        pthread_mutex_lock(&table->lock);
        if (g_hash_table_contains(table->by_vm, name)) {
                r = -EEXIST;
        } else {
                XlVm *vm = vm_new(name);
                vm->hvm = hvm;
                r = vm_write(table, vm);
                if (r == 0)
                        g_hash_table_insert(table->by_vm, vm->vm, vm);
                else
                        vm_unref(vm);
        }
        pthread_mutex_unlock(&table->lock);
        return r;
}

int xl_table_remove(XlTable *table, const char *name)
{
        VmKey key;
        make_key(key, name);
        int r = 0;
        pthread_mutex_lock(&table->lock);
        XlVm *vm = g_hash_table_lookup(table->by_vm, name);
        if (vm)
                r = ledger_remove(table->ledger, key);
        if (vm && r == 0) {
                pthread_cond_broadcast(&vm->changed);
                g_hash_table_remove(table->by_vm, name);
        }
        pthread_mutex_unlock(&table->lock);
        return r;
}

XlVm *xl_table_lock(XlTable *table, const char *name)
{
        pthread_mutex_lock(&table->lock);
        XlVm *vm = g_hash_table_lookup(table->by_vm, name);
        if (!vm)
                pthread_mutex_unlock(&table->lock);
        return vm;
}

int xl_table_commit(XlTable *table, XlVm *vm)
{
        int r = vm_write(table, vm);
        xl_table_unlock(table, vm);
        return r;
}

void xl_table_unlock(XlTable *table, XlVm *vm)
{
        pthread_cond_broadcast(&vm->changed);
        pthread_mutex_unlock(&table->lock);
}

XlDevice *xl_vm_device(XlVm *vm, const char *kind, const char *id)
{
        for (size_t i = 0; i < vm->n_devices; i++)
                if (g_str_equal(vm->devices[i].kind, kind) && g_str_equal(vm->devices[i].id, id))
                        return &vm->devices[i];
        return NULL;
}

XlDevice *xl_vm_add_device(XlVm *vm, const char *kind, const char *id, const char *node, const char *memo,
                           bool carrier)
{
        xl_vm_remove_device(vm, kind, id);
        vm->devices = g_renew(XlDevice, vm->devices, vm->n_devices + 1);
        XlDevice *device = &vm->devices[vm->n_devices++];
        *device =
            (XlDevice){ g_strdup(kind), g_strdup(id), g_strdup(node), g_strdup(memo ? memo : ""), carrier };
        return device;
}

void xl_vm_remove_device(XlVm *vm, const char *kind, const char *id)
{
        XlDevice *device = xl_vm_device(vm, kind, id);
        if (!device)
                return;
        device_clear(device);
        size_t index = (size_t)(device - vm->devices);
        memmove(device, device + 1, (vm->n_devices - index - 1) * sizeof *device);
        vm->n_devices--;
}

/* With the lock. NULL: no VM has that domain. */
static XlVm *vm_with(XlTable *table, int64_t domid)
{
        GHashTableIter iter;
        gpointer value;
        g_hash_table_iter_init(&iter, table->by_vm);
        while (g_hash_table_iter_next(&iter, NULL, &value))
                if (((XlVm *)value)->domid == domid)
                        return value;
        return NULL;
}

char *xl_table_shut_down(XlTable *table, int64_t domid)
{
        char *name = NULL;
        pthread_mutex_lock(&table->lock);
        XlVm *vm = vm_with(table, domid);
        if (vm) {
                vm->shut_down = true;
                pthread_cond_broadcast(&vm->changed);
                name = g_strdup(vm->vm);
        }
        pthread_mutex_unlock(&table->lock);
        return name;
}

GPtrArray *xl_table_disks(XlTable *table, int64_t domid)
{
        GPtrArray *nodes = g_ptr_array_new_with_free_func(g_free);
        pthread_mutex_lock(&table->lock);
        const XlVm *vm = vm_with(table, domid);
        for (size_t i = 0; vm && i < vm->n_devices; i++)
                if (g_str_equal(vm->devices[i].kind, "vbd"))
                        g_ptr_array_add(nodes, g_strdup(vm->devices[i].node));
        pthread_mutex_unlock(&table->lock);
        return nodes;
}

char *xl_table_disk(XlTable *table, int64_t domid, const char *node, char **ret_device)
{
        char *name = NULL;
        pthread_mutex_lock(&table->lock);
        const XlVm *vm = vm_with(table, domid);
        for (size_t i = 0; vm && !name && i < vm->n_devices; i++) {
                if (!g_str_equal(vm->devices[i].kind, "vbd") || !g_str_equal(vm->devices[i].node, node))
                        continue;
                *ret_device = g_strdup(vm->devices[i].id);
                name = g_strdup(vm->vm);
        }
        pthread_mutex_unlock(&table->lock);
        return name;
}

typedef struct Waiter {
        XlTable *table;
        XlVm *vm;
        bool cancelled; /* under the table's lock */
} Waiter;

static void on_cancel(void *data)
{
        Waiter *waiter = data;
        pthread_mutex_lock(&waiter->table->lock);
        waiter->cancelled = true;
        pthread_cond_broadcast(&waiter->vm->changed);
        pthread_mutex_unlock(&waiter->table->lock);
}

int xl_table_wait(XlTable *table, const char *name, uint64_t deadline_usec, Cancel *cancel)
{
        XlVm *vm = xl_table_lock(table, name);
        if (!vm)
                return -ESRCH;
        vm->refs++;
        pthread_mutex_unlock(&table->lock);

        Waiter waiter = { table, vm, false };
        int r;
        cancel_listen(cancel, on_cancel, &waiter);
        pthread_mutex_lock(&table->lock);
        for (;;) {
                if (g_hash_table_lookup(table->by_vm, name) != vm)
                        r = -ESRCH;
                else if (vm->shut_down)
                        r = 0;
                else if (waiter.cancelled)
                        r = -ECANCELED;
                else if (clock_usec() >= deadline_usec)
                        r = -ETIME;
                else {
                        condition_wait(&vm->changed, &table->lock, deadline_usec);
                        continue;
                }
                break;
        }
        pthread_mutex_unlock(&table->lock);
        cancel_listen(cancel, NULL, NULL);
        pthread_mutex_lock(&table->lock);
        vm_unref(vm);
        pthread_mutex_unlock(&table->lock);
        return r;
}
