/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks made of other disks. */
#include <string.h>
#include <time.h>

#include "codec.h"
#include "disk-copy.h"
#include "vdi-handlers.h"
#include "vdi.h"

/* ---- clone, snapshot ---- */

typedef struct Derive {
        SrOperation operation;
        StorageMakeFunction make;
        bool snapshot;
        int64_t now;
        Map *driver_params; /* borrowed; NULL: none */
        StorageVdiInfo made;
        StorageVdiInfo source; /* as it is afterwards, if it has changed */
        bool changed;
        Str ref; /* owned */
} Derive;

static bool ask(Derive *d, XapiError **error)
{
        SrOperation *o = &d->operation;
        const VdiRow *source = o->vdi;
        char time_text[DATETIME_TEXT_BYTES];
        StorageVdiInfo info = {
                .vdi = (char *)o->location,
                .name_label = (char *)source->name_label,
                .name_description = (char *)source->name_description,
                .ty = (char *)ENUM_VDI_TYPE.values[source->type],
                .snapshot_time = d->snapshot ? time_text : NULL,
                .virtual_size = source->virtual_size,
                .sharable = source->sharable,
                .persistent = true,
                .sm_config = d->driver_params ? storage_dict(d->driver_params) : (BusDict){ 0 },
        };
        bool ok;

        datetime_format(d->now, time_text);
        ok = storage_make(o, d->make, &info, &d->made, error);
        g_free(info.sm_config.items);
        return ok;
}

/* Where copies are layers, what the source held has become a part of both. */
static void ask_source(Derive *d)
{
        SrOperation *o = &d->operation;
        StorageError *e = NULL;

        if (sr_has_feature(o->call->store, o->sr, SM_COPIES_ARE_FULL))
                return;
        d->changed = storage_vdi_stat(o->call->manager->daemon->bus, STORAGE_CALL_USEC, o->call->task,
                                      o->sr_uuid, o->location, &d->source, &e);
        storage_error_free(e);
}

static void insert(Txn *txn, void *data)
{
        Derive *d = data;
        const VdiRow *source = d->operation.vdi;
        VdiRow *vdi = vdi_row_for(txn, d->operation.sr, &d->made);
        VdiRow *changed = d->changed ? (VdiRow *)txn_edit(txn, &CLASS_VDI, source->row.ref) : NULL;

        if (changed)
                vdi_fold(txn, changed, &d->source);

        vdi->type = source->type;
        vdi->is_a_snapshot = d->snapshot;
        vdi->snapshot_time = d->snapshot ? d->now : 0;
        slot_str(&vdi->snapshot_of, d->snapshot ? source->row.ref : NULL_REF);
        slot_map(&vdi->other_config, map_ref(source->other_config));
        slot_map(&vdi->xenstore_data, map_ref(source->xenstore_data));
        slot_set(&vdi->tags, set_ref(source->tags));
        vdi->allow_caching = source->allow_caching;
        operation_update(txn, &VDI_OPERATION_RULES, vdi->row.ref);
        d->ref = str_ref(vdi->row.ref);
}

static Str derive(Derive *d, XapiError **error)
{
        bool ok;

        d->now = time(NULL);
        d->operation.sizes = true;
        if (!storage_begin(&d->operation, error))
                return NULL;
        ok = ask(d, error);
        if (ok)
                ask_source(d);
        d->operation.made = ok ? d->made.vdi : NULL;
        ok = storage_end(&d->operation, ok, insert, d, error);
        storage_vdi_info_clear(&d->made);
        storage_vdi_info_clear(&d->source);
        if (!ok)
                str_unref(g_steal_pointer(&d->ref));
        return d->ref;
}

static Str make_clone(Call *call, const char *vdi, Map *driver_params, XapiError **error)
{
        Derive d = { .operation = { .call = call,
                                    .vdi_ref = vdi,
                                    .sr_operation = STORAGE_OPERATIONS_VDI_CLONE,
                                    .vdi_operation = VDI_OPERATIONS_CLONE },
                     .make = storage_vdi_clone,
                     .driver_params = driver_params };

        return derive(&d, error);
}

static Str make_snapshot(Call *call, const char *vdi, Map *driver_params, XapiError **error)
{
        Derive d = { .operation = { .call = call,
                                    .vdi_ref = vdi,
                                    .sr_operation = STORAGE_OPERATIONS_VDI_SNAPSHOT,
                                    .vdi_operation = VDI_OPERATIONS_SNAPSHOT },
                     .make = storage_vdi_snapshot,
                     .snapshot = true,
                     .driver_params = driver_params };

        return derive(&d, error);
}

static bool give(Call *call, Str taken)
{
        if (!taken)
                return false;
        str_unref(call->result.s);
        call->result.s = taken;
        return true;
}

bool vdi_clone(Call *call, const VdiCloneParams *p, XapiError **error)
{
        return give(call, make_clone(call, p->vdi, p->driver_params, error));
}

bool vdi_snapshot(Call *call, const VdiSnapshotParams *p, XapiError **error)
{
        return give(call, make_snapshot(call, p->vdi, p->driver_params, error));
}

Str vdi_clone_of(Call *call, const char *vdi, XapiError **error)
{
        return make_clone(call, vdi, NULL, error);
}

Str vdi_snapshot_of(Call *call, const char *vdi, XapiError **error)
{
        return make_snapshot(call, vdi, NULL, error);
}

/* ---- copy ---- */

/* Within a repository, the storage itself copies best. */
static Str copy_beside(Call *call, const char *vdi, XapiError **error)
{
        Derive d = { .operation = { .call = call,
                                    .vdi_ref = vdi,
                                    .sr_operation = STORAGE_OPERATIONS_VDI_CLONE,
                                    .vdi_operation = VDI_OPERATIONS_COPY },
                     .make = NULL };

        return derive(&d, error);
}

static bool check_target(SrOperation *from, SrOperation *to, XapiError **error)
{
        g_autofree char *needed = g_strdup_printf("%" G_GINT64_FORMAT, from->vdi->virtual_size);

        if (to->vdi->read_only)
                return xapi_fail(error, ERR_VDI_READONLY, to->vdi_ref, NULL);
        return to->vdi->virtual_size >= from->vdi->virtual_size ||
               xapi_fail(error, ERR_VDI_TOO_SMALL, to->vdi_ref, needed, NULL);
}

static DiskPlace place_of(const SrOperation *o)
{
        return (DiskPlace){
                .sr_ref = o->sr, .vdi_ref = o->vdi_ref, .sr_uuid = o->sr_uuid, .location = o->location
        };
}

/* The source's operation has begun. Nobody else may use the target meanwhile. */
static bool fill(SrOperation *from, const char *target, bool fresh, XapiError **error)
{
        SrOperation to = { .call = from->call,
                           .vdi_ref = target,
                           .sr_operation = -1,
                           .vdi_operation = VDI_OPERATIONS_BLOCKED,
                           .sizes = true };
        DiskPlace source, sink;
        bool ok;

        if (!storage_begin(&to, error))
                return false;
        source = place_of(from);
        sink = place_of(&to);
        ok = check_target(from, &to, error) &&
             disk_copy(from->call, &source, &sink, from->vdi->virtual_size, fresh, error);
        return storage_end(&to, ok, NULL, NULL, error);
}

/* Empty, or a copy already. */
static Str make_target(const SrOperation *from, const char *sr, bool copy, XapiError **error)
{
        VdiRow *args = (VdiRow *)row_copy(&from->vdi->row);
        Str ref;

        slot_str(&args->SR, sr);
        slot_map(&args->sm_config, map_empty(args->sm_config->type));
        args->read_only = false; /* until it is filled */
        ref = copy ? vdi_create_copy(from->call, args, from->sr_uuid, from->location, error)
                   : vdi_create_like(from->call, args, error);
        row_unref(&args->row);
        return ref;
}

static bool note_read_only(Call *call, const char *vdi, bool read_only, XapiError **error)
{
        Txn *txn;
        VdiRow *row;

        if (!read_only)
                return true;
        txn = txn_begin(call->store);
        row = (VdiRow *)txn_edit(txn, &CLASS_VDI, vdi);
        if (row)
                row->read_only = true;
        return txn_commit_wait(txn, error);
}

static Str copy_elsewhere(SrOperation *from, const char *sr, XapiError **error)
{
        bool by_storage = sr_copies_to(from->call->store, from->sr, sr);
        Str ref = make_target(from, sr, by_storage, error);
        XapiError *ignored = NULL;

        if (!ref)
                return NULL;
        if ((by_storage || fill(from, ref, true, error)) &&
            note_read_only(from->call, ref, from->vdi->read_only, error))
                return ref;
        vdi_destroy_quietly(from->call, ref, &ignored);
        xapi_error_free(ignored);
        str_unref(ref);
        return NULL;
}

/* into NULL: a new disk in `sr`. */
static Str copy(Call *call, const char *vdi, const char *sr, const char *into, XapiError **error)
{
        SrOperation from = {
                .call = call, .vdi_ref = vdi, .sr_operation = -1, .vdi_operation = VDI_OPERATIONS_COPY
        };
        Str ref = NULL;

        if (!storage_begin(&from, error))
                return NULL;
        if (!into)
                ref = copy_elsewhere(&from, sr, error);
        else if (fill(&from, into, false, error))
                ref = str_new(into);
        if (!storage_end(&from, ref, NULL, NULL, error))
                str_unref(g_steal_pointer(&ref));
        return ref;
}

static bool is_in(Store *store, const char *vdi, const char *sr)
{
        const VdiRow *row = STORE_GET(VdiRow, CLASS_VDI, store, vdi);
        bool in = row && strcmp(row->SR, sr) == 0;

        if (row)
                row_unref(&row->row);
        return in;
}

Str vdi_copy_to(Call *call, const char *vdi, const char *sr, XapiError **error)
{
        if (is_in(call->store, vdi, sr) && sr_has_feature(call->store, sr, SM_COPY))
                return copy_beside(call, vdi, error);
        return copy(call, vdi, sr, NULL, error);
}

bool vdi_copy(Call *call, const VdiCopyParams *p, XapiError **error)
{
        if (strcmp(p->into_vdi, NULL_REF) != 0)
                return give(call, copy(call, p->vdi, NULL, p->into_vdi, error));
        return give(call, vdi_copy_to(call, p->vdi, p->sr, error));
}
