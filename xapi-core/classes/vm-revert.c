/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VM.revert: a VM as it was when its snapshot was taken, with new disks that begin with what the snapshot's hold. */
#include <string.h>

#include "lifecycle.h"
#include "manager.h"
#include "rows.h"
#include "uuid.h"
#include "vdi.h"
#include "vm-copy.h"
#include "vm-handlers.h"
#include "xenapi.h"

/* What comes back; all else of a VM is where and what it is, not how it is set up. */
static const size_t FIELDS[] = {
        VM_FIELD_HVM_boot_params,
        VM_FIELD_HVM_boot_policy,
        VM_FIELD_HVM_shadow_multiplier,
        VM_FIELD_NVRAM,
        VM_FIELD_PCI_bus,
        VM_FIELD_PV_args,
        VM_FIELD_PV_bootloader,
        VM_FIELD_PV_bootloader_args,
        VM_FIELD_PV_kernel,
        VM_FIELD_PV_legacy_args,
        VM_FIELD_PV_ramdisk,
        VM_FIELD_VCPUs_at_startup,
        VM_FIELD_VCPUs_max,
        VM_FIELD_VCPUs_params,
        VM_FIELD_actions_after_crash,
        VM_FIELD_actions_after_reboot,
        VM_FIELD_actions_after_shutdown,
        VM_FIELD_actions_after_softreboot,
        VM_FIELD_affinity,
        VM_FIELD_bios_strings,
        VM_FIELD_domain_type,
        VM_FIELD_ha_restart_priority,
        VM_FIELD_hardware_platform_version,
        VM_FIELD_has_vendor_device,
        VM_FIELD_last_boot_CPU_flags,
        VM_FIELD_last_booted_record,
        VM_FIELD_memory_dynamic_max,
        VM_FIELD_memory_dynamic_min,
        VM_FIELD_memory_overhead,
        VM_FIELD_memory_static_max,
        VM_FIELD_memory_static_min,
        VM_FIELD_memory_target,
        VM_FIELD_name_description,
        VM_FIELD_order,
        VM_FIELD_other_config,
        VM_FIELD_platform,
        VM_FIELD_recommendations,
        VM_FIELD_reference_label,
        VM_FIELD_shutdown_delay,
        VM_FIELD_start_delay,
        VM_FIELD_suspend_SR,
        VM_FIELD_tags,
        VM_FIELD_user_version,
        VM_FIELD_version,
        VM_FIELD_xenstore_data,
};

typedef struct Revert {
        Lifecycle vm;
        const char *snapshot;
        VmCopy copy;         /* of the snapshot's disks */
        GPtrArray *replaced; /* VDIs (Str) whose place was taken */
} Revert;

/* ---- in the last transaction ---- */

static void restore_fields(VmRow *vm, const VmRow *snapshot)
{
        for (size_t i = 0; i < G_N_ELEMENTS(FIELDS); i++) {
                const Type *type = CLASS_VM.fields[FIELDS[i]].type;
                Value *slot = &row_values(&vm->row)[FIELDS[i]];

                value_unref(type, *slot);
                *slot = value_ref(type, row_values(&snapshot->row)[FIELDS[i]]);
        }
        vm_fresh_generation_id(vm);
}

/* Whether a VBD that is not gone yet has this VDI. */
static bool is_used(Txn *txn, const VdiRow *vdi)
{
        for (uint32_t i = 0; i < vdi->VBDs->n; i++)
                if (txn_get(txn, &CLASS_VBD, vdi->VBDs->items[i].s))
                        return true;
        return false;
}

/* The disks that are the VM's alone, and of which the snapshot has an earlier state, are not needed any more. */
static void note_replaced(Revert *r, Txn *txn, const VdiRow *old, const Set *vbds)
{
        for (uint32_t i = 0; i < old->VBDs->n; i++)
                if (set_contains(vbds, old->VBDs->items[i]) && !is_used(txn, old)) {
                        g_ptr_array_add(r->replaced, (void *)str_ref(old->row.ref));
                        return;
                }
}

/* The disk in the place of what this VDI is a snapshot of takes over all its snapshots. `vbds` were the VM's. */
static void replace_disk(Revert *r, Txn *txn, const char *snapshot_vdi, const char *made, const Set *vbds)
{
        const VdiRow *snapshot = (const VdiRow *)txn_get(txn, &CLASS_VDI, snapshot_vdi);
        const VdiRow *old = snapshot ? (const VdiRow *)txn_get(txn, &CLASS_VDI, snapshot->snapshot_of) : NULL;
        Set *snapshots;

        if (!old)
                return;
        note_replaced(r, txn, old, vbds);
        snapshots = set_ref(old->snapshots);
        for (uint32_t i = 0; i < snapshots->n; i++) {
                VdiRow *vdi = (VdiRow *)txn_edit(txn, &CLASS_VDI, snapshots->items[i].s);

                if (vdi)
                        slot_str(&vdi->snapshot_of, made);
        }
        set_unref(snapshots);
}

static void restore_devices(Revert *r, Txn *txn, const VmRow *vm, const VmRow *snapshot)
{
        Set *vbds = set_ref(vm->VBDs), *vifs = set_ref(snapshot->VIFs);

        vm_delete_devices(txn, vm);
        for (guint i = 0; i < r->copy.disks->len; i++) {
                const VmCopyDisk *disk = &g_array_index(r->copy.disks, VmCopyDisk, i);
                const VbdRow *vbd = (const VbdRow *)txn_get(txn, &CLASS_VBD, disk->vbd);

                if (!vbd)
                        continue;
                if (disk->made)
                        replace_disk(r, txn, vbd->VDI, disk->made, vbds);
                vm_copy_vbd(txn, vbd, vm->row.ref, disk->made ? disk->made : vbd->VDI);
        }
        for (uint32_t i = 0; i < vifs->n; i++) {
                const VifRow *vif = (const VifRow *)txn_get(txn, &CLASS_VIF, vifs->items[i].s);

                if (vif)
                        vm_copy_vif(txn, vif, vm, true);
        }
        set_unref(vbds);
        set_unref(vifs);
}

static void finish(Txn *txn, Lifecycle *l)
{
        Revert *r = l->data;
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, l->vm);
        const VmRow *snapshot = (const VmRow *)txn_get(txn, &CLASS_VM, r->snapshot);

        if (!snapshot)
                return;
        if (strcmp(vm->suspend_VDI, NULL_REF) != 0)
                g_ptr_array_add(r->replaced, (void *)str_ref(vm->suspend_VDI));
        restore_fields(vm, snapshot);
        vm->power_state = r->copy.suspend_vdi ? VM_POWER_STATE_SUSPENDED : VM_POWER_STATE_HALTED;
        vm->domid = -1;
        slot_str(&vm->resident_on, NULL_REF);
        slot_str(&vm->suspend_VDI, r->copy.suspend_vdi ? r->copy.suspend_vdi : NULL_REF);
        slot_str(&vm->parent, r->snapshot);
        restore_devices(r, txn, vm, snapshot);
        for (guint i = 0; i < r->replaced->len; i++)
                vdi_will_go(txn, l->call, r->replaced->pdata[i]);
}

/* ---- before and after it ---- */

/* What a snapshot says of the VM that it was taken of. Returns owned (json_decref), or NULL. */
static json_t *metadata_of(const VmRow *snapshot)
{
        json_t *metadata = json_loads(snapshot->snapshot_metadata, 0, NULL);

        if (json_is_string(json_object_get(metadata, "uuid")) &&
            json_is_string(json_object_get(metadata, "name_label")))
                return metadata;
        json_decref(metadata);
        return NULL;
}

typedef struct Orphans {
        const char *of; /* a VM that is gone */
        GPtrArray *refs;
} Orphans;

static void release(void *ref)
{
        str_unref(ref);
}

static bool add_orphan(const Row *row, void *user)
{
        Orphans *orphans = user;

        if (strcmp(((const VmRow *)row)->snapshot_of, orphans->of) == 0)
                g_ptr_array_add(orphans->refs, (void *)str_ref(row->ref));
        return true;
}

/* All snapshots of the VM that is gone are the new one's. */
static void adopt_snapshots(Txn *txn, const char *gone, const char *vm)
{
        Orphans orphans = { .of = gone, .refs = g_ptr_array_new_with_free_func(release) };

        txn_each(txn, &CLASS_VM, add_orphan, &orphans);
        for (guint i = 0; i < orphans.refs->len; i++)
                slot_str(&((VmRow *)txn_edit(txn, &CLASS_VM, orphans.refs->pdata[i]))->snapshot_of, vm);
        g_ptr_array_unref(orphans.refs);
}

/* A VM with the identity of the one that is gone; all else comes back as with others. */
static bool make_again(Call *call, Txn *txn, const char *ref, XapiError **error)
{
        const VmRow *snapshot = (const VmRow *)txn_get(txn, &CLASS_VM, ref);
        auto_str gone = str_ref(snapshot->snapshot_of);
        json_t *metadata = metadata_of(snapshot);
        const char *uuid = json_string_value(json_object_get(metadata, "uuid"));
        VmCopy copy = { .call = call,
                        .kind = VM_COPY_CLONE,
                        .source = ref,
                        .name = json_string_value(json_object_get(metadata, "name_label")),
                        .disks = g_array_new(FALSE, TRUE, sizeof(VmCopyDisk)) };
        VmRow *vm;

        if (metadata && uuid_is_valid(uuid)) {
                copy.uuid = txn_get_by_uuid(txn, &CLASS_VM, uuid) ? NULL : uuid;
                vm = vm_copy_insert(&copy, txn);
                vm->is_a_template = json_is_true(json_object_get(metadata, "is_a_template"));
                operation_update(txn, &VM_OPERATION_RULES, vm->row.ref);
                adopt_snapshots(txn, gone, vm->row.ref);
        } else {
                xapi_fail(error, ERR_VM_REVERT_FAILED, ref, gone, NULL);
        }
        json_decref(metadata);
        vm_copy_clear(&copy);
        return !*error;
}

static bool begin_snapshot(Call *call, const char *ref, Str *ret_vm, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        const VmRow *snapshot = (const VmRow *)txn_require(txn, &CLASS_VM, ref, error);
        bool ok = snapshot &&
                  (snapshot->is_a_snapshot || xapi_fail(error, ERR_VM_REVERT_FAILED, ref, NULL_REF, NULL));

        ok = ok && operation_begin(txn, &VM_OPERATION_RULES, ref, VM_OPERATIONS_REVERT, call->task, error);
        snapshot = ok ? (const VmRow *)txn_get(txn, &CLASS_VM, ref) : NULL;
        if (ok && !txn_get(txn, &CLASS_VM, snapshot->snapshot_of))
                ok = make_again(call, txn, ref, error);
        if (!ok) {
                txn_abort(txn);
                return false;
        }
        *ret_vm = str_ref(((const VmRow *)txn_get(txn, &CLASS_VM, ref))->snapshot_of);
        txn_commit(txn, NULL, NULL);
        return true;
}

static void end_snapshot(Call *call, const char *ref)
{
        Txn *txn = txn_begin(call->store);
        XapiError *ignored = NULL;

        operation_end(txn, &VM_OPERATION_RULES, ref, call->task);
        if (!txn_commit_wait(txn, &ignored))
                xapi_error_free(ignored);
}

/* No domain is left, and xenopsd forgets the VM: what it knew is not what it will be. */
static bool power_off(Lifecycle *l, XapiError **error)
{
        if (l->power_state != VM_POWER_STATE_HALTED && l->power_state != VM_POWER_STATE_SUSPENDED &&
            !lifecycle_shut_down(l, NULL, error))
                return false;
        lifecycle_forget(l);
        return true;
}

static void remove_replaced(Call *call, GPtrArray *vdis)
{
        for (guint i = 0; i < vdis->len; i++) {
                XapiError *error = NULL;

                if (!vdi_destroy_quietly(call, vdis->pdata[i], &error))
                        log_warning("A disk that was replaced could not be removed", "XAPI_VDI",
                                    vdis->pdata[i], NULL);
                xapi_error_free(error);
        }
}

static bool revert(Revert *r, XapiError **error)
{
        Lifecycle *l = &r->vm;
        bool ok;

        if (!lifecycle_begin(l, error))
                return false;
        ok = vm_copy_disks(&r->copy, error) && power_off(l, error);
        if (ok)
                l->finish = finish;
        ok = lifecycle_end(l, ok, error);
        if (ok)
                remove_replaced(l->call, r->replaced);
        else
                vm_copy_undo(&r->copy);
        vm_copy_clear(&r->copy);
        return ok;
}

bool vm_revert(Call *call, const VmRevertParams *p, XapiError **error)
{
        auto_str vm = NULL;
        Revert r = { .snapshot = p->snapshot,
                     .copy = { .call = call, .kind = VM_COPY_CLONE, .source = p->snapshot } };
        bool ok;

        if (!begin_snapshot(call, p->snapshot, &vm, error))
                return false;
        r.vm = lifecycle(call, vm, VM_OPERATIONS_REVERTING);
        r.vm.data = &r;
        r.replaced = g_ptr_array_new_with_free_func(release);
        ok = revert(&r, error);
        g_ptr_array_unref(r.replaced);
        end_snapshot(call, p->snapshot);
        return ok;
}
