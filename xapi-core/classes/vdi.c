/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "classes.h"
#include "vdi-handlers.h"
#include "vm.h"

/* Only storage drivers may change these, with a session of their own. */
static bool refuse(Call *call, const char *vdi, XapiError **error)
{
        return txn_require(call_txn(call), &CLASS_VDI, vdi, error) &&
               xapi_fail(error, ERR_PERMISSION_DENIED, "", NULL);
}

static bool set_managed(Call *call, const VdiSetManagedParams *p, XapiError **error)
{
        return refuse(call, p->self, error);
}

static bool set_missing(Call *call, const VdiSetMissingParams *p, XapiError **error)
{
        return refuse(call, p->self, error);
}

static bool set_virtual_size(Call *call, const VdiSetVirtualSizeParams *p, XapiError **error)
{
        return refuse(call, p->self, error);
}

static bool set_physical_utilisation(Call *call, const VdiSetPhysicalUtilisationParams *p, XapiError **error)
{
        return refuse(call, p->self, error);
}

static bool set_is_a_snapshot(Call *call, const VdiSetIsASnapshotParams *p, XapiError **error)
{
        return refuse(call, p->self, error);
}

static bool set_snapshot_of(Call *call, const VdiSetSnapshotOfParams *p, XapiError **error)
{
        return refuse(call, p->self, error);
}

static bool set_snapshot_time(Call *call, const VdiSetSnapshotTimeParams *p, XapiError **error)
{
        return refuse(call, p->self, error);
}

static bool set_metadata_of_pool(Call *call, const VdiSetMetadataOfPoolParams *p, XapiError **error)
{
        return refuse(call, p->self, error);
}

static bool set_cbt_enabled(Call *call, const VdiSetCbtEnabledParams *p, XapiError **error)
{
        return refuse(call, p->self, error);
}

/* ---- what VMs must not notice ---- */

/* VM_BAD_POWER_STATE for the first VM with this disk that is not halted. */
static VdiRow *edit_unused(Call *call, const char *ref, XapiError **error)
{
        VdiRow *vdi = (VdiRow *)txn_require_edit(call_txn(call), &CLASS_VDI, ref, error);

        for (uint32_t i = 0; vdi && i < vdi->VBDs->n; i++) {
                const VbdRow *vbd = (const VbdRow *)txn_get(call->txn, &CLASS_VBD, vdi->VBDs->items[i].s);
                const VmRow *vm = vbd ? (const VmRow *)txn_get(call->txn, &CLASS_VM, vbd->VM) : NULL;

                if (vm && vm->power_state != VM_POWER_STATE_HALTED) {
                        vm_fail_power_state(vm, 1u << VM_POWER_STATE_HALTED, error);
                        return NULL;
                }
        }
        return vdi;
}

static bool set_read_only(Call *call, const VdiSetReadOnlyParams *p, XapiError **error)
{
        VdiRow *vdi = edit_unused(call, p->self, error);

        if (!vdi)
                return false;
        vdi->read_only = p->value;
        return true;
}

static bool set_sharable(Call *call, const VdiSetSharableParams *p, XapiError **error)
{
        VdiRow *vdi = edit_unused(call, p->self, error);

        if (!vdi)
                return false;
        vdi->sharable = p->value;
        operation_update(call->txn, &VDI_OPERATION_RULES, p->self);
        return true;
}

static bool set_allow_caching(Call *call, const VdiSetAllowCachingParams *p, XapiError **error)
{
        VdiRow *vdi = (VdiRow *)txn_require_edit(call_txn(call), &CLASS_VDI, p->self, error);

        if (!vdi)
                return false;
        vdi->allow_caching = p->value;
        return true;
}

/* ---- the rest ---- */

/* No network of this host is offered for NBD. */
static bool get_nbd_info(Call *call, const VdiGetNbdInfoParams *p, XapiError **error)
{
        const VdiRow *vdi = (const VdiRow *)txn_require(call_txn(call), &CLASS_VDI, p->self, error);

        if (!vdi)
                return false;
        return vdi->type != VDI_TYPE_CBT_METADATA ||
               xapi_fail(error, ERR_VDI_INCOMPATIBLE_TYPE, p->self, ENUM_VDI_TYPE.values[vdi->type], NULL);
}

/* Of long ago. */
static bool force_unlock(Call *call, const VdiForceUnlockParams *p, XapiError **error)
{
        return xapi_fail(error, ERR_MESSAGE_DEPRECATED, NULL);
}

const VdiHandlers vdi_handlers = {
        .create = { PLACE_THREAD, vdi_create },
        .destroy = { PLACE_THREAD, vdi_destroy },
        .forget = { PLACE_LOOP, vdi_forget },
        .introduce = { PLACE_THREAD, vdi_introduce },
        .pool_introduce = { PLACE_LOOP, vdi_pool_introduce },
        .db_introduce = { PLACE_LOOP, vdi_db_introduce },
        .db_forget = { PLACE_LOOP, vdi_db_forget },
        .clone = { PLACE_THREAD, vdi_clone },
        .snapshot = { PLACE_THREAD, vdi_snapshot },
        .copy = { PLACE_THREAD, vdi_copy },
        .resize = { PLACE_THREAD, vdi_resize },
        .resize_online = { PLACE_THREAD, vdi_resize_online },
        .update = { PLACE_THREAD, vdi_update },
        .enable_cbt = { PLACE_THREAD, vdi_enable_cbt },
        .disable_cbt = { PLACE_THREAD, vdi_disable_cbt },
        .data_destroy = { PLACE_THREAD, vdi_data_destroy },
        .list_changed_blocks = { PLACE_THREAD, vdi_list_changed_blocks },
        .set_name_label = { PLACE_THREAD, vdi_set_name_label },
        .set_name_description = { PLACE_THREAD, vdi_set_name_description },
        .set_on_boot = { PLACE_THREAD, vdi_set_on_boot },
        .set_read_only = { PLACE_LOOP, set_read_only },
        .set_sharable = { PLACE_LOOP, set_sharable },
        .set_allow_caching = { PLACE_LOOP, set_allow_caching },
        .set_managed = { PLACE_LOOP, set_managed },
        .set_missing = { PLACE_LOOP, set_missing },
        .set_virtual_size = { PLACE_LOOP, set_virtual_size },
        .set_physical_utilisation = { PLACE_LOOP, set_physical_utilisation },
        .set_is_a_snapshot = { PLACE_LOOP, set_is_a_snapshot },
        .set_snapshot_of = { PLACE_LOOP, set_snapshot_of },
        .set_snapshot_time = { PLACE_LOOP, set_snapshot_time },
        .set_metadata_of_pool = { PLACE_LOOP, set_metadata_of_pool },
        .set_cbt_enabled = { PLACE_LOOP, set_cbt_enabled },
        .get_nbd_info = { PLACE_LOOP, get_nbd_info },
        .force_unlock = { PLACE_LOOP, force_unlock },
};
