/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "manager.h"
#include "operations.h"
#include "rows.h"
#include "vdi.h"
#include "xenapi.h"
#include "xenops-internal.h"

#define FOLLOW_SEC 5 /* of one UPDATES.get, and until it is seen that the disk refused a change */
#define AGAIN_SEC  1 /* what the disk refused is tried again */
#define LOCKS      1024

struct Xenops {
        Manager *manager;
        Bus *bus;
        pthread_t follower;
        atomic_bool stopping;
        XenopsTasks *tasks;
        /* One VM's reports reach the rows one at a time. Outermost: taken before the store's. */
        pthread_mutex_t vm_locks[LOCKS];
        pthread_mutex_t lock; /* guards what is below; innermost */
        GHashTable *entered;  /* VM uuid -> Entered */
        GHashTable
            *stale; /* uuids of VMs whose last change is not in the rows: xenopsd or the disk refused */
        unsigned n_refreshes; /* on their way to the disk */
        pthread_cond_t refreshed;
};

/* A VM with operations of ours under way. */
typedef struct Entered {
        int n;
        bool changed; /* something happened since xenopsd was last asked */
} Entered;

static pthread_mutex_t *vm_lock(Xenops *x, const char *uuid)
{
        return &x->vm_locks[g_str_hash(uuid) % LOCKS];
}

/* ---- reports ---- */

static void report_clear(XenopsReport *r)
{
        xenops_vm_stat_clear(&r->vm);
        xenops_vbd_stat_list_clear(&r->vbds);
        xenops_vif_stat_list_clear(&r->vifs);
}

bool xenops_is_lost(Xenops *x, XenopsError **error)
{
        const BusFailure *failure = xenops_error_failure(*error);

        if (!failure || failure->outcome != BUS_OUTCOME_UNKNOWN || atomic_load(&x->stopping))
                return false;
        g_clear_pointer(error, xenops_error_free);
        return true;
}

/* What of an answer is missing says nothing only where the VM is gone meanwhile. */
static bool is_gone(XenopsError *taken)
{
        bool gone = taken->tag == XENOPS_ERROR_DOES_NOT_EXIST;

        xenops_error_free(taken);
        return gone;
}

/* False: xenopsd does not answer. */
static bool report_get(Xenops *x, const char *uuid, XenopsReport *ret)
{
        XenopsWholeStat whole = { 0 };
        XenopsError *e = NULL;

        *ret = (XenopsReport){ 0 };
        while (!(ret->known = xenops_vm_stat_whole(x->bus, XENOPS_CALL_USEC, "stat", uuid, &whole, &e)))
                if (!xenops_is_lost(x, &e))
                        return is_gone(e);
        ret->vm = whole.vm;
        ret->vbds = whole.vbds;
        ret->vifs = whole.vifs;
        return true;
}

static bool report_get_row(Xenops *x, const char *vm, XenopsReport *ret)
{
        const VmRow *row = STORE_GET(VmRow, CLASS_VM, x->manager->store, vm);
        bool ok = row && report_get(x, row->uuid, ret);

        if (row)
                row_unref(&row->row);
        return ok;
}

/* ---- operations of ours ---- */

void xenops_enter(Xenops *x, const char *uuid)
{
        Entered *e;

        pthread_mutex_lock(&x->lock);
        e = g_hash_table_lookup(x->entered, uuid);
        if (!e) {
                e = g_new0(Entered, 1);
                g_hash_table_insert(x->entered, g_strdup(uuid), e);
        }
        e->n++;
        pthread_mutex_unlock(&x->lock);
}

static void set_changed(Xenops *x, const char *uuid, bool changed)
{
        Entered *e;

        pthread_mutex_lock(&x->lock);
        e = g_hash_table_lookup(x->entered, uuid);
        if (e)
                e->changed = changed;
        pthread_mutex_unlock(&x->lock);
}

/* True: it was the last, and something happened since it asked. */
static bool leave(Xenops *x, const char *uuid)
{
        bool missed = false;
        Entered *e;

        pthread_mutex_lock(&x->lock);
        e = g_hash_table_lookup(x->entered, uuid);
        if (e && --e->n == 0) {
                missed = e->changed;
                g_hash_table_remove(x->entered, uuid);
        }
        pthread_mutex_unlock(&x->lock);
        return missed;
}

/* Whether an operation of ours is under way, which will look at the VM when it ends. */
static bool left_to_operation(Xenops *x, const char *uuid)
{
        Entered *e;

        pthread_mutex_lock(&x->lock);
        e = g_hash_table_lookup(x->entered, uuid);
        if (e)
                e->changed = true;
        pthread_mutex_unlock(&x->lock);
        return e;
}

/* A VM that has ended is none of xenopsd's concern: each start describes it anew. While our operation is marked no
 * other can be describing it. */
static void forget_ended(Xenops *x, const XenopsReport *report)
{
        XenopsError *e = NULL;

        if (report->known && report->vm.state.power_state == XENOPS_POWER_STATE_HALTED &&
            !xenops_vm_remove(x->bus, XENOPS_CALL_USEC, "forget", report->vm.vm.id, &e))
                xenops_error_free(e);
}

/* The follower will look at it again. */
static void set_stale(Xenops *x, const char *uuid)
{
        pthread_mutex_lock(&x->lock);
        g_hash_table_add(x->stale, g_strdup(uuid));
        pthread_mutex_unlock(&x->lock);
}

/* With the VM's lock held. */
static bool follow_to_end(Xenops *x, const char *vm, const char *uuid, void (*finish)(Txn *txn, void *data),
                          void *data, XapiError **error)
{
        XenopsReport report = { 0 };
        bool have = report_get_row(x, vm, &report), ok;
        Txn *txn;

        if (have)
                forget_ended(x, &report);
        else
                set_stale(x, uuid); /* xenopsd does not answer */
        txn = txn_begin(x->manager->store);
        if (have)
                xenops_fold(txn, x->manager, vm, &report);
        if (finish)
                finish(txn, data);
        ok = txn_commit_wait(txn, error);
        report_clear(&report);
        return ok;
}

typedef struct Refresh {
        Xenops *xenops;
        char uuid[];
} Refresh;

static void refreshed(const XapiError *error, void *user)
{
        Refresh *refresh = user;
        Xenops *x = refresh->xenops;
        g_autofree char *text = error ? xapi_error_text(error) : NULL;

        if (error)
                log_error("A change of a VM could not be stored", "XAPI_ERROR", text, "XAPI_VM",
                          refresh->uuid, NULL);
        if (error)
                set_stale(x, refresh->uuid);
        pthread_mutex_lock(&x->lock);
        x->n_refreshes--;
        pthread_cond_signal(&x->refreshed);
        pthread_mutex_unlock(&x->lock);
        g_free(refresh);
}

static Refresh *refresh_new(Xenops *x, const char *uuid)
{
        size_t size = strlen(uuid) + 1;
        Refresh *refresh = g_malloc(sizeof(*refresh) + size);

        refresh->xenops = x;
        memcpy(refresh->uuid, uuid, size);
        pthread_mutex_lock(&x->lock);
        x->n_refreshes++;
        pthread_mutex_unlock(&x->lock);
        return refresh;
}

/* Of a VM that was resumed while nobody looked -> its image, owned, which is no longer its own; else NULL. */
static Str take_image(Txn *txn, const VmRow *before)
{
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, before->row.ref);
        Str image;

        if (!vm || before->power_state != VM_POWER_STATE_SUSPENDED ||
            strcmp(vm->suspend_VDI, NULL_REF) == 0 || !xenops_is_live(vm->power_state))
                return NULL;
        image = str_ref(vm->suspend_VDI);
        slot_str(&vm->suspend_VDI, NULL_REF);
        return image;
}

/* With the VM's lock held. */
static void bring_up_to_date(Xenops *x, const Row *vm, const char *uuid)
{
        XenopsReport report = { 0 };
        auto_str image = NULL;

        /* What began meanwhile may have been seen half done, and looks itself when it ends. */
        if (report_get_row(x, vm->ref, &report) && !left_to_operation(x, uuid)) {
                Refresh *refresh = refresh_new(x, uuid);
                Txn *txn = txn_begin(x->manager->store);

                xenops_fold(txn, x->manager, vm->ref, &report);
                image = take_image(txn, (const VmRow *)vm);
                txn_commit(txn, refreshed, refresh);
        }
        if (image)
                vdi_remove_later(x->manager, image);
        report_clear(&report);
}

bool xenops_leave(Xenops *x, const char *vm, bool insist, void (*finish)(Txn *txn, void *data), void *data,
                  XapiError **error)
{
        const VmRow *row = STORE_GET(VmRow, CLASS_VM, x->manager->store, vm);
        g_autofree char *uuid = g_strdup(row ? row->uuid : "");
        bool ok;

        for (;;) {
                pthread_mutex_lock(vm_lock(x, uuid));
                set_changed(x, uuid, false);
                ok = follow_to_end(x, vm, uuid, finish, data, error);
                if (ok || !insist || atomic_load(&x->stopping))
                        break;
                pthread_mutex_unlock(vm_lock(x, uuid));
                g_clear_pointer(error, xapi_error_free);
                g_usleep(AGAIN_SEC * G_USEC_PER_SEC);
        }
        if (!ok)
                set_stale(x, uuid);
        if (leave(x, uuid))
                bring_up_to_date(x, &row->row, uuid);
        pthread_mutex_unlock(vm_lock(x, uuid));
        if (row)
                row_unref(&row->row);
        return ok;
}

/* ---- following ---- */

/* Something happened to a VM. */
static void vm_changed(Xenops *x, const char *uuid)
{
        const Row *row =
            left_to_operation(x, uuid) ? NULL : store_get_by_uuid(x->manager->store, &CLASS_VM, uuid);

        if (!row)
                return;
        pthread_mutex_lock(vm_lock(x, uuid));
        bring_up_to_date(x, row, uuid);
        pthread_mutex_unlock(vm_lock(x, uuid));
        row_unref(row);
}

/* Tasks first, since somebody waits for them; a VM once, whatever of it changed. */
static void handle(Xenops *x, const XenopsEventIdList *events)
{
        g_autoptr(GHashTable) vms = g_hash_table_new(g_str_hash, g_str_equal);
        GHashTableIter i;
        void *uuid;

        for (size_t k = 0; k < events->n; k++) {
                const XenopsEventId *event = &events->items[k];

                if (event->tag == XENOPS_EVENT_ID_TASK)
                        xenops_tasks_wake(x->tasks, event->task);
                else if (event->tag == XENOPS_EVENT_ID_VM)
                        g_hash_table_add(vms, event->vm);
                else if (event->tag == XENOPS_EVENT_ID_VBD)
                        g_hash_table_add(vms, event->vbd.vm);
                else if (event->tag == XENOPS_EVENT_ID_VIF)
                        g_hash_table_add(vms, event->vif.vm);
        }
        g_hash_table_iter_init(&i, vms);
        while (!atomic_load(&x->stopping) && g_hash_table_iter_next(&i, &uuid, NULL))
                vm_changed(x, uuid);
}

/* After a start, ours or xenopsd's: whatever was missed. */
static void reconcile(Xenops *x)
{
        size_t n;
        const Row **rows = store_rows(x->manager->store, &CLASS_VM, &n);

        for (size_t i = 0; i < n && !atomic_load(&x->stopping); i++) {
                const VmRow *vm = (const VmRow *)rows[i];

                if (!vm->is_control_domain && xenops_is_live(vm->power_state))
                        vm_changed(x, vm->uuid);
        }
        store_rows_free(rows, n);
        xenops_tasks_wake_all(x->tasks);
}

static bool any_stale(Xenops *x)
{
        bool any;

        pthread_mutex_lock(&x->lock);
        any = g_hash_table_size(x->stale) > 0;
        pthread_mutex_unlock(&x->lock);
        return any;
}

static void refresh_stale(Xenops *x)
{
        g_autoptr(GHashTable) stale = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        GHashTableIter i;
        void *uuid;

        pthread_mutex_lock(&x->lock);
        g_hash_table_iter_init(&i, x->stale);
        while (g_hash_table_iter_next(&i, &uuid, NULL)) {
                g_hash_table_add(stale, uuid);
                g_hash_table_iter_steal(&i);
        }
        pthread_mutex_unlock(&x->lock);
        g_hash_table_iter_init(&i, stale);
        while (!atomic_load(&x->stopping) && g_hash_table_iter_next(&i, &uuid, NULL))
                vm_changed(x, uuid);
}

static bool follow_once(Xenops *x, int64_t *last, bool *have_last)
{
        const int64_t timeout = any_stale(x) ? AGAIN_SEC : FOLLOW_SEC;
        XenopsUpdates updates = { 0 };
        XenopsError *e = NULL;

        if (!xenops_updates_get(x->bus, (FOLLOW_SEC + 30) * UINT64_C(1000000), "updates",
                                *have_last ? last : NULL, &timeout, &updates, &e)) {
                xenops_error_free(e);
                return false;
        }
        handle(x, &updates.events);
        refresh_stale(x);
        *last = updates.next;
        *have_last = true;
        xenops_updates_clear(&updates);
        return true;
}

static void *follow(void *user)
{
        Xenops *x = user;
        int64_t last = 0;
        bool have_last = false, lost = true;

        while (!atomic_load(&x->stopping)) {
                if (follow_once(x, &last, &have_last)) {
                        if (lost)
                                reconcile(x);
                        lost = false;
                        continue;
                }
                if (!atomic_load(&x->stopping) && !bus_connected(x->bus))
                        g_usleep(10000);
                else if (!atomic_load(&x->stopping))
                        g_usleep(100000); /* nobody serves the queue: not yet started, or not installed */
                lost = true;
                have_last = false;
                xenops_tasks_wake_all(x->tasks);
        }
        return NULL;
}

/* ---- life ---- */

Manager *xenops_manager(Xenops *x)
{
        return x->manager;
}

XenopsTasks *xenops_tasks(Xenops *x)
{
        return x->tasks;
}

bool xenops_stopping(Xenops *x)
{
        return atomic_load(&x->stopping);
}

Xenops *xenops_new(Manager *manager)
{
        Xenops *x = g_new0(Xenops, 1);

        x->manager = manager;
        x->bus = manager->daemon->bus;
        x->tasks = xenops_tasks_new();
        x->entered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        x->stale = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        pthread_cond_init(&x->refreshed, NULL);
        pthread_mutex_init(&x->lock, NULL);
        for (size_t i = 0; i < LOCKS; i++)
                pthread_mutex_init(&x->vm_locks[i], NULL);
        if (pthread_create(&x->follower, NULL, follow, x) != 0)
                abort();
        return x;
}

void xenops_stop(Xenops *x)
{
        atomic_store(&x->stopping, true);
}

void xenops_free(Xenops *x)
{
        if (!x)
                return;
        xenops_stop(x);
        pthread_join(x->follower, NULL);
        pthread_mutex_lock(&x->lock);
        while (x->n_refreshes > 0)
                pthread_cond_wait(&x->refreshed, &x->lock);
        pthread_mutex_unlock(&x->lock);
        for (size_t i = 0; i < LOCKS; i++)
                pthread_mutex_destroy(&x->vm_locks[i]);
        pthread_mutex_destroy(&x->lock);
        xenops_tasks_free(x->tasks);
        g_hash_table_unref(x->stale);
        pthread_cond_destroy(&x->refreshed);
        g_hash_table_unref(x->entered);
        g_free(x);
}
