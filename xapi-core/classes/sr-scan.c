/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bringing a repository's objects to what the storage has. */
#include <string.h>

#include "sr.h"

typedef struct Scan {
        SrOperation operation;
        Set *before;         /* volumes of which there was an object before the storage was asked */
        uint64_t generation; /* of that moment */
        StorageVdiInfoList found;
        bool *confirmed; /* of those found that had no object: they are there still */
} Scan;

static Set *volumes_of(Store *store, const char *ref)
{
        const SrRow *sr = STORE_GET(SrRow, CLASS_SR, store, ref);
        Set *vdis;

        if (!sr)
                return NULL;
        vdis = set_ref(sr->VDIs);
        row_unref(&sr->row);
        return vdis;
}

/* location -> ref of every volume of the SR, both borrowed until the transaction changes them. */
static GHashTable *by_location(Txn *txn, const SrRow *sr)
{
        GHashTable *table = g_hash_table_new(g_str_hash, g_str_equal);

        for (uint32_t i = 0; i < sr->VDIs->n; i++) {
                const VdiRow *vdi = (const VdiRow *)txn_get(txn, &CLASS_VDI, sr->VDIs->items[i].s);

                if (vdi)
                        g_hash_table_insert(table, (gpointer)vdi->location, (gpointer)vdi->row.ref);
        }
        return table;
}

/* Above that many, one look at all volumes costs less than a look at each. */
#define CONFIRM_EACH_MAX 16u

static bool ask(SrOperation *o, StorageVdiInfoList *ret, StorageError **e)
{
        int attempt = 0;
        bool ok;

        do
                ok = storage_sr_scan(o->call->manager->daemon->bus, STORAGE_CALL_USEC, o->call->task,
                                     o->sr_uuid, ret, e);
        while (!ok && storage_retry(e, &attempt));
        return ok;
}

static bool find(Scan *s, XapiError **error)
{
        SrOperation *o = &s->operation;
        StorageError *e = NULL;

        s->generation = store_generation(o->call->store);
        s->before = volumes_of(o->call->store, o->sr);
        if (!s->before)
                return xapi_fail(error, ERR_HANDLE_INVALID, "SR", o->sr, NULL);
        return ask(o, &s->found, &e) || storage_fail(o->sr, "", e, error);
}

static bool exists(SrOperation *o, const char *location)
{
        StorageVdiInfo info = { 0 };
        StorageError *e = NULL;
        bool ok = storage_vdi_stat(o->call->manager->daemon->bus, STORAGE_CALL_USEC, o->call->task,
                                   o->sr_uuid, location, &info, &e);

        storage_vdi_info_clear(&info);
        storage_error_free(e);
        return ok;
}

static void confirm_each(Scan *s)
{
        for (size_t i = 0; i < s->found.n; i++)
                s->confirmed[i] = s->confirmed[i] && exists(&s->operation, s->found.items[i].vdi);
}

static void confirm_all(Scan *s)
{
        g_autoptr(GHashTable) there = g_hash_table_new(g_str_hash, g_str_equal);
        StorageVdiInfoList again = { 0 };
        StorageError *e = NULL;

        ask(&s->operation, &again, &e);
        storage_error_free(e);
        for (size_t i = 0; i < again.n; i++)
                g_hash_table_add(there, again.items[i].vdi);
        for (size_t i = 0; i < s->found.n; i++)
                s->confirmed[i] = s->confirmed[i] && g_hash_table_contains(there, s->found.items[i].vdi);
        storage_vdi_info_list_clear(&again);
}

/* A volume without an object may be one that was destroyed since the storage was asked. One that is there still has no
 * object by which it could be destroyed from now on. */
static void confirm(Scan *s)
{
        Txn *txn = txn_begin(s->operation.call->store);
        const SrRow *sr = (const SrRow *)txn_get(txn, &CLASS_SR, s->operation.sr);
        GHashTable *known = by_location(txn, sr);
        size_t unknown = 0;

        s->confirmed = g_new0(bool, s->found.n + 1);
        for (size_t i = 0; i < s->found.n; i++) {
                s->confirmed[i] = !g_hash_table_contains(known, s->found.items[i].vdi);
                unknown += s->confirmed[i];
        }
        g_hash_table_unref(known);
        txn_abort(txn);
        if (unknown > CONFIRM_EACH_MAX)
                confirm_all(s);
        else
                confirm_each(s);
}

/* Whether what the storage said of it may be out of date. */
static bool changed_since(const Scan *s, const VdiRow *vdi)
{
        return vdi->row.generation > s->generation || vdi->current_operations->n;
}

static void fold_known(Txn *txn, const Scan *s, const char *ref, const StorageVdiInfo *info)
{
        const VdiRow *vdi = (const VdiRow *)txn_get(txn, &CLASS_VDI, ref);

        if (!changed_since(s, vdi) && vdi_differs(vdi, info))
                vdi_fold(txn, (VdiRow *)txn_edit(txn, &CLASS_VDI, ref), info);
}

/* The objects of volumes that are there, old and new; what has no entry any more in `left` is accounted for. */
static void fold_found(Txn *txn, Scan *s, GHashTable *left)
{
        VdiRow **made = g_new0(VdiRow *, s->found.n + 1);

        for (size_t i = 0; i < s->found.n; i++) {
                const StorageVdiInfo *info = &s->found.items[i];
                const char *ref = g_hash_table_lookup(left, info->vdi);

                if (ref) {
                        g_hash_table_remove(left, info->vdi);
                        fold_known(txn, s, ref, info);
                } else if (s->confirmed[i]) {
                        made[i] = vdi_row_for(txn, s->operation.sr, info);
                        operation_update(txn, &VDI_OPERATION_RULES, made[i]->row.ref);
                }
        }
        for (size_t i = 0; i < s->found.n; i++)
                if (made[i])
                        vdi_row_relate(txn, made[i], &s->found.items[i]);
        g_free(made);
}

static bool in_use(Txn *txn, const VdiRow *vdi)
{
        for (uint32_t i = 0; i < vdi->VBDs->n; i++) {
                const VbdRow *vbd = (const VbdRow *)txn_get(txn, &CLASS_VBD, vdi->VBDs->items[i].s);

                if (vbd && vbd->currently_attached)
                        return true;
        }
        return false;
}

/* What vanished; not what was made meanwhile or is being worked on. */
static void delete_left(Txn *txn, Scan *s, GHashTable *left)
{
        g_autoptr(GHashTable) before = g_hash_table_new(g_str_hash, g_str_equal);
        GHashTableIter iter;
        gpointer ref;

        for (uint32_t i = 0; i < s->before->n; i++)
                g_hash_table_add(before, (gpointer)s->before->items[i].s);
        g_hash_table_iter_init(&iter, left);
        while (g_hash_table_iter_next(&iter, NULL, &ref)) {
                const VdiRow *vdi = (const VdiRow *)txn_get(txn, &CLASS_VDI, ref);

                if (vdi && g_hash_table_contains(before, ref) && !vdi->current_operations->n &&
                    !in_use(txn, vdi))
                        vdi_row_delete(txn, ref);
        }
}

static void fold(Txn *txn, void *data)
{
        Scan *s = data;
        const SrRow *sr = (const SrRow *)txn_get(txn, &CLASS_SR, s->operation.sr);
        GHashTable *left;

        if (!sr)
                return;
        left = by_location(txn, sr);
        fold_found(txn, s, left);
        delete_left(txn, s, left);
        g_hash_table_unref(left);
}

bool sr_scan(Call *call, const SrScanParams *p, XapiError **error)
{
        Scan s = { .operation = { .call = call,
                                  .sr_ref = p->sr,
                                  .sr_operation = STORAGE_OPERATIONS_SCAN,
                                  .vdi_operation = -1,
                                  .sizes = true } };
        bool ok;

        if (!storage_begin(&s.operation, error))
                return false;
        ok = find(&s, error);
        if (ok)
                confirm(&s);
        ok = storage_end(&s.operation, ok, fold, &s, error);
        storage_vdi_info_list_clear(&s.found);
        set_unref(s.before);
        g_free(s.confirmed);
        return ok;
}

bool sr_update(Call *call, const SrUpdateParams *p, XapiError **error)
{
        SrOperation o = {
                .call = call, .sr_ref = p->sr, .sr_operation = -1, .vdi_operation = -1, .sizes = true
        };

        return storage_begin(&o, error) && storage_end(&o, true, NULL, NULL, error);
}
