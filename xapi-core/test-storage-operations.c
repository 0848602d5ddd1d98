/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What SRs and VDIs allow, and the errors where they do not. */
#include <glib.h>

#include "storage-internal.h"
#include "test-store-lib.h"

typedef struct World {
        Store *store;
        Txn *txn;
        SmRow *sm;
        SrRow *sr;
        PbdRow *pbd;
        VdiRow *vdi;
        VmRow *vm;
        VbdRow *vbd;
} World;

static void add_feature(SmRow *sm, const char *name)
{
        auto_str key = str_new(name);

        slot_map(&sm->features, map_with(sm->features, (Value){ .s = key }, (Value){ .i = 1 }));
}

/* Relations follow when a transaction ends: so there are two. */
static void set_up(World *w, gconstpointer data)
{
        w->store = test_store_memory();
        w->txn = txn_begin(w->store);
        w->sm = (SmRow *)txn_create(w->txn, &CLASS_SM, "sm", NULL);
        w->sr = (SrRow *)txn_create(w->txn, &CLASS_SR, "sr", NULL);
        w->pbd = (PbdRow *)txn_create(w->txn, &CLASS_PBD, "pbd", NULL);
        w->vdi = (VdiRow *)txn_create(w->txn, &CLASS_VDI, "vdi", NULL);
        w->vm = (VmRow *)txn_create(w->txn, &CLASS_VM, "vm", NULL);
        w->vbd = (VbdRow *)txn_create(w->txn, &CLASS_VBD, "vbd", NULL);
        slot_str(&w->sm->type, "dir");
        slot_str(&w->sr->type, "dir");
        slot_str(&w->pbd->SR, "sr");
        slot_str(&w->vdi->SR, "sr");
        slot_str(&w->vbd->VDI, "vdi");
        slot_str(&w->vbd->VM, "vm");
        w->pbd->currently_attached = true;
        w->vdi->managed = true;
        w->vdi->type = VDI_TYPE_USER;
        w->vdi->on_boot = ON_BOOT_PERSIST;
        w->vm->power_state = VM_POWER_STATE_HALTED;
        w->vbd->mode = VBD_MODE_RW;
        for (size_t i = 0; i < 4; i++)
                add_feature(w->sm, (const char *const[]){ "VDI_CREATE", "VDI_DELETE", "VDI_RESIZE",
                                                          "VDI_SNAPSHOT" }[i]);
        add_feature(w->sm, "VDI_CLONE");
        test_commit(w->txn);
        w->txn = txn_begin(w->store);
        w->sm = (SmRow *)txn_edit(w->txn, &CLASS_SM, "sm");
        w->sr = (SrRow *)txn_edit(w->txn, &CLASS_SR, "sr");
        w->pbd = (PbdRow *)txn_edit(w->txn, &CLASS_PBD, "pbd");
        w->vdi = (VdiRow *)txn_edit(w->txn, &CLASS_VDI, "vdi");
        w->vm = (VmRow *)txn_edit(w->txn, &CLASS_VM, "vm");
        w->vbd = (VbdRow *)txn_edit(w->txn, &CLASS_VBD, "vbd");
}

static void tear_down(World *w, gconstpointer data)
{
        txn_abort(w->txn);
        store_close(w->store);
}

/* `expected` NULL: it is allowed. */
static void check(World *w, const OperationRules *rules, const char *ref, int64_t operation,
                  const char *expected)
{
        XapiError *error = NULL;
        bool ok = operation_begin(w->txn, rules, ref, operation, "", &error);
        g_autofree char *text = error ? xapi_error_text(error) : NULL;

        g_assert_cmpstr(text, ==, expected);
        g_assert_cmpint(ok, ==, !expected);
        xapi_error_free(error);
}

static void check_vdi(World *w, int64_t operation, const char *expected)
{
        check(w, &VDI_OPERATION_RULES, "vdi", operation, expected);
}

static void check_sr(World *w, int64_t operation, const char *expected)
{
        check(w, &SR_OPERATION_RULES, "sr", operation, expected);
}

static void mark(World *w, const OperationRules *rules, const char *ref, int64_t operation, const char *task)
{
        XapiError *error = NULL;

        g_assert_true(operation_begin(w->txn, rules, ref, operation, task, &error));
}

/* ---- VDIs ---- */

static void test_vdi_idle(World *w, gconstpointer data)
{
        check_vdi(w, VDI_OPERATIONS_DESTROY, NULL);
        check_vdi(w, VDI_OPERATIONS_RESIZE, NULL);
        check_vdi(w, VDI_OPERATIONS_SNAPSHOT, NULL);
        check_vdi(w, VDI_OPERATIONS_COPY, NULL);
        check_vdi(w, VDI_OPERATIONS_FORGET, NULL);
        check_vdi(w, VDI_OPERATIONS_RESIZE_ONLINE, "SR_OPERATION_NOT_SUPPORTED: [sr]");
        check_vdi(w, VDI_OPERATIONS_SET_ON_BOOT, "SR_OPERATION_NOT_SUPPORTED: [sr]");
        operation_update(w->txn, &VDI_OPERATION_RULES, "vdi");
        g_assert_cmpint(w->vdi->allowed_operations->n, ==, 6);
}

static void test_vdi_attached(World *w, gconstpointer data)
{
        w->vbd->currently_attached = true;
        check_vdi(w, VDI_OPERATIONS_DESTROY, "VDI_IN_USE: [vdi; destroy]");
        check_vdi(w, VDI_OPERATIONS_RESIZE, "VDI_IN_USE: [vdi; resize]");
        check_vdi(w, VDI_OPERATIONS_COPY, "VDI_IN_USE: [vdi; copy]");
        check_vdi(w, VDI_OPERATIONS_SNAPSHOT, NULL);
        check_vdi(w, VDI_OPERATIONS_CLONE, NULL);
        w->vbd->mode = VBD_MODE_RO;
        check_vdi(w, VDI_OPERATIONS_COPY, NULL);
        check_vdi(w, VDI_OPERATIONS_DESTROY, "VDI_IN_USE: [vdi; destroy]");
}

static void test_vdi_of_suspended_vm(World *w, gconstpointer data)
{
        w->vm->power_state = VM_POWER_STATE_SUSPENDED;
        check_vdi(w, VDI_OPERATIONS_DESTROY, "VDI_IN_USE: [vdi; destroy]");
        w->vm->is_a_snapshot = true;
        check_vdi(w, VDI_OPERATIONS_DESTROY, NULL);
}

/* What holds a VM's memory is restored by the host's root: it may be read, but nobody writes to it. */
static void test_vdi_of_memory(World *w, gconstpointer data)
{
        w->vdi->type = VDI_TYPE_SUSPEND;
        mark(w, &VDI_OPERATION_RULES, "vdi", VDI_OPERATIONS_BLOCKED, "task");
        operation_end(w->txn, &VDI_OPERATION_RULES, "vdi", "task");
        slot_str(&w->vm->suspend_VDI, "vdi");
        check_vdi(w, VDI_OPERATIONS_BLOCKED, "VDI_INCOMPATIBLE_TYPE: [vdi; suspend]");
        check_vdi(w, VDI_OPERATIONS_COPY, NULL);
        check_vdi(w, VDI_OPERATIONS_DESTROY, NULL);
}

static void test_vdi_beside_others(World *w, gconstpointer data)
{
        mark(w, &VDI_OPERATION_RULES, "vdi", VDI_OPERATIONS_CLONE, "task");
        check_vdi(w, VDI_OPERATIONS_SNAPSHOT, NULL);
        check_vdi(w, VDI_OPERATIONS_COPY, NULL);
        check_vdi(w, VDI_OPERATIONS_DESTROY, "OTHER_OPERATION_IN_PROGRESS: [VDI; vdi; clone; task]");
        operation_end(w->txn, &VDI_OPERATION_RULES, "vdi", "task");
        mark(w, &VDI_OPERATION_RULES, "vdi", VDI_OPERATIONS_RESIZE, "other");
        check_vdi(w, VDI_OPERATIONS_SNAPSHOT, "OTHER_OPERATION_IN_PROGRESS: [VDI; vdi; resize; other]");
        operation_end(w->txn, &VDI_OPERATION_RULES, "vdi", "other");
        check_vdi(w, VDI_OPERATIONS_SNAPSHOT, NULL);
}

static void test_vdi_beside_plug(World *w, gconstpointer data)
{
        w->vm->power_state = VM_POWER_STATE_RUNNING;
        mark(w, &VBD_OPERATION_RULES, "vbd", VBD_OPERATIONS_PLUG, "task");
        check_vdi(w, VDI_OPERATIONS_DESTROY, "OTHER_OPERATION_IN_PROGRESS: [VBD; vbd; plug; task]");
}

static void test_vdi_unplugged(World *w, gconstpointer data)
{
        w->pbd->currently_attached = false;
        check_vdi(w, VDI_OPERATIONS_RESIZE, "SR_HAS_NO_PBDS: [sr]");
        check_vdi(w, VDI_OPERATIONS_DESTROY, NULL);
}

static void test_vdi_kinds(World *w, gconstpointer data)
{
        w->vdi->sharable = true;
        check_vdi(w, VDI_OPERATIONS_SNAPSHOT, "VDI_IS_SHARABLE: [vdi]");
        w->vdi->sharable = false;
        w->vdi->on_boot = ON_BOOT_RESET;
        check_vdi(w, VDI_OPERATIONS_COPY, "VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION: []");
        w->vdi->on_boot = ON_BOOT_PERSIST;
        w->vdi->type = VDI_TYPE_RRD;
        check_vdi(w, VDI_OPERATIONS_FORGET, "VDI_HAS_RRDS: [vdi]");
        w->vdi->type = VDI_TYPE_CBT_METADATA;
        check_vdi(w, VDI_OPERATIONS_CLONE, "VDI_INCOMPATIBLE_TYPE: [vdi; cbt_metadata]");
        check_vdi(w, VDI_OPERATIONS_DESTROY, NULL);
        w->sr->is_tools_sr = true;
        check_vdi(w, VDI_OPERATIONS_DESTROY, "SR_OPERATION_NOT_SUPPORTED: [sr]");
        slot_str(&w->sr->type, "nosuch");
        check_vdi(w, VDI_OPERATIONS_RESIZE, "SR_OPERATION_NOT_SUPPORTED: [sr]");
}

static void test_vdi_changed_blocks(World *w, gconstpointer data)
{
        add_feature(w->sm, "VDI_CONFIG_CBT");
        check_vdi(w, VDI_OPERATIONS_ENABLE_CBT, NULL);
        check_vdi(w, VDI_OPERATIONS_DATA_DESTROY, "OPERATION_NOT_ALLOWED: [VDI is not a snapshot: vdi]");
        w->vdi->is_a_snapshot = true;
        check_vdi(w, VDI_OPERATIONS_ENABLE_CBT, "OPERATION_NOT_ALLOWED: [VDI is a snapshot: vdi]");
        check_vdi(w, VDI_OPERATIONS_DATA_DESTROY, "VDI_NO_CBT_METADATA: [vdi]");
        w->vdi->cbt_enabled = true;
        check_vdi(w, VDI_OPERATIONS_DATA_DESTROY, NULL);
}

/* ---- SRs ---- */

static void test_sr_plugged(World *w, gconstpointer data)
{
        check_sr(w, STORAGE_OPERATIONS_SCAN, NULL);
        check_sr(w, STORAGE_OPERATIONS_VDI_CREATE, NULL);
        check_sr(w, STORAGE_OPERATIONS_UPDATE, "SR_OPERATION_NOT_SUPPORTED: [sr]");
        check_sr(w, STORAGE_OPERATIONS_DESTROY, "SR_HAS_PBD: [sr]");
        check_sr(w, STORAGE_OPERATIONS_FORGET, "SR_HAS_PBD: [sr]");
}

static void test_sr_unplugged(World *w, gconstpointer data)
{
        w->pbd->currently_attached = false;
        check_sr(w, STORAGE_OPERATIONS_FORGET, NULL);
        check_sr(w, STORAGE_OPERATIONS_DESTROY, "SR_NOT_EMPTY: []");
        w->vdi->managed = false;
        check_sr(w, STORAGE_OPERATIONS_DESTROY, NULL);
        txn_delete(w->txn, &CLASS_PBD, "pbd");
        check_sr(w, STORAGE_OPERATIONS_DESTROY, "SR_HAS_NO_PBDS: [sr]");
}

static void test_sr_beside_others(World *w, gconstpointer data)
{
        w->pbd->currently_attached = false;
        mark(w, &SR_OPERATION_RULES, "sr", STORAGE_OPERATIONS_VDI_CREATE, "a");
        mark(w, &SR_OPERATION_RULES, "sr", STORAGE_OPERATIONS_SCAN, "b");
        check_sr(w, STORAGE_OPERATIONS_VDI_CREATE, NULL);
        check_sr(w, STORAGE_OPERATIONS_FORGET,
                 "OTHER_OPERATION_IN_PROGRESS: [SR; sr; { vdi_create, scan }; { a, b }]");
        operation_end(w->txn, &SR_OPERATION_RULES, "sr", "a");
        operation_end(w->txn, &SR_OPERATION_RULES, "sr", "b");
        mark(w, &SR_OPERATION_RULES, "sr", STORAGE_OPERATIONS_UNPLUG, "c");
        check_sr(w, STORAGE_OPERATIONS_SCAN, "OTHER_OPERATION_IN_PROGRESS: [SR; sr; unplug; c]");
}

/* ---- rows of volumes ---- */

static void test_volume_rows(World *w, gconstpointer data)
{
        StorageVdiInfo info = { .vdi = (char *)"place",
                                .uuid = (char *)"9c2f1b8e-0000-4000-8000-000000000001",
                                .name_label = (char *)"name",
                                .ty = (char *)"system",
                                .virtual_size = 100,
                                .persistent = true };
        VdiRow *vdi = vdi_row_for(w->txn, "sr", &info);

        g_assert_cmpstr(vdi->uuid, ==, info.uuid);
        g_assert_cmpint(vdi->type, ==, VDI_TYPE_SYSTEM);
        g_assert_cmpint(w->sr->virtual_allocation, ==, 100);
        g_assert_false(vdi_differs(vdi, &info));
        info.virtual_size = 150;
        g_assert_true(vdi_differs(vdi, &info));
        g_assert_true(vdi_row_for(w->txn, "sr", &info) == vdi); /* the same volume */
        g_assert_cmpint(w->sr->virtual_allocation, ==, 150);
        info.vdi = (char *)"elsewhere"; /* another one, whose uuid is taken */
        g_assert_cmpstr(vdi_row_for(w->txn, "sr", &info)->uuid, !=, info.uuid);
        g_assert_cmpint(w->sr->virtual_allocation, ==, 300);
        vdi_row_delete(w->txn, vdi->row.ref);
        g_assert_cmpint(w->sr->virtual_allocation, ==, 150);
        vdi_row_delete(w->txn, "vdi");
        g_assert_null(txn_get(w->txn, &CLASS_VBD, "vbd"));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        model_init();
#define ADD(path, function) g_test_add("/storage-operations/" path, World, NULL, set_up, function, tear_down)
        ADD("vdi/idle", test_vdi_idle);
        ADD("vdi/attached", test_vdi_attached);
        ADD("vdi/of-suspended-vm", test_vdi_of_suspended_vm);
        ADD("vdi/of-memory", test_vdi_of_memory);
        ADD("vdi/beside-others", test_vdi_beside_others);
        ADD("vdi/beside-plug", test_vdi_beside_plug);
        ADD("vdi/unplugged", test_vdi_unplugged);
        ADD("vdi/kinds", test_vdi_kinds);
        ADD("vdi/changed-blocks", test_vdi_changed_blocks);
        ADD("sr/plugged", test_sr_plugged);
        ADD("sr/unplugged", test_sr_unplugged);
        ADD("sr/beside-others", test_sr_beside_others);
        ADD("volume-rows", test_volume_rows);
        return g_test_run();
}
