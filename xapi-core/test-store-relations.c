/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "store-internal.h"
#include "test-store-lib.h"
#include "xenapi.h"

static void check_set(const Set *set, const char *first, const char *second)
{
        g_assert_cmpuint(set->n, ==, (first != NULL) + (second != NULL));
        if (first != NULL)
                g_assert_true(set_contains_str(set, first));
        if (second != NULL)
                g_assert_true(set_contains_str(set, second));
}

static void check_vbds(Store *store, const char *vm, const char *first, const char *second)
{
        const VmRow *row = STORE_GET(VmRow, CLASS_VM, store, vm);
        check_set(row->VBDs, first, second);
        row_unref(&row->row);
}

static void move_vbd(Store *store, const char *vbd, const char *vm)
{
        Txn *txn = txn_begin(store);
        slot_str(&((VbdRow *)txn_edit(txn, &CLASS_VBD, vbd))->VM, vm);
        test_commit(txn);
}

static void test_one_to_many(void)
{
        Store *store = test_store_memory();
        g_autofree char *vm = test_vm(store, "a"), *other = test_vm(store, "b");
        uint64_t generation = store_generation(store);
        g_autofree char *vbd = test_vbd(store, vm), *second = test_vbd(store, vm);
        check_vbds(store, vm, vbd, second);
        g_assert_cmpuint(store_generation(store), ==, generation + 4); /* the VM changes with each */

        move_vbd(store, vbd, other);
        check_vbds(store, vm, second, NULL);
        check_vbds(store, other, vbd, NULL);
        move_vbd(store, vbd, "OpaqueRef:nope");
        check_vbds(store, other, NULL, NULL);
        move_vbd(store, vbd, NULL_REF);
        move_vbd(store, vbd, vm);
        check_vbds(store, vm, vbd, second);
        test_delete(store, &CLASS_VBD, vbd);
        check_vbds(store, vm, second, NULL);
        store_close(store);
}

static void test_reference_to_deleted_stays(void)
{
        Store *store = test_store_memory();
        g_autofree char *vm = test_vm(store, "a"), *vbd = test_vbd(store, vm);
        test_delete(store, &CLASS_VM, vm);
        const VbdRow *row = STORE_GET(VbdRow, CLASS_VBD, store, vbd);
        g_assert_cmpstr(row->VM, ==, vm);
        row_unref(&row->row);
        test_delete(store, &CLASS_VBD, vbd);
        store_close(store);
}

static void test_in_one_transaction(void)
{
        Store *store = test_store_memory();
        Txn *txn = txn_begin(store);
        VbdRow *vbd = (VbdRow *)txn_create(txn, &CLASS_VBD, NULL, NULL);
        slot_str(&vbd->VM, "OpaqueRef:later");
        g_autofree char *ref = g_strdup(vbd->row.ref);
        txn_create(txn, &CLASS_VM, "OpaqueRef:later", NULL);
        test_commit(txn);
        check_vbds(store, "OpaqueRef:later", ref, NULL);

        txn = txn_begin(store);
        txn_delete(txn, &CLASS_VM, "OpaqueRef:later");
        txn_delete(txn, &CLASS_VBD, ref);
        test_commit(txn);
        g_assert_cmpuint(store_count(store, &CLASS_VM), ==, 0);
        g_assert_cmpuint(store_count(store, &CLASS_VBD), ==, 0);
        store_close(store);
}

/* As VM.clone does: the copy has none of the original's devices. */
static void test_copied_row(void)
{
        Store *store = test_store_memory();
        g_autofree char *vm = test_vm(store, "a"), *vbd = test_vbd(store, vm);
        Txn *txn = txn_begin(store);
        Row *copy = row_copy(txn_get(txn, &CLASS_VM, vm));
        str_set(&copy->ref, "");
        slot_str(&((VmRow *)copy)->uuid, "");
        g_autofree char *ref = g_strdup(txn_insert(txn, copy)->ref);
        test_commit(txn);
        check_vbds(store, vm, vbd, NULL);
        check_vbds(store, ref, NULL, NULL);

        txn = txn_begin(store);
        VmRow *edit = (VmRow *)txn_edit(txn, &CLASS_VM, vm);
        slot_set(&edit->VBDs, set_empty(edit->VBDs->element));
        test_commit(txn);
        check_vbds(store, vm, vbd, NULL);
        store_close(store);
}

static void test_many_to_many(void)
{
        Store *store = test_store_memory();
        g_autofree char *vm = test_vm(store, "a");
        Txn *txn = txn_begin(store);
        VmGroupRow *group = (VmGroupRow *)txn_create(txn, &CLASS_VM_GROUP, "OpaqueRef:group", NULL);
        slot_set(&group->VMs, set_of_strings(group->VMs->element, (const char *const[]){ vm, NULL }));
        test_commit(txn);
        const VmRow *row = STORE_GET(VmRow, CLASS_VM, store, vm);
        check_set(row->groups, "OpaqueRef:group", NULL);
        row_unref(&row->row);

        txn = txn_begin(store);
        VmRow *edit = (VmRow *)txn_edit(txn, &CLASS_VM, vm);
        slot_set(&edit->groups, set_empty(edit->groups->element));
        test_commit(txn);
        const VmGroupRow *after = STORE_GET(VmGroupRow, CLASS_VM_GROUP, store, "OpaqueRef:group");
        check_set(after->VMs, NULL, NULL);
        row_unref(&after->row);

        txn = txn_begin(store);
        edit = (VmRow *)txn_edit(txn, &CLASS_VM, vm);
        slot_set(&edit->groups,
                 set_of_strings(edit->groups->element, (const char *const[]){ "OpaqueRef:group", NULL }));
        test_commit(txn);
        test_delete(store, &CLASS_VM, vm);
        after = STORE_GET(VmGroupRow, CLASS_VM_GROUP, store, "OpaqueRef:group");
        check_set(after->VMs, NULL, NULL);
        row_unref(&after->row);
        store_close(store);
}

static void test_own_class(void)
{
        Store *store = test_store_memory();
        g_autofree char *parent = test_vm(store, "parent"), *child = test_vm(store, "child");
        Txn *txn = txn_begin(store);
        slot_str(&((VmRow *)txn_edit(txn, &CLASS_VM, child))->parent, parent);
        slot_str(&((VmRow *)txn_edit(txn, &CLASS_VM, parent))->parent, parent);
        test_commit(txn);
        const VmRow *row = STORE_GET(VmRow, CLASS_VM, store, parent);
        check_set(row->children, child, parent);
        row_unref(&row->row);
        test_delete(store, &CLASS_VM, child);
        row = STORE_GET(VmRow, CLASS_VM, store, parent);
        check_set(row->children, parent, NULL);
        row_unref(&row->row);
        test_delete(store, &CLASS_VM, parent);
        store_close(store);
}

/* Every relation of the data model is kept from one of its ends, but for those that are their own other end. */
static void test_every_relation_is_kept(void)
{
        Store *store = test_store_memory();
        for (size_t c = 0; c < model_n_classes; c++) {
                for (size_t f = 0; f < model_classes[c]->n_fields; f++) {
                        const Field *field = &model_classes[c]->fields[f];
                        if (field->other_class == NULL ||
                            field == &field->other_class->fields[field->other_field])
                                continue;
                        const ClassState *class = store_class(store, model_classes[c]);
                        bool kept = class->kinds[f] == FIELD_DERIVED;
                        for (size_t r = 0; r < class->n_relations; r++)
                                kept |= class->relations[r].field == f;
                        g_assert_true(kept);
                        g_assert_cmpint(field->other_class->fields[field->other_field].other_field, ==,
                                        (int)f);
                }
        }
        store_close(store);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/store-relations/one-to-many", test_one_to_many);
        g_test_add_func("/store-relations/reference-to-deleted-stays", test_reference_to_deleted_stays);
        g_test_add_func("/store-relations/in-one-transaction", test_in_one_transaction);
        g_test_add_func("/store-relations/copied-row", test_copied_row);
        g_test_add_func("/store-relations/many-to-many", test_many_to_many);
        g_test_add_func("/store-relations/own-class", test_own_class);
        g_test_add_func("/store-relations/every-relation-is-kept", test_every_relation_is_kept);
        return g_test_run();
}
