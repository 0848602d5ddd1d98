/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes to a disk that its storage takes part in. */
#include <string.h>

#include "vdi-handlers.h"

/* ---- size ---- */

typedef struct Resize {
        SrOperation operation;
        int64_t wanted;
        StorageVdiInfo info; /* as it is then */
} Resize;

static bool stat_volume(SrOperation *o, StorageVdiInfo *ret, XapiError **error)
{
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        do
                ok = storage_vdi_stat(o->call->manager->daemon->bus, STORAGE_CALL_USEC, o->call->task,
                                      o->sr_uuid, o->location, ret, &e);
        while (!ok && storage_retry(&e, &attempt));
        return ok || storage_fail(o->sr, o->vdi_ref, e, error);
}

/* Asked for twice, a size is the same. */
static bool ask_resize(Resize *r, XapiError **error)
{
        SrOperation *o = &r->operation;
        StorageError *e = NULL;
        int attempt = 0;
        int64_t size;
        bool ok;

        do
                ok = storage_vdi_resize(o->call->manager->daemon->bus, STORAGE_DATA_USEC, o->call->task,
                                        o->sr_uuid, o->location, r->wanted, &size, &e);
        while (!ok && storage_retry(&e, &attempt));
        if (!ok)
                return storage_fail(o->sr, o->vdi_ref, e, error);
        return stat_volume(o, &r->info, error);
}

static void fold(Txn *txn, void *data)
{
        Resize *r = data;
        VdiRow *vdi = (VdiRow *)txn_edit(txn, &CLASS_VDI, r->operation.vdi_ref);

        if (vdi)
                vdi_fold(txn, vdi, &r->info);
}

static bool resize(Call *call, const char *vdi, int64_t size, int64_t sr_operation, int64_t operation,
                   XapiError **error)
{
        Resize r = { .operation = { .call = call,
                                    .vdi_ref = vdi,
                                    .sr_operation = sr_operation,
                                    .vdi_operation = operation,
                                    .sizes = true },
                     .wanted = size };
        bool ok;

        if (!storage_begin(&r.operation, error))
                return false;
        ok = ask_resize(&r, error);
        ok = storage_end(&r.operation, ok, fold, &r, error);
        storage_vdi_info_clear(&r.info);
        return ok;
}

bool vdi_resize(Call *call, const VdiResizeParams *p, XapiError **error)
{
        return resize(call, p->vdi, p->size, STORAGE_OPERATIONS_VDI_RESIZE, VDI_OPERATIONS_RESIZE, error);
}

bool vdi_resize_online(Call *call, const VdiResizeOnlineParams *p, XapiError **error)
{
        return resize(call, p->vdi, p->size, STORAGE_OPERATIONS_VDI_RESIZE_ONLINE,
                      VDI_OPERATIONS_RESIZE_ONLINE, error);
}

bool vdi_update(Call *call, const VdiUpdateParams *p, XapiError **error)
{
        Resize r = { .operation = { .call = call,
                                    .vdi_ref = p->vdi,
                                    .sr_operation = -1,
                                    .vdi_operation = VDI_OPERATIONS_UPDATE,
                                    .sizes = true } };
        bool ok;

        if (!storage_begin(&r.operation, error))
                return false;
        ok = stat_volume(&r.operation, &r.info, error);
        ok = storage_end(&r.operation, ok, fold, &r, error);
        storage_vdi_info_clear(&r.info);
        return ok;
}

/* ---- names ---- */

typedef bool (*SetText)(Bus *bus, uint64_t timeout_usec, const char *dbg, const char *sr, const char *vdi,
                        const char *text, StorageError **error);

typedef struct Rename {
        SrOperation operation;
        size_t field;
        const char *value;
} Rename;

static void note_text(Txn *txn, void *data)
{
        Rename *r = data;
        Row *vdi = txn_edit(txn, &CLASS_VDI, r->operation.vdi_ref);

        if (vdi)
                slot_str(&row_values(vdi)[r->field].s, r->value);
}

static bool rename_to(Call *call, const char *vdi, SetText set, size_t field, const char *value,
                      XapiError **error)
{
        Rename r = { .operation = { .call = call, .vdi_ref = vdi, .sr_operation = -1, .vdi_operation = -1 },
                     .field = field,
                     .value = value };
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        if (!storage_begin(&r.operation, error))
                return false;
        do
                ok = set(call->manager->daemon->bus, STORAGE_CALL_USEC, call->task, r.operation.sr_uuid,
                         r.operation.location, value, &e);
        while (!ok && storage_retry(&e, &attempt));
        if (!ok)
                storage_fail(r.operation.sr, vdi, e, error);
        return storage_end(&r.operation, ok, note_text, &r, error);
}

bool vdi_set_name_label(Call *call, const VdiSetNameLabelParams *p, XapiError **error)
{
        return rename_to(call, p->self, storage_vdi_set_name_label, VDI_FIELD_name_label, p->value, error);
}

bool vdi_set_name_description(Call *call, const VdiSetNameDescriptionParams *p, XapiError **error)
{
        return rename_to(call, p->self, storage_vdi_set_name_description, VDI_FIELD_name_description,
                         p->value, error);
}

/* ---- what a start of a VM does to it ---- */

typedef struct SetOnBoot {
        SrOperation operation;
        int64_t value;
} SetOnBoot;

static void note_on_boot(Txn *txn, void *data)
{
        SetOnBoot *b = data;
        VdiRow *vdi = (VdiRow *)txn_edit(txn, &CLASS_VDI, b->operation.vdi_ref);

        if (vdi)
                vdi->on_boot = b->value;
}

bool vdi_set_on_boot(Call *call, const VdiSetOnBootParams *p, XapiError **error)
{
        SetOnBoot b = { .operation = { .call = call,
                                       .vdi_ref = p->self,
                                       .sr_operation = STORAGE_OPERATIONS_VDI_SET_ON_BOOT,
                                       .vdi_operation = VDI_OPERATIONS_SET_ON_BOOT },
                        .value = p->value };
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        if (!storage_begin(&b.operation, error))
                return false;
        do
                ok = storage_vdi_set_persistent(call->manager->daemon->bus, STORAGE_CALL_USEC, call->task,
                                                b.operation.sr_uuid, b.operation.location,
                                                p->value == ON_BOOT_PERSIST, &e);
        while (!ok && storage_retry(&e, &attempt));
        if (!ok)
                storage_fail(b.operation.sr, p->self, e, error);
        return storage_end(&b.operation, ok, note_on_boot, &b, error);
}
