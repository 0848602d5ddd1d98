/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "seed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "mac.h"
#include "rows.h"
#include "storage-internal.h"
#include "vm.h"

#define DISKS      2 /* of each VM */
#define DISK_BYTES (INT64_C(64) << 20)
#define WRITERS    16 /* disks that are being made at a time */
#define TEMPLATE   "Diskless"

typedef struct Seed {
        Manager *manager;
        int n;
        Str sr, sr_uuid, network; /* owned */
        const VmRow *template;    /* owned */
        StorageVdiInfo *disks;    /* n * DISKS */
        atomic_int next;          /* of the disks that are to be made */
        pthread_mutex_t lock;     /* guards error */
        XapiError *error;         /* the first; it ends everything */
        atomic_bool failed, done;
} Seed;

static char *label_of(int vm)
{
        return g_strdup_printf("VM %05d", vm + 1);
}

static char *disk_label_of(int disk)
{
        return g_strdup_printf("VM %05d disk %d", disk / DISKS + 1, disk % DISKS);
}

/* ---- where they go ---- */

static bool find_vm(const Row *row, void *user)
{
        const VmRow *vm = (const VmRow *)row;

        if (vm->is_a_template || vm->is_control_domain)
                return true;
        *(bool *)user = true;
        return false;
}

static bool has_vms(Store *store)
{
        Txn *txn = txn_begin(store);
        bool found = false;

        txn_each(txn, &CLASS_VM, find_vm, &found);
        txn_abort(txn);
        return found;
}

static bool find_places(Seed *s)
{
        Store *store = s->manager->store;
        const PoolRow *pool = STORE_GET(PoolRow, CLASS_POOL, store, s->manager->pool);
        size_t n_networks, n_templates;
        const Row **networks = store_rows(store, &CLASS_NETWORK, &n_networks);
        const Row **templates = store_rows_by_label(store, &CLASS_VM, TEMPLATE, &n_templates);
        XapiError *ignored = NULL;

        s->sr = str_ref(pool->default_SR);
        s->sr_uuid = sr_uuid(store, s->sr, &ignored);
        s->network = n_networks ? str_ref(networks[0]->ref) : NULL;
        s->template = n_templates ? (const VmRow *)row_ref((Row *)templates[0]) : NULL;
        xapi_error_free(ignored);
        row_unref(&pool->row);
        store_rows_free(networks, n_networks);
        store_rows_free(templates, n_templates);
        return s->sr_uuid && s->network && s->template;
}

static void fail(Seed *s, XapiError *taken)
{
        pthread_mutex_lock(&s->lock);
        if (!s->error)
                s->error = g_steal_pointer(&taken);
        pthread_mutex_unlock(&s->lock);
        xapi_error_free(taken);
        atomic_store(&s->failed, true);
}

/* ---- disks ---- */

/* Those that are on the storage though no object tells of them. */
static void take_old_disks(Seed *s)
{
        g_autoptr(GHashTable) wanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        StorageVdiInfoList found = { 0 };
        StorageError *e = NULL;

        if (!storage_sr_scan(s->manager->daemon->bus, STORAGE_CALL_USEC, "seed", s->sr_uuid, &found, &e)) {
                storage_error_free(e);
                return;
        }
        for (int i = 0; found.n && i < s->n * DISKS; i++)
                g_hash_table_insert(wanted, disk_label_of(i), &s->disks[i]);
        for (size_t i = 0; i < found.n; i++) {
                StorageVdiInfo *place = g_hash_table_lookup(wanted, found.items[i].name_label);

                if (!place || place->vdi || found.items[i].virtual_size < DISK_BYTES)
                        continue;
                *place = found.items[i];
                found.items[i] = (StorageVdiInfo){ 0 };
        }
        storage_vdi_info_list_clear(&found);
}

static bool make_disk(Seed *s, int i, XapiError **error)
{
        g_autofree char *label = disk_label_of(i);
        StorageVdiInfo info = {
                .name_label = label, .ty = (char *)"user", .virtual_size = DISK_BYTES, .persistent = true
        };
        StorageError *e = NULL;

        return storage_vdi_create(s->manager->daemon->bus, STORAGE_CALL_USEC, "seed", s->sr_uuid, &info,
                                  &s->disks[i], &e) ||
               storage_fail(s->sr, "", e, error);
}

static void *make_disks(void *user)
{
        Seed *s = user;
        XapiError *error = NULL;
        int i;

        while (!atomic_load(&s->failed) && (i = atomic_fetch_add(&s->next, 1)) < s->n * DISKS)
                if (!s->disks[i].vdi && !make_disk(s, i, &error))
                        fail(s, g_steal_pointer(&error));
        return NULL;
}

static void make_all_disks(Seed *s)
{
        pthread_t writers[WRITERS];
        int n = 0;

        take_old_disks(s);
        while (n < WRITERS && pthread_create(&writers[n], NULL, make_disks, s) == 0)
                n++;
        if (n == 0)
                make_disks(s);
        for (int i = 0; i < n; i++)
                pthread_join(writers[i], NULL);
}

/* ---- rows ---- */

static VmRow *insert_vm(Txn *txn, const Seed *s, int i)
{
        g_autofree char *label = label_of(i);
        VmRow *vm = (VmRow *)row_copy(&s->template->row);
        auto_str seed_key = str_new("mac_seed");

        str_set(&vm->row.ref, "");
        slot_str(&vm->uuid, "");
        slot_str(&vm->name_label, label);
        slot_str(&vm->name_description, "");
        vm->is_a_template = vm->is_default_template = false;
        slot_map(&vm->other_config, map_without(vm->other_config, (Value){ .s = seed_key }));
        vm = (VmRow *)txn_insert(txn, &vm->row);
        vm_ensure_mac_seed(vm);
        vm_fresh_generation_id(vm);
        vm_make_metrics(txn, vm);
        return vm;
}

static void insert_disk(Txn *txn, const Seed *s, const VmRow *vm, int device, const StorageVdiInfo *info)
{
        g_autofree char *userdevice = g_strdup_printf("%d", device);
        VdiRow *vdi = vdi_row_for(txn, s->sr, info);
        VbdRow *vbd = (VbdRow *)txn_create(txn, &CLASS_VBD, NULL, NULL);

        operation_update(txn, &VDI_OPERATION_RULES, vdi->row.ref);
        slot_str(&vbd->VM, vm->row.ref);
        slot_str(&vbd->VDI, vdi->row.ref);
        slot_str(&vbd->userdevice, userdevice);
        slot_str(&vbd->metrics, txn_create(txn, &CLASS_VBD_METRICS, NULL, NULL)->ref);
        vbd->bootable = device == 0;
        vbd->mode = VBD_MODE_RW;
        vbd->type = VBD_TYPE_DISK;
        vbd->unpluggable = true;
        operation_update(txn, &VBD_OPERATION_RULES, vbd->row.ref);
}

static void insert_interface(Txn *txn, const Seed *s, const VmRow *vm)
{
        VifRow *vif = (VifRow *)txn_create(txn, &CLASS_VIF, NULL, NULL);
        char mac[MAC_TEXT_SIZE];

        mac_from_seed(mac, map_get_str(vm->other_config, "mac_seed"), "0");
        slot_str(&vif->VM, vm->row.ref);
        slot_str(&vif->network, s->network);
        slot_str(&vif->device, "0");
        slot_str(&vif->MAC, mac);
        slot_str(&vif->metrics, txn_create(txn, &CLASS_VIF_METRICS, NULL, NULL)->ref);
        vif->MAC_autogenerated = true;
        vif->MTU = 1500;
        vif->locking_mode = VIF_LOCKING_MODE_NETWORK_DEFAULT;
        operation_update(txn, &VIF_OPERATION_RULES, vif->row.ref);
}

/* In one transaction: a store with some VMs is never seeded again. */
static void insert_all(Seed *s)
{
        StorageSrInfo info = { 0 };
        bool sizes = sr_stat(s->manager, "seed", s->sr_uuid, &info);
        Txn *txn = txn_begin(s->manager->store);
        XapiError *error = NULL;

        for (int i = 0; i < s->n; i++) {
                VmRow *vm = insert_vm(txn, s, i);

                for (int k = 0; k < DISKS; k++)
                        insert_disk(txn, s, vm, k, &s->disks[i * DISKS + k]);
                insert_interface(txn, s, vm);
                operation_update(txn, &VM_OPERATION_RULES, vm->row.ref);
        }
        if (sizes)
                sr_fold(txn, s->sr, &info);
        operation_update(txn, &SR_OPERATION_RULES, s->sr);
        if (!txn_commit_wait(txn, &error))
                fail(s, error);
        storage_sr_info_clear(&info);
}

/* ---- all of it ---- */

static void *run(void *user)
{
        Seed *s = user;
        uint64_t begin_usec = clock_usec();
        g_autofree char *seconds = NULL;
        XapiError *error = NULL;

        if (!find_places(s)) {
                xapi_fail_internal(&error, "There is no place for the first VMs");
                fail(s, error);
        }
        if (!atomic_load(&s->failed))
                make_all_disks(s);
        if (!atomic_load(&s->failed))
                insert_all(s);
        seconds = g_strdup_printf("%.1f", (double)(clock_usec() - begin_usec) / 1e6);
        log_info("The first VMs are made", "XAPI_SECONDS", seconds, NULL);
        atomic_store(&s->done, true);
        loop_stop(s->manager->daemon->loop);
        return NULL;
}

static void clear(Seed *s)
{
        for (int i = 0; i < s->n * DISKS; i++)
                storage_vdi_info_clear(&s->disks[i]);
        g_free(s->disks);
        if (s->template)
                row_unref(&s->template->row);
        str_unref(s->sr);
        str_unref(s->sr_uuid);
        str_unref(s->network);
        pthread_mutex_destroy(&s->lock);
}

bool seed_vms(Manager *manager, int n, XapiError **error)
{
        Seed s = { .manager = manager, .n = n };
        pthread_t thread;

        if (n <= 0 || has_vms(manager->store))
                return true;
        if (n > SEED_VMS_MAX)
                return xapi_fail_internal(error, "No more than %d VMs to begin with", SEED_VMS_MAX);
        s.disks = g_new0(StorageVdiInfo, (gsize)n * DISKS);
        pthread_mutex_init(&s.lock, NULL);
        storage_settle(manager->storage, 0);
        if (pthread_create(&thread, NULL, run, &s) != 0)
                abort();
        storage_run_loop(manager, &s.done);
        pthread_join(thread, NULL);
        clear(&s);
        if (s.error)
                *error = s.error;
        return !s.error;
}
