/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making and removing disks. */
#include <string.h>

#include "vdi-handlers.h"
#include "vdi.h"

/* ---- create ---- */

typedef struct Create {
        SrOperation operation;
        const VdiRow *args;
        const char
            *source; /* location of what is copied, in the operation's from_sr; NULL: it is to be empty */
        StorageVdiInfo made;
        Str ref; /* owned */
} Create;

static char *borrowed(const char *text)
{
        return (char *)text;
}

static bool ask_create(Create *c, XapiError **error)
{
        const VdiRow *args = c->args;
        StorageVdiInfo info = {
                .vdi = borrowed(c->source),
                .name_label = borrowed(args->name_label),
                .name_description = borrowed(args->name_description),
                .ty = borrowed(ENUM_VDI_TYPE.values[args->type]),
                .virtual_size = args->virtual_size,
                .read_only = args->read_only,
                .sharable = args->sharable,
                .persistent = true,
                .sm_config = storage_dict(args->sm_config),
        };
        bool ok = storage_make(&c->operation, c->source ? NULL : storage_vdi_create, &info, &c->made, error);

        g_free(info.sm_config.items);
        return ok;
}

static bool check_size(Create *c, XapiError **error)
{
        g_autofree char *got = g_strdup_printf("%" G_GINT64_FORMAT, c->made.virtual_size);

        if (c->made.virtual_size >= c->args->virtual_size)
                return true;
        return xapi_fail(error, ERR_VDI_TOO_SMALL, c->made.vdi, got, NULL);
}

static void insert(Txn *txn, void *data)
{
        Create *c = data;
        VdiRow *vdi = vdi_row_for(txn, c->operation.sr, &c->made);

        vdi->read_only = c->args->read_only;
        vdi->sharable = c->args->sharable;
        vdi->type = c->args->type;
        slot_map(&vdi->other_config, map_ref(c->args->other_config));
        slot_map(&vdi->xenstore_data, map_ref(c->args->xenstore_data));
        slot_set(&vdi->tags, set_ref(c->args->tags));
        operation_update(txn, &VDI_OPERATION_RULES, vdi->row.ref);
        c->ref = str_ref(vdi->row.ref);
}

static Str make(Call *call, const VdiRow *args, const char *from_sr, const char *source, XapiError **error)
{
        Create c = { .operation = { .call = call,
                                    .sr_ref = args->SR,
                                    .sr_operation = STORAGE_OPERATIONS_VDI_CREATE,
                                    .vdi_operation = -1,
                                    .sizes = true,
                                    .from_sr = from_sr },
                     .args = args,
                     .source = source };
        bool ok;

        if (!storage_begin(&c.operation, error))
                return NULL;
        ok = ask_create(&c, error);
        c.operation.made = ok ? c.made.vdi : NULL;
        ok = ok && check_size(&c, error);
        ok = storage_end(&c.operation, ok, insert, &c, error);
        storage_vdi_info_clear(&c.made);
        if (!ok)
                str_unref(g_steal_pointer(&c.ref));
        return c.ref;
}

Str vdi_create_like(Call *call, const VdiRow *args, XapiError **error)
{
        return make(call, args, NULL, NULL, error);
}

Str vdi_create_copy(Call *call, const VdiRow *args, const char *from_sr, const char *source,
                    XapiError **error)
{
        return make(call, args, from_sr, source, error);
}

bool vdi_create(Call *call, const VdiCreateParams *p, XapiError **error)
{
        Str ref = vdi_create_like(call, (const VdiRow *)p->args, error);

        if (!ref)
                return false;
        str_unref(call->result.s);
        call->result.s = ref;
        return true;
}

Str vdi_create_in(Call *call, const char *sr, const char *label, int64_t bytes, int64_t type,
                  XapiError **error)
{
        VdiRow *args = (VdiRow *)row_new(&CLASS_VDI, "");
        Str ref;

        slot_str(&args->SR, sr);
        slot_str(&args->name_label, label);
        args->virtual_size = bytes;
        args->type = type;
        ref = vdi_create_like(call, args, error);
        row_unref(&args->row);
        return ref;
}

/* ---- destroy ---- */

static void delete (Txn *txn, void *data)
{
        vdi_row_delete(txn, data);
}

static bool destroy(Call *call, const char *vdi, XapiError **error)
{
        SrOperation o = { .call = call,
                          .vdi_ref = vdi,
                          .sr_operation = STORAGE_OPERATIONS_VDI_DESTROY,
                          .vdi_operation = VDI_OPERATIONS_DESTROY,
                          .sizes = true };
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        if (!storage_begin(&o, error))
                return false;
        do
                ok = storage_vdi_destroy(call->manager->daemon->bus, STORAGE_CALL_USEC, call->task, o.sr_uuid,
                                         o.location, &e);
        while (!ok && storage_retry(&e, &attempt));
        /* What is gone already is destroyed. */
        if (!ok && e->tag == STORAGE_ERROR_VDI_DOES_NOT_EXIST) {
                storage_error_free(g_steal_pointer(&e));
                ok = true;
        }
        if (!ok)
                storage_fail(o.sr, vdi, e, error);
        return storage_end(&o, ok, delete, (void *)vdi, error);
}

bool vdi_destroy(Call *call, const VdiDestroyParams *p, XapiError **error)
{
        return destroy(call, p->self, error);
}

bool vdi_destroy_quietly(Call *call, const char *vdi, XapiError **error)
{
        const Row *row = store_get(call->store, &CLASS_VDI, vdi);

        if (!row)
                return true;
        row_unref(row);
        return destroy(call, vdi, error);
}

/* ---- forget ---- */

bool vdi_forget(Call *call, const VdiForgetParams *p, XapiError **error)
{
        const VdiRow *vdi;
        auto_str sr = NULL;

        if (!operation_begin(call_txn(call), &VDI_OPERATION_RULES, p->vdi, VDI_OPERATIONS_FORGET, "", error))
                return false;
        vdi = (const VdiRow *)txn_get(call->txn, &CLASS_VDI, p->vdi);
        sr = str_ref(vdi->SR);
        vdi_row_delete(call->txn, p->vdi);
        operation_update(call->txn, &SR_OPERATION_RULES, sr);
        return true;
}
