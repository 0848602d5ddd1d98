/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making and removing repositories. */
#include <string.h>

#include "sr.h"
#include "uuid.h"

/* ---- the object ---- */

SrRow *sr_row_create(Txn *txn, const char *uuid, const char *label, const char *description, const char *type,
                     const char *content_type, bool shared, Map *sm_config, XapiError **error)
{
        g_autofree char *small_type = g_ascii_strdown(type, -1);
        SrRow *sr;

        if (*uuid && txn_get_by_uuid(txn, &CLASS_SR, uuid)) {
                xapi_fail(error, ERR_SR_UUID_EXISTS, uuid, NULL);
                return NULL;
        }
        sr = (SrRow *)txn_create(txn, &CLASS_SR, NULL, uuid);
        slot_str(&sr->name_label, label);
        slot_str(&sr->name_description, description);
        slot_str(&sr->type, small_type);
        slot_str(&sr->content_type, content_type);
        slot_map(&sr->sm_config, map_ref(sm_config));
        sr->shared = shared;
        sr->physical_size = sr->physical_utilisation = -1;
        operation_update(txn, &SR_OPERATION_RULES, sr->row.ref);
        return sr;
}

bool sr_introduce(Call *call, const SrIntroduceParams *p, XapiError **error)
{
        SrRow *sr = sr_row_create(call_txn(call), p->uuid, p->name_label, p->name_description, p->type,
                                  p->content_type, p->shared, p->sm_config, error);

        if (!sr)
                return false;
        str_set(&call->result.s, sr->row.ref);
        return true;
}

/* ---- create ---- */

typedef struct Create {
        Call *call;
        const SrCreateParams *params;
        char uuid[UUID_TEXT_SIZE];
        char *type;     /* in small letters */
        BusDict config; /* with which to attach it */
        Str sr, pbd;    /* the objects, owned */
} Create;

static bool check_create(Create *c, XapiError **error)
{
        Txn *txn = txn_begin(c->call->store);
        bool ok = txn_require(txn, &CLASS_HOST, c->params->host, error);

        if (ok && !sm_of_type(txn, c->type))
                ok = xapi_fail(error, ERR_SR_UNKNOWN_DRIVER, c->type, NULL);
        txn_abort(txn);
        return ok;
}

/* Made again under the same uuid after sm-daemon died, it is the same. */
static bool make(Create *c, XapiError **error)
{
        const SrCreateParams *p = c->params;
        BusDict config = storage_dict(p->device_config);
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        do
                ok = storage_sr_create(c->call->manager->daemon->bus, STORAGE_CALL_USEC, c->call->task,
                                       c->uuid, p->name_label, p->name_description, &config, p->physical_size,
                                       c->type, &c->config, &e);
        while (!ok && storage_retry(&e, &attempt));
        g_free(config.items);
        return ok || storage_fail("", "", e, error);
}

static bool make_objects(Create *c, XapiError **error)
{
        const SrCreateParams *p = c->params;
        Txn *txn = txn_begin(c->call->store);
        SrRow *sr = sr_row_create(txn, c->uuid, p->name_label, p->name_description, c->type, p->content_type,
                                  p->shared, p->sm_config, error);
        PbdRow *pbd;

        if (!sr) {
                txn_abort(txn);
                return false;
        }
        pbd = (PbdRow *)row_new(&CLASS_PBD, "");
        slot_str(&pbd->host, p->host);
        slot_str(&pbd->SR, sr->row.ref);
        slot_map(&pbd->device_config, storage_map(pbd->device_config->type, &c->config));
        pbd = pbd_row_insert(txn, pbd);
        c->sr = str_ref(sr->row.ref);
        c->pbd = str_ref(pbd->row.ref);
        return txn_commit_wait(txn, error);
}

/* One that was made but cannot be attached stays, unplugged, for the user to see to. */
static void plug(Create *c)
{
        Manager *m = c->call->manager;
        XapiError *error = NULL;

        sr_lock(m->storage, c->uuid);
        if (!pbd_attach(m, c->call->task, c->pbd, &error)) {
                g_autofree char *text = xapi_error_text(error);

                log_warning("A new repository could not be attached", "XAPI_SR", c->uuid, "XAPI_ERROR", text,
                            NULL);
                xapi_error_free(error);
        }
        sr_unlock(m->storage, c->uuid);
}

bool sr_create(Call *call, const SrCreateParams *p, XapiError **error)
{
        Create c = { .call = call, .params = p, .type = g_ascii_strdown(p->type, -1) };
        bool ok;

        uuid_make(c.uuid);
        ok = check_create(&c, error) && make(&c, error) && make_objects(&c, error);
        if (ok) {
                plug(&c);
                str_set(&call->result.s, c.sr);
        }
        bus_dict_clear(&c.config);
        g_free(c.type);
        str_unref(c.sr);
        str_unref(c.pbd);
        return ok;
}

/* ---- destroy, forget ---- */

static void delete_objects(Txn *txn, const char *ref)
{
        const SrRow *sr = (const SrRow *)txn_get(txn, &CLASS_SR, ref);
        Set *pbds = set_ref(sr->PBDs), *vdis = set_ref(sr->VDIs);

        for (uint32_t i = 0; i < vdis->n; i++)
                vdi_row_delete(txn, vdis->items[i].s);
        for (uint32_t i = 0; i < pbds->n; i++)
                txn_delete(txn, &CLASS_PBD, pbds->items[i].s);
        txn_delete(txn, &CLASS_SR, ref);
        set_unref(pbds);
        set_unref(vdis);
}

bool sr_forget(Call *call, const SrForgetParams *p, XapiError **error)
{
        if (!operation_begin(call_txn(call), &SR_OPERATION_RULES, p->sr, STORAGE_OPERATIONS_FORGET, "",
                             error))
                return false;
        delete_objects(call->txn, p->sr);
        return true;
}

typedef struct Destroy {
        Call *call;
        const char *sr;
        Str uuid, type;     /* owned */
        Map *device_config; /* owned */
} Destroy;

static bool check_destroy(Txn *txn, Destroy *d, XapiError **error)
{
        const SrRow *sr;
        const PbdRow *pbd;
        const char *flag;

        if (!operation_begin(txn, &SR_OPERATION_RULES, d->sr, STORAGE_OPERATIONS_DESTROY, d->call->task,
                             error))
                return false;
        sr = (const SrRow *)txn_get(txn, &CLASS_SR, d->sr);
        flag = map_get_str(sr->other_config, "indestructible");
        if (flag && strcmp(flag, "true") == 0)
                return xapi_fail(error, ERR_SR_INDESTRUCTIBLE, d->sr, NULL);
        pbd = sr_pbd_of(txn, sr, d->call->manager->host);
        if (!pbd)
                return xapi_fail(error, ERR_SR_HAS_NO_PBDS, d->sr, NULL);
        if (!sm_of_type(txn, sr->type))
                return xapi_fail(error, ERR_SR_UNKNOWN_DRIVER, sr->type, NULL);
        d->uuid = str_ref(sr->uuid);
        d->type = str_ref(sr->type);
        d->device_config = map_ref(pbd->device_config);
        return true;
}

static bool begin_destroy(Destroy *d, XapiError **error)
{
        Txn *txn = txn_begin(d->call->store);

        if (check_destroy(txn, d, error)) {
                txn_commit(txn, NULL, NULL);
                return true;
        }
        txn_abort(txn);
        return false;
}

/* What is to be destroyed is attached for as long as that takes. */
static bool destroy_attached(Destroy *d, XapiError **error)
{
        Bus *bus = d->call->manager->daemon->bus;
        BusDict config = storage_dict(d->device_config);
        StorageError *e = NULL, *ignored = NULL;
        bool ok = storage_sr_attach(bus, STORAGE_CALL_USEC, d->call->task, d->uuid, &config, d->type, &e);

        g_free(config.items);
        if (!ok)
                return storage_fail(d->sr, "", e, error);
        if (storage_sr_destroy(bus, STORAGE_DATA_USEC, d->call->task, d->uuid, &e))
                return true;
        if (!storage_sr_detach(bus, STORAGE_CALL_USEC, d->call->task, d->uuid, &ignored))
                storage_error_free(ignored);
        return storage_fail(d->sr, "", e, error);
}

static bool end_destroy(Destroy *d, bool ok, XapiError **error)
{
        XapiError *store_error = NULL;
        Txn *txn = txn_begin(d->call->store);

        if (ok)
                delete_objects(txn, d->sr);
        else
                operation_end(txn, &SR_OPERATION_RULES, d->sr, d->call->task);
        if (!txn_commit_wait(txn, &store_error) && ok) {
                *error = g_steal_pointer(&store_error);
                ok = false;
        }
        xapi_error_free(store_error);
        str_unref(d->uuid);
        str_unref(d->type);
        map_unref(d->device_config);
        return ok;
}

bool sr_destroy(Call *call, const SrDestroyParams *p, XapiError **error)
{
        Destroy d = { .call = call, .sr = p->sr };
        bool ok;

        if (!begin_destroy(&d, error))
                return false;
        sr_lock(call->manager->storage, d.uuid);
        ok = destroy_attached(&d, error);
        sr_unlock(call->manager->storage, d.uuid);
        return end_destroy(&d, ok, error);
}
