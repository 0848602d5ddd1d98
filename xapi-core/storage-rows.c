/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sm-daemon says, put into rows. */
#include <string.h>

#include "codec.h"
#include "storage-internal.h"
#include "uuid.h"

/* ---- maps ---- */

BusDict storage_dict(const Map *map)
{
        BusDict dict = { .n = map->n, .items = g_new0(BusPair, map->n + 1) };

        for (uint32_t i = 0; i < map->n; i++)
                dict.items[i] = (BusPair){ (char *)map->entries[i].key.s, (char *)map->entries[i].value.s };
        return dict;
}

Map *storage_map(const Type *type, const BusDict *dict)
{
        MapEntry *entries = g_new0(MapEntry, dict->n + 1);
        Map *map;

        for (size_t i = 0; i < dict->n; i++)
                entries[i] = (MapEntry){ .key.s = str_new(dict->items[i].key),
                                         .value.s = str_new(dict->items[i].value) };
        map = map_new(type, dict->n, entries);
        for (size_t i = 0; i < dict->n; i++) {
                str_unref(entries[i].key.s);
                str_unref(entries[i].value.s);
        }
        g_free(entries);
        return map;
}

/* ---- the repository ---- */

void sr_fold(Txn *txn, const char *ref, const StorageSrInfo *info)
{
        SrRow *sr = (SrRow *)txn_edit(txn, &CLASS_SR, ref);

        if (!sr)
                return;
        sr->physical_size = info->total_space;
        sr->physical_utilisation = info->total_space - info->free_space;
        sr->clustered = info->clustered;
}

void sr_replace_allocation(Txn *txn, const char *ref, int64_t old_bytes, int64_t new_bytes)
{
        SrRow *sr = (SrRow *)txn_edit(txn, &CLASS_SR, ref);

        if (sr)
                sr->virtual_allocation = (int64_t)CLAMP(
                    (__int128)sr->virtual_allocation - old_bytes + new_bytes, INT64_MIN, INT64_MAX);
}

/* ---- its volumes ---- */

static int64_t snapshot_time(const StorageVdiInfo *info)
{
        int64_t seconds;

        return info->snapshot_time && datetime_parse(info->snapshot_time, &seconds) ? seconds : 0;
}

/* The disk of which it is a snapshot goes by its name on the storage there, but by its uuid with other software. */
static const char *snapshot_source(Txn *txn, const VdiRow *vdi, const StorageVdiInfo *info)
{
        const Row *source = info->snapshot_of ? txn_get_by_uuid(txn, &CLASS_VDI, info->snapshot_of) : NULL;

        return source && strcmp(((const VdiRow *)source)->SR, vdi->SR) == 0 ? source->ref : vdi->snapshot_of;
}

static const char *text(const char *s)
{
        return s ? s : "";
}

bool vdi_differs(const VdiRow *vdi, const StorageVdiInfo *info)
{
        return vdi->virtual_size != info->virtual_size ||
               vdi->physical_utilisation != info->physical_utilisation ||
               vdi->cbt_enabled != info->cbt_enabled || !vdi->managed || vdi->missing ||
               strcmp(vdi->name_label, text(info->name_label)) != 0 ||
               strcmp(vdi->name_description, text(info->name_description)) != 0;
}

void vdi_fold(Txn *txn, VdiRow *vdi, const StorageVdiInfo *info)
{
        sr_replace_allocation(txn, vdi->SR, vdi->virtual_size, info->virtual_size);
        vdi->virtual_size = info->virtual_size;
        vdi->physical_utilisation = info->physical_utilisation;
        vdi->cbt_enabled = info->cbt_enabled;
        vdi->managed = true;
        vdi->missing = false;
        slot_str(&vdi->name_label, text(info->name_label));
        slot_str(&vdi->name_description, text(info->name_description));
}

static void fold_nature(Txn *txn, VdiRow *vdi, const StorageVdiInfo *info)
{
        int type = enum_index(&ENUM_VDI_TYPE, text(info->ty));

        slot_str(&vdi->location, info->vdi);
        slot_map(&vdi->sm_config, storage_map(vdi->sm_config->type, &info->sm_config));
        vdi->type = type >= 0 ? type : VDI_TYPE_USER;
        vdi->read_only = info->read_only;
        vdi->sharable = info->sharable;
        vdi->on_boot = info->persistent ? ON_BOOT_PERSIST : ON_BOOT_RESET;
        vdi->is_a_snapshot = info->is_a_snapshot;
        vdi->snapshot_time = snapshot_time(info);
        slot_str(&vdi->snapshot_of, snapshot_source(txn, vdi, info));
}

/* A uuid from the storage that another object has already is of no use. */
static VdiRow *insert(Txn *txn, const char *sr, const char *uuid)
{
        SrRow *repository = (SrRow *)txn_edit(txn, &CLASS_SR, sr);
        bool usable = uuid && uuid_is_valid(uuid) && !txn_get_by_uuid(txn, &CLASS_VDI, uuid);
        VdiRow *vdi = (VdiRow *)txn_create(txn, &CLASS_VDI, NULL, usable ? uuid : NULL);

        slot_str(&vdi->SR, sr);
        /* Relations follow at the end only, but whether there is any volume is asked before. */
        if (repository && !repository->VDIs->n)
                slot_set(&repository->VDIs, set_with(repository->VDIs, (Value){ .s = vdi->row.ref }));
        return vdi;
}

VdiRow *vdi_row_for(Txn *txn, const char *sr, const StorageVdiInfo *info)
{
        const VdiRow *old = info->uuid ? (const VdiRow *)txn_get_by_uuid(txn, &CLASS_VDI, info->uuid) : NULL;
        VdiRow *vdi;

        if (old && strcmp(old->SR, sr) == 0 && strcmp(old->location, info->vdi) == 0)
                vdi = (VdiRow *)txn_edit(txn, &CLASS_VDI, old->row.ref);
        else
                vdi = insert(txn, sr, info->uuid);
        fold_nature(txn, vdi, info);
        vdi_fold(txn, vdi, info);
        return vdi;
}

void vdi_row_relate(Txn *txn, VdiRow *vdi, const StorageVdiInfo *info)
{
        slot_str(&vdi->snapshot_of, snapshot_source(txn, vdi, info));
}

static void delete_all(Txn *txn, const Class *class, Set *refs)
{
        Set *kept = set_ref(refs); /* a deletion may change the set that it is in */

        for (uint32_t i = 0; i < kept->n; i++)
                txn_delete(txn, class, kept->items[i].s);
        set_unref(kept);
}

void vdi_row_disconnect(Txn *txn, const VdiRow *vdi)
{
        Set *vbds = set_ref(vdi->VBDs);

        for (uint32_t i = 0; i < vbds->n; i++) {
                const VbdRow *vbd = (const VbdRow *)txn_get(txn, &CLASS_VBD, vbds->items[i].s);

                if (!vbd || strcmp(vbd->VDI, vdi->row.ref) != 0)
                        continue;
                txn_delete(txn, &CLASS_VBD_METRICS, vbd->metrics);
                txn_delete(txn, &CLASS_VBD, vbds->items[i].s);
        }
        set_unref(vbds);
}

void vdi_row_delete(Txn *txn, const char *ref)
{
        const VdiRow *vdi = (const VdiRow *)txn_get(txn, &CLASS_VDI, ref);

        if (!vdi)
                return;
        sr_replace_allocation(txn, vdi->SR, vdi->virtual_size, 0);
        vdi_row_disconnect(txn, vdi);
        delete_all(txn, &CLASS_CRASHDUMP, vdi->crash_dumps);
        txn_delete(txn, &CLASS_VDI, ref);
}

PbdRow *pbd_row_insert(Txn *txn, PbdRow *pbd)
{
        SrRow *sr = (SrRow *)txn_edit(txn, &CLASS_SR, pbd->SR);

        pbd = (PbdRow *)txn_insert(txn, &pbd->row);
        if (!sr)
                return pbd;
        /* Relations follow at the end only, but the SR's operations depend on its PBDs. */
        slot_set(&sr->PBDs, set_with(sr->PBDs, (Value){ .s = pbd->row.ref }));
        operation_update(txn, &SR_OPERATION_RULES, sr->row.ref);
        return pbd;
}
