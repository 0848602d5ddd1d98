/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sr.h"

#include <string.h>

#include "blob.h"
#include "classes.h"

/* ---- names, kept on the storage too ---- */

typedef bool (*SetText)(Bus *bus, uint64_t timeout_usec, const char *dbg, const char *sr, const char *text,
                        StorageError **error);

static bool tell(Call *call, const char *sr, SetText set, const char *value, XapiError **error)
{
        auto_str uuid = sr_uuid(call->store, sr, error);
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        if (!uuid || !sr_require_plugged(call, sr, error))
                return false;
        do
                ok = set(call->manager->daemon->bus, STORAGE_CALL_USEC, call->task, uuid, value, &e);
        while (!ok && storage_retry(&e, &attempt));
        return ok || storage_fail(sr, "", e, error);
}

static bool note(Call *call, const char *ref, size_t field, const char *value, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        Row *sr = txn_require_edit(txn, &CLASS_SR, ref, error);

        if (!sr) {
                txn_abort(txn);
                return false;
        }
        slot_str(&row_values(sr)[field].s, value);
        return txn_commit_wait(txn, error);
}

static bool set_name_label(Call *call, const SrSetNameLabelParams *p, XapiError **error)
{
        return tell(call, p->sr, storage_sr_set_name_label, p->value, error) &&
               note(call, p->sr, SR_FIELD_name_label, p->value, error);
}

static bool set_name_description(Call *call, const SrSetNameDescriptionParams *p, XapiError **error)
{
        return tell(call, p->sr, storage_sr_set_name_description, p->value, error) &&
               note(call, p->sr, SR_FIELD_name_description, p->value, error);
}

/* ---- other fields ---- */

/* The PBDs that the SR has, as parameters of an error. */
static bool fail_pbds(Txn *txn, const SrRow *sr, XapiError **error)
{
        g_autoptr(GPtrArray) refs = g_ptr_array_new();

        for (uint32_t i = 0; i < sr->PBDs->n; i++)
                if (txn_get(txn, &CLASS_PBD, sr->PBDs->items[i].s))
                        g_ptr_array_add(refs, (gpointer)sr->PBDs->items[i].s);
        *error = xapi_error_new_array(ERR_SR_HAS_MULTIPLE_PBDS, refs->len, (const char *const *)refs->pdata);
        return false;
}

static bool set_shared(Call *call, const SrSetSharedParams *p, XapiError **error)
{
        SrRow *sr = (SrRow *)txn_require_edit(call_txn(call), &CLASS_SR, p->sr, error);

        if (!sr)
                return false;
        if (!p->value && sr->PBDs->n > 1)
                return fail_pbds(call->txn, sr, error);
        sr->shared = p->value;
        return true;
}

/* Only storage drivers may, with a session of their own. */
static bool refuse(XapiError **error)
{
        return xapi_fail(error, ERR_PERMISSION_DENIED, "", NULL);
}

static bool set_physical_size(Call *call, const SrSetPhysicalSizeParams *p, XapiError **error)
{
        return refuse(error);
}

static bool set_physical_utilisation(Call *call, const SrSetPhysicalUtilisationParams *p, XapiError **error)
{
        return refuse(error);
}

static bool set_virtual_allocation(Call *call, const SrSetVirtualAllocationParams *p, XapiError **error)
{
        return refuse(error);
}

static bool create_new_blob(Call *call, const SrCreateNewBlobParams *p, XapiError **error)
{
        SrRow *sr = (SrRow *)txn_require_edit(call_txn(call), &CLASS_SR, p->sr, error);
        Str blob = sr ? blob_create(call->txn, &sr->blobs, p->name, p->mime_type, p->public, error) : NULL;

        if (!blob)
                return false;
        str_unref(call->result.s);
        call->result.s = blob;
        return true;
}

/* ---- questions ---- */

static bool add_type(const Row *row, void *user)
{
        Set **types = user;

        slot_set(types, set_with(*types, (Value){ .s = ((const SmRow *)row)->type }));
        return true;
}

static bool get_supported_types(Call *call, const SrGetSupportedTypesParams *p, XapiError **error)
{
        txn_each(call_txn(call), &CLASS_SM, add_type, &call->result.set);
        return true;
}

static bool is_live(Txn *txn, const HostRow *host)
{
        const HostMetricsRow *metrics =
            host ? (const HostMetricsRow *)txn_get(txn, &CLASS_HOST_METRICS, host->metrics) : NULL;

        return host && host->enabled && metrics && metrics->live;
}

static bool get_live_hosts(Call *call, const SrGetLiveHostsParams *p, XapiError **error)
{
        const SrRow *sr = (const SrRow *)txn_require(call_txn(call), &CLASS_SR, p->sr, error);

        for (uint32_t i = 0; sr && i < sr->PBDs->n; i++) {
                const PbdRow *pbd = (const PbdRow *)txn_get(call->txn, &CLASS_PBD, sr->PBDs->items[i].s);
                const HostRow *host =
                    pbd ? (const HostRow *)txn_get(call->txn, &CLASS_HOST, pbd->host) : NULL;

                if (pbd && pbd->currently_attached && is_live(call->txn, host))
                        slot_set(&call->result.set,
                                 set_with(call->result.set, (Value){ .s = host->row.ref }));
        }
        return sr;
}

/* ---- assertions ---- */

/* Each host must have it, and use it. */
static bool check_everywhere(Txn *txn, const SrRow *sr, XapiError **error)
{
        for (uint32_t i = 0; i < sr->PBDs->n; i++) {
                const PbdRow *pbd = (const PbdRow *)txn_get(txn, &CLASS_PBD, sr->PBDs->items[i].s);

                if (pbd && !pbd->currently_attached)
                        return xapi_fail(error, ERR_SR_HAS_NO_PBDS, sr->row.ref, NULL);
        }
        return sr->PBDs->n || xapi_fail(error, ERR_SR_HAS_NO_PBDS, sr->row.ref, NULL);
}

static bool check_feature(Txn *txn, const char *ref, const char *feature, const char *other_feature,
                          XapiError **error)
{
        const SrRow *sr = (const SrRow *)txn_require(txn, &CLASS_SR, ref, error);
        const SmRow *sm = sr ? sm_of_type(txn, sr->type) : NULL;

        if (!sr || !check_everywhere(txn, sr, error))
                return false;
        return sm_has_feature(sm, feature) || sm_has_feature(sm, other_feature) ||
               xapi_fail(error, ERR_SR_OPERATION_NOT_SUPPORTED, ref, NULL);
}

static bool assert_can_host_ha_statefile(Call *call, const SrAssertCanHostHaStatefileParams *p,
                                         XapiError **error)
{
        return check_feature(call_txn(call), p->sr, "VDI_GENERATE_CONFIG", "VDI_ATTACH_OFFLINE", error);
}

static bool assert_supports_database_replication(Call *call,
                                                 const SrAssertSupportsDatabaseReplicationParams *p,
                                                 XapiError **error)
{
        return check_feature(call_txn(call), p->sr, "SR_METADATA", "SR_METADATA", error);
}

/* Of long ago. */
static bool make(Call *call, const SrMakeParams *p, XapiError **error)
{
        return xapi_fail(error, ERR_MESSAGE_DEPRECATED, NULL);
}

const SrHandlers sr_handlers = {
        .create = { PLACE_THREAD, sr_create },
        .introduce = { PLACE_LOOP, sr_introduce },
        .destroy = { PLACE_THREAD, sr_destroy },
        .forget = { PLACE_LOOP, sr_forget },
        .scan = { PLACE_THREAD, sr_scan },
        .update = { PLACE_THREAD, sr_update },
        .probe = { PLACE_THREAD, sr_probe },
        .probe_ext = { PLACE_THREAD, sr_probe_ext },
        .make = { PLACE_LOOP, make },
        .set_name_label = { PLACE_THREAD, set_name_label },
        .set_name_description = { PLACE_THREAD, set_name_description },
        .set_shared = { PLACE_LOOP, set_shared },
        .set_physical_size = { PLACE_LOOP, set_physical_size },
        .set_physical_utilisation = { PLACE_LOOP, set_physical_utilisation },
        .set_virtual_allocation = { PLACE_LOOP, set_virtual_allocation },
        .create_new_blob = { PLACE_LOOP, create_new_blob },
        .get_supported_types = { PLACE_LOOP, get_supported_types },
        .get_live_hosts = { PLACE_LOOP, get_live_hosts },
        .assert_can_host_ha_statefile = { PLACE_LOOP, assert_can_host_ha_statefile },
        .assert_supports_database_replication = { PLACE_LOOP, assert_supports_database_replication },
};
