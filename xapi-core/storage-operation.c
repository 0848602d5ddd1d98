/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"
#include "storage-internal.h"

static bool mark(Txn *txn, SrOperation *o, XapiError **error)
{
        const char *task = o->call->task;

        if (o->sr_operation >= 0 &&
            !operation_begin(txn, &SR_OPERATION_RULES, o->sr, o->sr_operation, task, error))
                return false;
        return o->vdi_operation < 0 ||
               operation_begin(txn, &VDI_OPERATION_RULES, o->vdi_ref, o->vdi_operation, task, error);
}

static bool find(Txn *txn, SrOperation *o, XapiError **error)
{
        const VdiRow *vdi = NULL;
        const SrRow *sr;
        const PbdRow *pbd;

        if (o->vdi_ref) {
                vdi = (const VdiRow *)txn_require(txn, &CLASS_VDI, o->vdi_ref, error);
                if (!vdi)
                        return false;
        }
        o->sr = vdi ? str_ref(vdi->SR) : str_new(o->sr_ref);
        if (!txn_require(txn, &CLASS_SR, o->sr, error) || !mark(txn, o, error))
                return false;
        sr = (const SrRow *)txn_get(txn, &CLASS_SR, o->sr);
        pbd = sr_pbd_of(txn, sr, o->call->manager->host);
        if (!pbd || !pbd->currently_attached)
                return xapi_fail(error, ERR_SR_HAS_NO_PBDS, o->sr, NULL);
        if (vdi && !vdi->managed)
                return xapi_fail(error, ERR_VDI_NOT_MANAGED, o->vdi_ref, NULL);
        o->sr_uuid = str_ref(sr->uuid);
        if (vdi) {
                o->location = str_ref(vdi->location);
                o->vdi = (VdiRow *)row_copy(txn_get(txn, &CLASS_VDI, o->vdi_ref));
        }
        return true;
}

static void clear(SrOperation *o)
{
        str_unref(o->sr);
        str_unref(o->sr_uuid);
        str_unref(o->location);
        if (o->vdi)
                row_unref(&o->vdi->row);
}

bool storage_begin(SrOperation *o, XapiError **error)
{
        Txn *txn = txn_begin(o->call->store);

        if (find(txn, o, error)) {
                txn_commit(txn, NULL, NULL);
                return true;
        }
        txn_abort(txn);
        clear(o);
        return false;
}

bool storage_begin_by(SrOperation *o, uint64_t until_usec, XapiError **error)
{
        Endings *endings = storage_endings(o->call->manager->storage);
        bool begun, cancelled, in_time = true;

        /* A call that is cancelled looks again, too. */
        call_on_cancel(o->call, endings_add, endings);
        for (;;) {
                uint64_t seen = endings_count(endings);

                begun = storage_begin(o, error);
                cancelled = call_cancelled(o->call);
                if (begun || !in_time || cancelled || !xapi_error_is(*error, ERR_OTHER_OPERATION_IN_PROGRESS))
                        break;
                xapi_error_free(g_steal_pointer(error));
                in_time = endings_wait(endings, seen, until_usec);
        }
        call_on_cancel(o->call, NULL, NULL);
        if (!begun && cancelled) {
                xapi_error_free(g_steal_pointer(error));
                return xapi_fail(error, ERR_TASK_CANCELLED, o->call->task, NULL);
        }
        return begun;
}

static void unmark(Txn *txn, const SrOperation *o)
{
        if (o->vdi_operation >= 0)
                operation_end(txn, &VDI_OPERATION_RULES, o->vdi_ref, o->call->task);
        if (o->sr_operation >= 0)
                operation_end(txn, &SR_OPERATION_RULES, o->sr, o->call->task);
        else
                operation_update(txn, &SR_OPERATION_RULES, o->sr);
}

/* What nobody would know of. */
static void remove_made(const SrOperation *o)
{
        StorageError *e = NULL;

        if (storage_vdi_destroy(o->call->manager->daemon->bus, STORAGE_CALL_USEC, o->call->task, o->sr_uuid,
                                o->made, &e))
                return;
        log_warning("A disk without an object is left", "XAPI_SR", o->sr_uuid, "XAPI_VDI", o->made, NULL);
        storage_error_free(e);
}

bool storage_end(SrOperation *o, bool ok, void (*finish)(Txn *txn, void *data), void *data, XapiError **error)
{
        StorageSrInfo info = { 0 };
        bool sizes = ok && o->sizes && sr_stat(o->call->manager, o->call->task, o->sr_uuid, &info);
        XapiError *store_error = NULL;
        Txn *txn = txn_begin(o->call->store);

        if (ok && finish)
                finish(txn, data);
        if (sizes)
                sr_fold(txn, o->sr, &info);
        unmark(txn, o);
        if (!txn_commit_wait(txn, &store_error)) {
                txn = txn_begin(o->call->store);
                unmark(txn, o);
                txn_commit(txn, NULL, NULL);
                if (ok)
                        *error = g_steal_pointer(&store_error);
                ok = false;
        }
        endings_add(storage_endings(o->call->manager->storage));
        if (!ok && o->made)
                remove_made(o);
        xapi_error_free(store_error);
        storage_sr_info_clear(&info);
        clear(o);
        return ok;
}
