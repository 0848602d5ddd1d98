/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "classes.h"
#include "storage-internal.h"

/* ---- create, destroy ---- */

static bool create(Call *call, const PbdCreateParams *p, XapiError **error)
{
        const PbdRow *args = (const PbdRow *)p->args;
        const SrRow *sr = (const SrRow *)txn_require(call_txn(call), &CLASS_SR, args->SR, error);
        const PbdRow *old = sr ? sr_pbd_of(call->txn, sr, args->host) : NULL;
        PbdRow *pbd;

        if (!sr)
                return false;
        if (map_get_str(args->device_config, "SRmaster"))
                return xapi_fail(error, ERR_VALUE_NOT_SUPPORTED, "SRmaster",
                                 map_get_str(args->device_config, "SRmaster"),
                                 "This key is for internal use only", NULL);
        if (old)
                return xapi_fail(error, ERR_PBD_EXISTS, args->SR, args->host, old->row.ref, NULL);
        if (!operation_begin(call->txn, &SR_OPERATION_RULES, args->SR, STORAGE_OPERATIONS_PBD_CREATE, "",
                             error))
                return false;
        pbd = (PbdRow *)row_copy(p->args);
        slot_str(&pbd->uuid, "");
        pbd->currently_attached = false;
        pbd = pbd_row_insert(call->txn, pbd);
        str_set(&call->result.s, pbd->row.ref);
        return true;
}

static bool destroy(Call *call, const PbdDestroyParams *p, XapiError **error)
{
        const PbdRow *pbd = (const PbdRow *)txn_require(call_txn(call), &CLASS_PBD, p->self, error);
        auto_str sr = pbd ? str_ref(pbd->SR) : NULL;

        if (!pbd)
                return false;
        if (pbd->currently_attached)
                return xapi_fail(error, ERR_OPERATION_NOT_ALLOWED, "PBD is currently attached", NULL);
        if (txn_get(call->txn, &CLASS_SR, sr) &&
            !operation_begin(call->txn, &SR_OPERATION_RULES, sr, STORAGE_OPERATIONS_PBD_DESTROY, "", error))
                return false;
        txn_delete(call->txn, &CLASS_PBD, p->self);
        operation_update(call->txn, &SR_OPERATION_RULES, sr);
        return true;
}

/* ---- plug, unplug ---- */

typedef struct Plug {
        Call *call;
        const char *pbd;
        Str sr, sr_uuid; /* owned */
        int64_t operation;
} Plug;

static bool check(Txn *txn, Plug *plug, XapiError **error)
{
        const PbdRow *pbd = (const PbdRow *)txn_require(txn, &CLASS_PBD, plug->pbd, error);
        const SrRow *sr = pbd ? (const SrRow *)txn_require(txn, &CLASS_SR, pbd->SR, error) : NULL;

        if (!sr ||
            !operation_begin(txn, &SR_OPERATION_RULES, pbd->SR, plug->operation, plug->call->task, error))
                return false;
        pbd = (const PbdRow *)txn_get(txn, &CLASS_PBD, plug->pbd);
        sr = (const SrRow *)txn_get(txn, &CLASS_SR, pbd->SR);
        if (!txn_require(txn, &CLASS_HOST, pbd->host, error))
                return false;
        if (!sm_of_type(txn, sr->type))
                return xapi_fail(error, ERR_SR_UNKNOWN_DRIVER, sr->type, NULL);
        plug->sr = str_ref(sr->row.ref);
        plug->sr_uuid = str_ref(sr->uuid);
        return true;
}

static bool begin(Plug *plug, XapiError **error)
{
        Txn *txn = txn_begin(plug->call->store);

        if (!check(txn, plug, error)) {
                txn_abort(txn);
                return false;
        }
        txn_commit(txn, NULL, NULL);
        sr_lock(plug->call->manager->storage, plug->sr_uuid);
        return true;
}

static bool end(Plug *plug, bool ok, XapiError **error)
{
        XapiError *store_error = NULL;
        Txn *txn;

        sr_unlock(plug->call->manager->storage, plug->sr_uuid);
        txn = txn_begin(plug->call->store);
        operation_end(txn, &SR_OPERATION_RULES, plug->sr, plug->call->task);
        if (!txn_commit_wait(txn, &store_error)) {
                if (ok)
                        *error = g_steal_pointer(&store_error);
                ok = false;
        }
        xapi_error_free(store_error);
        str_unref(plug->sr);
        str_unref(plug->sr_uuid);
        return ok;
}

/* With the lock, so that it stays so. */
static bool is_plugged(const Plug *plug)
{
        const PbdRow *pbd = STORE_GET(PbdRow, CLASS_PBD, plug->call->store, plug->pbd);
        bool plugged = pbd && pbd->currently_attached;

        if (pbd)
                row_unref(&pbd->row);
        return plugged;
}

static bool plug(Call *call, const PbdPlugParams *p, XapiError **error)
{
        Plug plug = { .call = call, .pbd = p->self, .operation = STORAGE_OPERATIONS_PLUG };

        if (!begin(&plug, error))
                return false;
        return end(&plug, is_plugged(&plug) || pbd_attach(call->manager, call->task, p->self, error), error);
}

/* VDI_IN_USE with each disk that a VM has. */
static bool check_unused(Txn *txn, const SrRow *sr, XapiError **error)
{
        g_autoptr(GPtrArray) used = g_ptr_array_new();

        for (uint32_t i = 0; i < sr->VDIs->n; i++) {
                const VdiRow *vdi = (const VdiRow *)txn_get(txn, &CLASS_VDI, sr->VDIs->items[i].s);
                bool in_use = false;

                for (uint32_t k = 0; vdi && k < vdi->VBDs->n; k++) {
                        const VbdRow *vbd = (const VbdRow *)txn_get(txn, &CLASS_VBD, vdi->VBDs->items[k].s);

                        in_use |= vbd && vbd->currently_attached;
                }
                if (in_use)
                        g_ptr_array_add(used, (gpointer)vdi->row.ref);
        }
        if (!used->len)
                return true;
        *error = xapi_error_new_array(ERR_VDI_IN_USE, used->len, (const char *const *)used->pdata);
        return false;
}

/* Says that it is unplugged before it is, so that no VM starts to use it. */
static bool note_unplugged(Plug *plug, bool plugged, XapiError **error)
{
        Txn *txn = txn_begin(plug->call->store);
        PbdRow *pbd = (PbdRow *)txn_edit(txn, &CLASS_PBD, plug->pbd);
        const SrRow *sr = (const SrRow *)txn_get(txn, &CLASS_SR, plug->sr);

        if (!pbd || !sr || (!plugged && !check_unused(txn, sr, error))) {
                txn_abort(txn);
                return !*error;
        }
        pbd->currently_attached = plugged;
        if (!txn_commit_wait(txn, error))
                return false;
        sr_update_volumes(plug->call->store, plug->sr);
        return true;
}

static bool detach(Plug *plug, XapiError **error)
{
        StorageError *e = NULL;
        XapiError *ignored = NULL;
        int attempt = 0;
        bool ok;

        do
                ok = storage_sr_detach(plug->call->manager->daemon->bus, STORAGE_CALL_USEC, plug->call->task,
                                       plug->sr_uuid, &e);
        while (!ok && storage_retry(&e, &attempt));
        if (ok)
                return true;
        storage_fail(plug->sr, "", e, error);
        note_unplugged(plug, true, &ignored);
        xapi_error_free(ignored);
        return false;
}

static bool unplug(Call *call, const PbdUnplugParams *p, XapiError **error)
{
        Plug plug = { .call = call, .pbd = p->self, .operation = STORAGE_OPERATIONS_UNPLUG };
        bool ok;

        if (!begin(&plug, error))
                return false;
        ok = !is_plugged(&plug) || (note_unplugged(&plug, false, error) && detach(&plug, error));
        return end(&plug, ok, error);
}

/* ---- the rest ---- */

/* Only storage drivers may, with a session of their own. */
static bool set_device_config(Call *call, const PbdSetDeviceConfigParams *p, XapiError **error)
{
        return txn_require(call_txn(call), &CLASS_PBD, p->self, error) &&
               xapi_fail(error, ERR_PERMISSION_DENIED, "", NULL);
}

const PbdHandlers pbd_handlers = {
        .create = { PLACE_LOOP, create },
        .destroy = { PLACE_LOOP, destroy },
        .plug = { PLACE_THREAD, plug },
        .unplug = { PLACE_THREAD, unplug },
        .set_device_config = { PLACE_LOOP, set_device_config },
};
