/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A repository attached on this host. */
#include <string.h>

#include "daemon.h"
#include "storage-internal.h"

#define VOLUMES_PER_TXN 256

/* ---- rows ---- */

Str sr_uuid(Store *store, const char *ref, XapiError **error)
{
        const SrRow *sr = (const SrRow *)store_require(store, &CLASS_SR, ref, error);
        Str uuid;

        if (!sr)
                return NULL;
        uuid = str_ref(sr->uuid);
        row_unref(&sr->row);
        return uuid;
}

const PbdRow *sr_pbd_of(Txn *txn, const SrRow *sr, const char *host)
{
        for (uint32_t i = 0; i < sr->PBDs->n; i++) {
                const PbdRow *pbd = (const PbdRow *)txn_get(txn, &CLASS_PBD, sr->PBDs->items[i].s);

                if (pbd && strcmp(pbd->host, host) == 0)
                        return pbd;
        }
        return NULL;
}

bool sr_require_plugged(Call *call, const char *ref, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        const SrRow *sr = (const SrRow *)txn_require(txn, &CLASS_SR, ref, error);
        const PbdRow *pbd = sr ? sr_pbd_of(txn, sr, call->manager->host) : NULL;
        bool plugged = pbd && pbd->currently_attached;

        if (sr && !plugged)
                xapi_fail(error, ERR_SR_HAS_NO_PBDS, ref, NULL);
        txn_abort(txn);
        return plugged;
}

void sr_update_volumes(Store *store, const char *ref)
{
        const SrRow *sr = STORE_GET(SrRow, CLASS_SR, store, ref);
        Txn *txn = NULL;

        if (!sr)
                return;
        for (uint32_t i = 0; i < sr->VDIs->n; i++) {
                if (!txn)
                        txn = txn_begin(store);
                operation_update(txn, &VDI_OPERATION_RULES, sr->VDIs->items[i].s);
                if (i % VOLUMES_PER_TXN == VOLUMES_PER_TXN - 1)
                        txn_commit(g_steal_pointer(&txn), NULL, NULL);
        }
        if (txn)
                txn_commit(txn, NULL, NULL);
        row_unref(&sr->row);
}

/* ---- sm-daemon ---- */

bool sr_stat(Manager *manager, const char *dbg, const char *uuid, StorageSrInfo *ret)
{
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        do
                ok = storage_sr_stat(manager->daemon->bus, STORAGE_CALL_USEC, dbg, uuid, ret, &e);
        while (!ok && storage_retry(&e, &attempt));
        storage_error_free(e);
        return ok;
}

static bool attach(Bus *bus, const char *dbg, const SrRow *sr, const PbdRow *pbd, XapiError **error)
{
        BusDict config = storage_dict(pbd->device_config);
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        do
                ok = storage_sr_attach(bus, STORAGE_CALL_USEC, dbg, sr->uuid, &config, sr->type, &e);
        while (!ok && storage_retry(&e, &attempt));
        g_free(config.items);
        return ok || storage_fail(sr->row.ref, "", e, error);
}

/* The repository that the host has from the beginning is made when it is first attached. Making it again changes
 * nothing. */
static bool make_own(Manager *manager, const char *dbg, const SrRow *sr, const PbdRow *pbd)
{
        g_autofree char *own = storage_own_location(manager);
        const char *location = map_get_str(pbd->device_config, "location");
        BusDict config, ignored = { 0 };
        StorageError *e = NULL;
        bool ok;

        if (strcmp(sr->type, "dir") != 0 || !location || strcmp(location, own) != 0)
                return false;
        config = storage_dict(pbd->device_config);
        ok = storage_sr_create(manager->daemon->bus, STORAGE_CALL_USEC, dbg, sr->uuid, sr->name_label,
                               sr->name_description, &config, 0, sr->type, &ignored, &e);
        g_free(config.items);
        bus_dict_clear(&ignored);
        storage_error_free(e);
        return ok;
}

static bool attach_or_make(Manager *manager, const char *dbg, const SrRow *sr, const PbdRow *pbd,
                           XapiError **error)
{
        Bus *bus = manager->daemon->bus;
        XapiError *first = NULL;

        if (attach(bus, dbg, sr, pbd, &first))
                return true;
        if (!make_own(manager, dbg, sr, pbd)) {
                *error = first;
                return false;
        }
        xapi_error_free(first);
        return attach(bus, dbg, sr, pbd, error);
}

static bool note_attached(Manager *manager, const char *dbg, const SrRow *sr, const char *ref,
                          XapiError **error)
{
        StorageSrInfo info = { 0 };
        bool sizes = sr_stat(manager, dbg, sr->uuid, &info), was = false, ok;
        Txn *txn = txn_begin(manager->store);
        PbdRow *pbd = (PbdRow *)txn_edit(txn, &CLASS_PBD, ref);

        if (pbd)
                was = pbd->currently_attached;
        if (pbd)
                pbd->currently_attached = true;
        if (sizes)
                sr_fold(txn, sr->row.ref, &info);
        operation_update(txn, &SR_OPERATION_RULES, sr->row.ref);
        ok = txn_commit_wait(txn, error);
        storage_sr_info_clear(&info);
        if (ok && !was)
                sr_update_volumes(manager->store, sr->row.ref);
        return ok;
}

bool pbd_attach(Manager *manager, const char *dbg, const char *ref, XapiError **error)
{
        const PbdRow *pbd = (const PbdRow *)store_require(manager->store, &CLASS_PBD, ref, error);
        const SrRow *sr =
            pbd ? (const SrRow *)store_require(manager->store, &CLASS_SR, pbd->SR, error) : NULL;
        bool ok =
            sr && attach_or_make(manager, dbg, sr, pbd, error) && note_attached(manager, dbg, sr, ref, error);

        if (sr)
                row_unref(&sr->row);
        if (pbd)
                row_unref(&pbd->row);
        return ok;
}
