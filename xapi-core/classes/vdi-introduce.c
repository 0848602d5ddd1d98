/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects for disks that are there already. */
#include <string.h>

#include "uuid.h"
#include "vdi-handlers.h"

/* ---- introduce ---- */

typedef struct Introduce {
        SrOperation operation;
        const VdiIntroduceParams *params;
        StorageVdiInfo found;
        Str ref; /* owned */
} Introduce;

static bool location_taken(Txn *txn, const SrRow *sr, const char *location)
{
        for (uint32_t i = 0; i < sr->VDIs->n; i++) {
                const VdiRow *vdi = (const VdiRow *)txn_get(txn, &CLASS_VDI, sr->VDIs->items[i].s);

                if (vdi && strcmp(vdi->location, location) == 0)
                        return true;
        }
        return false;
}

static bool check_location(Introduce *in, XapiError **error)
{
        Txn *txn = txn_begin(in->operation.call->store);
        const SrRow *sr = (const SrRow *)txn_require(txn, &CLASS_SR, in->operation.sr, error);
        bool ok = sr;

        if (sr && location_taken(txn, sr, in->params->location))
                ok = xapi_fail(error, ERR_LOCATION_NOT_UNIQUE, in->operation.sr, in->params->location, NULL);
        txn_abort(txn);
        return ok;
}

static bool ask(Introduce *in, XapiError **error)
{
        SrOperation *o = &in->operation;
        BusDict sm_config = storage_dict(in->params->sm_config);
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        do
                ok = storage_vdi_introduce(o->call->manager->daemon->bus, STORAGE_CALL_USEC, o->call->task,
                                           o->sr_uuid, in->params->uuid, &sm_config, in->params->location,
                                           &in->found, &e);
        while (!ok && storage_retry(&e, &attempt));
        g_free(sm_config.items);
        if (!ok && e->tag == STORAGE_ERROR_VDI_DOES_NOT_EXIST) {
                storage_error_free(e);
                return xapi_fail(error, ERR_VDI_LOCATION_MISSING, o->sr, in->params->location, NULL);
        }
        return ok || storage_fail(o->sr, "", e, error);
}

/* What the storage says of the disk is so; of the rest, the caller knows better. */
static void insert(Txn *txn, void *data)
{
        Introduce *in = data;
        const VdiIntroduceParams *p = in->params;
        VdiRow *vdi;

        if (*p->uuid) {
                free(in->found.uuid);
                in->found.uuid = bus_strdup(p->uuid);
        }
        vdi = vdi_row_for(txn, in->operation.sr, &in->found);
        slot_str(&vdi->name_label, p->name_label);
        slot_str(&vdi->name_description, p->name_description);
        slot_map(&vdi->other_config, map_ref(p->other_config));
        slot_map(&vdi->xenstore_data, map_ref(p->xenstore_data));
        vdi->type = p->type;
        vdi->sharable = p->sharable;
        vdi->read_only = p->read_only;
        operation_update(txn, &VDI_OPERATION_RULES, vdi->row.ref);
        in->ref = str_ref(vdi->row.ref);
}

bool vdi_introduce(Call *call, const VdiIntroduceParams *p, XapiError **error)
{
        Introduce in = { .operation = { .call = call,
                                        .sr_ref = p->SR,
                                        .sr_operation = STORAGE_OPERATIONS_VDI_INTRODUCE,
                                        .vdi_operation = -1,
                                        .sizes = true },
                         .params = p };
        bool ok;

        if (!storage_begin(&in.operation, error))
                return false;
        ok = check_location(&in, error) && ask(&in, error);
        ok = storage_end(&in.operation, ok, insert, &in, error);
        storage_vdi_info_clear(&in.found);
        if (ok)
                str_set(&call->result.s, in.ref);
        str_unref(in.ref);
        return ok;
}

/* ---- the object alone ---- */

bool vdi_pool_introduce(Call *call, const VdiPoolIntroduceParams *p, XapiError **error)
{
        const char *uuid = *p->uuid ? p->uuid : NULL;
        VdiRow *vdi;

        if (!txn_require(call_txn(call), &CLASS_SR, p->SR, error))
                return false;
        vdi = (VdiRow *)txn_create(call->txn, &CLASS_VDI, NULL, uuid);
        slot_str(&vdi->SR, p->SR);
        slot_str(&vdi->name_label, p->name_label);
        slot_str(&vdi->name_description, p->name_description);
        slot_str(&vdi->location, p->location);
        slot_str(&vdi->metadata_of_pool, p->metadata_of_pool);
        slot_str(&vdi->snapshot_of, p->snapshot_of);
        slot_map(&vdi->other_config, map_ref(p->other_config));
        slot_map(&vdi->xenstore_data, map_ref(p->xenstore_data));
        slot_map(&vdi->sm_config, map_ref(p->sm_config));
        vdi->type = p->type;
        vdi->sharable = p->sharable;
        vdi->read_only = p->read_only;
        vdi->managed = p->managed;
        vdi->virtual_size = p->virtual_size;
        vdi->physical_utilisation = p->physical_utilisation;
        vdi->is_a_snapshot = p->is_a_snapshot;
        vdi->snapshot_time = p->snapshot_time;
        vdi->cbt_enabled = p->cbt_enabled;
        vdi->on_boot = ON_BOOT_PERSIST;
        sr_replace_allocation(call->txn, p->SR, 0, p->virtual_size);
        operation_update(call->txn, &VDI_OPERATION_RULES, vdi->row.ref);
        str_set(&call->result.s, vdi->row.ref);
        return true;
}

/* Only storage drivers may use these two, with a session of their own. */
bool vdi_db_introduce(Call *call, const VdiDbIntroduceParams *p, XapiError **error)
{
        return xapi_fail(error, ERR_PERMISSION_DENIED, "", NULL);
}

bool vdi_db_forget(Call *call, const VdiDbForgetParams *p, XapiError **error)
{
        return txn_require(call_txn(call), &CLASS_VDI, p->vdi, error) &&
               xapi_fail(error, ERR_PERMISSION_DENIED, "", NULL);
}
