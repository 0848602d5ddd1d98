/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which operations a VDI allows, and when: the order of the checks is upstream's, since clients match on the first
 * error. */
#include <string.h>

#include "storage-internal.h"

#define OP(name) VDI_OPERATIONS_##name

static const int64_t OFFERED[] = {
        OP(SNAPSHOT),
        OP(COPY),
        OP(CLONE),
        OP(RESIZE),
        OP(RESIZE_ONLINE),
        OP(DESTROY),
        OP(FORGET),
        OP(UPDATE),
        OP(GENERATE_CONFIG),
        OP(ENABLE_CBT),
        OP(DISABLE_CBT),
        OP(DATA_DESTROY),
        OP(LIST_CHANGED_BLOCKS),
        OP(SET_ON_BOOT),
        -1,
};

/* ---- other operations ---- */

static bool only_reads(int64_t operation)
{
        return operation == OP(CLONE) || operation == OP(COPY) || operation == OP(SNAPSHOT);
}

static bool check_others(const VdiRow *vdi, int64_t operation, XapiError **error)
{
        for (uint32_t i = 0; i < vdi->current_operations->n; i++)
                if (!only_reads(operation) || !only_reads(vdi->current_operations->entries[i].value.i))
                        return operation_fail_busy(&VDI_OPERATION_RULES, &vdi->row, error);
        return true;
}

/* ---- VMs that use it ---- */

static bool may_run_live(int64_t operation)
{
        switch (operation) {
        case OP(SNAPSHOT):
        case OP(RESIZE_ONLINE):
        case OP(BLOCKED):
        case OP(CLONE):
        case OP(MIRROR):
        case OP(ENABLE_CBT):
        case OP(DISABLE_CBT):
        case OP(DATA_DESTROY):
                return true;
        default:
                return false;
        }
}

static bool of_snapshot(Txn *txn, const VbdRow *vbd)
{
        const VmRow *vm = (const VmRow *)txn_get(txn, &CLASS_VM, vbd->VM);

        return vm && vm->is_a_snapshot;
}

/* A suspended VM will go on with its disks as they were. */
static bool is_suspended(Txn *txn, const VbdRow *vbd)
{
        const VmRow *vm = (const VmRow *)txn_get(txn, &CLASS_VM, vbd->VM);

        return vm && vm->power_state == VM_POWER_STATE_SUSPENDED && !vm->is_a_snapshot;
}

static bool blocks(Txn *txn, const VbdRow *vbd, int64_t operation)
{
        if (may_run_live(operation) || !(vbd->currently_attached || vbd->reserved || is_suspended(txn, vbd)))
                return false;
        if (operation == OP(COPY))
                return vbd->mode == VBD_MODE_RW;
        return operation != OP(LIST_CHANGED_BLOCKS) || !of_snapshot(txn, vbd);
}

static bool check_vbds(Txn *txn, const VdiRow *vdi, int64_t operation, XapiError **error)
{
        const VbdRow *busy = NULL;

        for (uint32_t i = 0; i < vdi->VBDs->n; i++) {
                const VbdRow *vbd = (const VbdRow *)txn_get(txn, &CLASS_VBD, vdi->VBDs->items[i].s);

                if (!vbd || strcmp(vbd->VDI, vdi->row.ref) != 0)
                        continue;
                if (blocks(txn, vbd, operation))
                        return xapi_fail(error, ERR_VDI_IN_USE, vdi->row.ref,
                                         ENUM_VDI_OPERATIONS.values[operation], NULL);
                if (vbd->current_operations->n)
                        busy = vbd;
        }
        return !busy || operation == OP(DATA_DESTROY) ||
               operation_fail_busy(&VBD_OPERATION_RULES, &busy->row, error);
}

/* ---- what the driver can do ---- */

static const char *needed_feature(int64_t operation)
{
        switch (operation) {
        case OP(SNAPSHOT):
                return "VDI_SNAPSHOT";
        case OP(DESTROY):
                return "VDI_DELETE";
        case OP(RESIZE):
                return "VDI_RESIZE";
        case OP(UPDATE):
                return "VDI_UPDATE";
        case OP(RESIZE_ONLINE):
                return "VDI_RESIZE_ONLINE";
        case OP(GENERATE_CONFIG):
                return "VDI_GENERATE_CONFIG";
        case OP(CLONE):
                return "VDI_CLONE";
        case OP(MIRROR):
                return "VDI_MIRROR";
        case OP(ENABLE_CBT):
        case OP(DISABLE_CBT):
        case OP(DATA_DESTROY):
        case OP(LIST_CHANGED_BLOCKS):
                return "VDI_CONFIG_CBT";
        case OP(SET_ON_BOOT):
                return "VDI_RESET_ON_BOOT";
        default:
                return NULL;
        }
}

static bool check_sr(Txn *txn, const VdiRow *vdi, int64_t operation, XapiError **error)
{
        const SrRow *sr = (const SrRow *)txn_require(txn, &CLASS_SR, vdi->SR, error);
        const char *feature = needed_feature(operation);
        bool plugged = false;

        if (!sr)
                return false;
        for (uint32_t i = 0; i < sr->PBDs->n && !plugged; i++) {
                const PbdRow *pbd = (const PbdRow *)txn_get(txn, &CLASS_PBD, sr->PBDs->items[i].s);

                plugged = pbd && pbd->currently_attached;
        }
        if (!plugged && operation == OP(RESIZE))
                return xapi_fail(error, ERR_SR_HAS_NO_PBDS, vdi->SR, NULL);
        if (feature && !sm_has_feature(sm_of_type(txn, sr->type), feature))
                return xapi_fail(error, ERR_SR_OPERATION_NOT_SUPPORTED, vdi->SR, NULL);
        if (operation != OP(DESTROY) && operation != OP(DATA_DESTROY))
                return true;
        if (strcmp(sr->type, "udev") == 0)
                return xapi_fail(error, ERR_VDI_IS_A_PHYSICAL_DEVICE, vdi->row.ref, NULL);
        return !sr->is_tools_sr || xapi_fail(error, ERR_SR_OPERATION_NOT_SUPPORTED, vdi->SR, NULL);
}

/* ---- what kind of disk it is ---- */

static bool of_changed_blocks_alone(int64_t operation)
{
        switch (operation) {
        case OP(BLOCKED):
        case OP(DATA_DESTROY):
        case OP(DESTROY):
        case OP(FORCE_UNLOCK):
        case OP(FORGET):
        case OP(GENERATE_CONFIG):
        case OP(LIST_CHANGED_BLOCKS):
        case OP(UPDATE):
                return true;
        default:
                return false;
        }
}

static bool fail_type(const VdiRow *vdi, XapiError **error)
{
        return xapi_fail(error, ERR_VDI_INCOMPATIBLE_TYPE, vdi->row.ref, ENUM_VDI_TYPE.values[vdi->type],
                         NULL);
}

static bool fail_not_allowed(const char *what, const VdiRow *vdi, XapiError **error)
{
        g_autofree char *text = g_strdup_printf("%s: %s", what, vdi->row.ref);

        return xapi_fail(error, ERR_OPERATION_NOT_ALLOWED, text, NULL);
}

static bool check_changed_blocks(const VdiRow *vdi, int64_t operation, XapiError **error)
{
        if (operation == OP(DATA_DESTROY)) {
                if (!vdi->is_a_snapshot)
                        return fail_not_allowed("VDI is not a snapshot", vdi, error);
                return vdi->cbt_enabled || xapi_fail(error, ERR_VDI_NO_CBT_METADATA, vdi->row.ref, NULL);
        }
        if (operation != OP(ENABLE_CBT) && operation != OP(DISABLE_CBT))
                return true;
        if (vdi->is_a_snapshot)
                return fail_not_allowed("VDI is a snapshot", vdi, error);
        if (vdi->type != VDI_TYPE_USER && vdi->type != VDI_TYPE_SYSTEM)
                return fail_type(vdi, error);
        return vdi->on_boot != ON_BOOT_RESET ||
               xapi_fail(error, ERR_VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION, NULL);
}

static bool is_image_of(const Row *row, void *user)
{
        const char **ref = user;

        if (strcmp(((const VmRow *)row)->suspend_VDI, *ref) == 0)
                *ref = NULL;
        return *ref;
}

bool vdi_holds_memory(Txn *txn, const VdiRow *vdi)
{
        const char *ref = vdi->row.ref;

        txn_each(txn, &CLASS_VM, is_image_of, &ref);
        return !ref;
}

/* BLOCKED is what those mark who write to it. */
static bool check_memory(Txn *txn, const VdiRow *vdi, int64_t operation, XapiError **error)
{
        return operation != OP(BLOCKED) || vdi->type != VDI_TYPE_SUSPEND || !vdi_holds_memory(txn, vdi) ||
               fail_type(vdi, error);
}

static bool check_kind(const VdiRow *vdi, int64_t operation, XapiError **error)
{
        bool removes = operation == OP(DESTROY) || operation == OP(FORGET) || operation == OP(DATA_DESTROY);

        if (vdi->type == VDI_TYPE_CBT_METADATA && !of_changed_blocks_alone(operation))
                return fail_type(vdi, error);
        if (vdi->cbt_enabled && (operation == OP(MIRROR) || operation == OP(SET_ON_BOOT)))
                return xapi_fail(error, ERR_VDI_CBT_ENABLED, vdi->row.ref, NULL);
        if (vdi->type == VDI_TYPE_RRD && removes)
                return xapi_fail(error, ERR_VDI_HAS_RRDS, vdi->row.ref, NULL);
        if (vdi->sharable && (operation == OP(SNAPSHOT) || operation == OP(MIRROR)))
                return xapi_fail(error, ERR_VDI_IS_SHARABLE, vdi->row.ref, NULL);
        if (vdi->on_boot == ON_BOOT_RESET && (operation == OP(SNAPSHOT) || operation == OP(COPY)))
                return xapi_fail(error, ERR_VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION, NULL);
        if (operation == OP(COPY) && (vdi->type == VDI_TYPE_HA_STATEFILE || vdi->type == VDI_TYPE_REDO_LOG))
                return xapi_fail(
                    error, ERR_OPERATION_NOT_ALLOWED,
                    "VDI containing HA statefile or redo log cannot be copied (check the VDI's allowed "
                    "operations).",
                    NULL);
        return check_changed_blocks(vdi, operation, error);
}

static bool check(Txn *txn, const Row *row, int64_t operation, XapiError **error)
{
        const VdiRow *vdi = (const VdiRow *)row;

        return check_others(vdi, operation, error) && check_vbds(txn, vdi, operation, error) &&
               check_sr(txn, vdi, operation, error) && check_memory(txn, vdi, operation, error) &&
               check_kind(vdi, operation, error);
}

const OperationRules VDI_OPERATION_RULES = {
        .class = &CLASS_VDI,
        .operations = &ENUM_VDI_OPERATIONS,
        .allowed_field = VDI_FIELD_allowed_operations,
        .current_field = VDI_FIELD_current_operations,
        .offered = OFFERED,
        .check = check,
};
