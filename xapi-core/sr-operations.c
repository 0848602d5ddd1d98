/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which operations an SR allows, and when: the order of the checks is upstream's, since clients match on the first
 * error. */
#include "storage-internal.h"

#define OP(name) STORAGE_OPERATIONS_##name

static const int64_t OFFERED[] = {
        OP(SCAN),
        OP(DESTROY),
        OP(FORGET),
        OP(PLUG),
        OP(UNPLUG),
        OP(VDI_CREATE),
        OP(VDI_DESTROY),
        OP(VDI_RESIZE),
        OP(VDI_CLONE),
        OP(VDI_SNAPSHOT),
        OP(VDI_MIRROR),
        OP(VDI_ENABLE_CBT),
        OP(VDI_DISABLE_CBT),
        OP(VDI_DATA_DESTROY),
        OP(VDI_LIST_CHANGED_BLOCKS),
        OP(VDI_SET_ON_BOOT),
        OP(VDI_INTRODUCE),
        OP(UPDATE),
        OP(PBD_CREATE),
        OP(PBD_DESTROY),
        -1,
};

static const char *needed_feature(int64_t operation)
{
        switch (operation) {
        case OP(VDI_CREATE):
                return "VDI_CREATE";
        case OP(VDI_DESTROY):
                return "VDI_DELETE";
        case OP(VDI_RESIZE):
                return "VDI_RESIZE";
        case OP(VDI_INTRODUCE):
                return "VDI_INTRODUCE";
        case OP(VDI_MIRROR):
                return "VDI_MIRROR";
        case OP(VDI_ENABLE_CBT):
        case OP(VDI_DISABLE_CBT):
        case OP(VDI_DATA_DESTROY):
        case OP(VDI_LIST_CHANGED_BLOCKS):
                return "VDI_CONFIG_CBT";
        case OP(VDI_SET_ON_BOOT):
                return "VDI_RESET_ON_BOOT";
        case OP(VDI_SNAPSHOT):
                return "VDI_SNAPSHOT";
        case OP(UPDATE):
                return "SR_UPDATE";
        default:
                return NULL;
        }
}

static bool check_driver(Txn *txn, const SrRow *sr, int64_t operation, XapiError **error)
{
        const char *feature = needed_feature(operation);
        bool edits = operation == OP(VDI_CREATE) || operation == OP(VDI_DESTROY);

        if (!feature || (sm_has_feature(sm_of_type(txn, sr->type), feature) && !(sr->is_tools_sr && edits)))
                return true;
        return xapi_fail(error, ERR_SR_OPERATION_NOT_SUPPORTED, sr->row.ref, NULL);
}

static bool check_no_plugged_pbd(Txn *txn, const SrRow *sr, XapiError **error)
{
        for (uint32_t i = 0; i < sr->PBDs->n; i++) {
                const PbdRow *pbd = (const PbdRow *)txn_get(txn, &CLASS_PBD, sr->PBDs->items[i].s);

                if (pbd && pbd->currently_attached)
                        return xapi_fail(error, ERR_SR_HAS_PBD, sr->row.ref, NULL);
        }
        return true;
}

static bool check_some_pbd(Txn *txn, const SrRow *sr, XapiError **error)
{
        for (uint32_t i = 0; i < sr->PBDs->n; i++)
                if (txn_get(txn, &CLASS_PBD, sr->PBDs->items[i].s))
                        return true;
        return xapi_fail(error, ERR_SR_HAS_NO_PBDS, sr->row.ref, NULL);
}

static bool check_no_volume(Txn *txn, const SrRow *sr, XapiError **error)
{
        for (uint32_t i = 0; i < sr->VDIs->n; i++) {
                const VdiRow *vdi = (const VdiRow *)txn_get(txn, &CLASS_VDI, sr->VDIs->items[i].s);

                if (vdi && vdi->managed)
                        return xapi_fail(error, ERR_SR_NOT_EMPTY, NULL);
        }
        return true;
}

/* These change what the repository is, or whether it is there. */
static bool excludes_others(int64_t operation)
{
        return operation == OP(DESTROY) || operation == OP(FORGET) || operation == OP(UNPLUG);
}

static bool check_others(const SrRow *sr, int64_t operation, XapiError **error)
{
        bool busy = sr->current_operations->n && excludes_others(operation);

        for (uint32_t i = 0; i < sr->current_operations->n; i++)
                busy |= excludes_others(sr->current_operations->entries[i].value.i);
        return !busy || operation_fail_busy(&SR_OPERATION_RULES, &sr->row, error);
}

static bool check(Txn *txn, const Row *row, int64_t operation, XapiError **error)
{
        const SrRow *sr = (const SrRow *)row;
        bool ends = operation == OP(DESTROY) || operation == OP(FORGET);

        if (!check_driver(txn, sr, operation, error) || (ends && !check_no_plugged_pbd(txn, sr, error)))
                return false;
        if (operation == OP(DESTROY) && (!check_some_pbd(txn, sr, error) || !check_no_volume(txn, sr, error)))
                return false;
        return check_others(sr, operation, error);
}

const OperationRules SR_OPERATION_RULES = {
        .class = &CLASS_SR,
        .operations = &ENUM_STORAGE_OPERATIONS,
        .allowed_field = SR_FIELD_allowed_operations,
        .current_field = SR_FIELD_current_operations,
        .offered = OFFERED,
        .check = check,
};
