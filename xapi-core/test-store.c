/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "store.h"
#include "test-store-lib.h"
#include "writer.h"
#include "xenapi.h"

static void test_create_and_read(void)
{
        Store *store = test_store_memory();
        g_autofree char *ref = test_vm(store, "one");
        const VmRow *vm = STORE_GET(VmRow, CLASS_VM, store, ref);
        g_assert_nonnull(vm);
        g_assert_cmpstr(vm->name_label, ==, "one");
        g_assert_true(g_str_has_prefix(vm->row.ref, "OpaqueRef:"));
        g_assert_cmpuint(vm->row.generation, >, 0);
        g_assert_cmpuint(vm->row.generation, ==, vm->row.created);

        const Row *same = store_get_by_uuid(store, &CLASS_VM, vm->uuid);
        g_assert_true(same == &vm->row);
        row_unref(same);
        const Class *class;
        g_assert_true(store_find(store, ref, &class));
        g_assert_true(class == &CLASS_VM);
        g_assert_false(store_find(store, "OpaqueRef:nope", &class));
        g_assert_null(store_get(store, &CLASS_HOST, ref));
        g_assert_null(store_get_by_uuid(store, &CLASS_VM, "nope"));
        g_assert_cmpuint(store_count(store, &CLASS_VM), ==, 1);
        row_unref(&vm->row);
        store_close(store);
}

static void test_edit(void)
{
        Store *store = test_store_memory();
        g_autofree char *ref = test_vm(store, "one");
        const VmRow *before = STORE_GET(VmRow, CLASS_VM, store, ref);
        test_set_label(store, ref, "two");
        const VmRow *after = STORE_GET(VmRow, CLASS_VM, store, ref);
        g_assert_cmpstr(before->name_label, ==, "one");
        g_assert_cmpstr(after->name_label, ==, "two");
        g_assert_cmpuint(after->row.generation, >, before->row.generation);
        g_assert_cmpuint(after->row.created, ==, before->row.created);

        uint64_t generation = store_generation(store);
        test_set_label(store, ref, "two");
        g_assert_cmpuint(store_generation(store), ==, generation);
        row_unref(&before->row);
        row_unref(&after->row);
        store_close(store);
}

static void test_abort(void)
{
        Store *store = test_store_memory();
        g_autofree char *ref = test_vm(store, "one");
        uint64_t generation = store_generation(store);
        Txn *txn = txn_begin(store);
        slot_str(&((VmRow *)txn_edit(txn, &CLASS_VM, ref))->name_label, "two");
        g_autofree char *made = g_strdup(txn_create(txn, &CLASS_VM, NULL, NULL)->ref);
        g_assert_nonnull(txn_get(txn, &CLASS_VM, made));
        txn_abort(txn);

        txn = txn_begin(store);
        g_assert_null(txn_get(txn, &CLASS_VM, made));
        g_assert_cmpstr(((const VmRow *)txn_get(txn, &CLASS_VM, ref))->name_label, ==, "one");
        txn_abort(txn);
        g_assert_cmpuint(store_generation(store), ==, generation);
        store_close(store);
}

static bool count_row(const Row *row, void *data)
{
        ++*(size_t *)data;
        return true;
}

static void test_txn_sees_itself(void)
{
        Store *store = test_store_memory();
        g_autofree char *ref = test_vm(store, "one");
        Txn *txn = txn_begin(store);
        Row *edit = txn_edit(txn, &CLASS_VM, ref);
        g_assert_true(txn_edit(txn, &CLASS_VM, ref) == edit);
        g_assert_true(txn_get(txn, &CLASS_VM, ref) == edit);
        VmRow *made = (VmRow *)txn_create(txn, &CLASS_VM, "OpaqueRef:given", "given-uuid");
        g_assert_cmpstr(made->row.ref, ==, "OpaqueRef:given");
        g_assert_true(txn_get_by_uuid(txn, &CLASS_VM, "given-uuid") == &made->row);
        size_t n = 0;
        txn_each(txn, &CLASS_VM, count_row, &n);
        g_assert_cmpuint(n, ==, 2);
        txn_delete(txn, &CLASS_VM, ref);
        g_assert_null(txn_get(txn, &CLASS_VM, ref));
        g_assert_null(txn_edit(txn, &CLASS_VM, ref));
        const Row *visible = store_get(store, &CLASS_VM, ref);
        g_assert_nonnull(visible);
        row_unref(visible);
        g_assert_null(store_get(store, &CLASS_VM, "OpaqueRef:given"));
        test_commit(txn);
        g_assert_null(store_get(store, &CLASS_VM, ref));
        g_assert_cmpuint(store_count(store, &CLASS_VM), ==, 1);
        store_close(store);
}

static void test_order_of_creation(void)
{
        Store *store = test_store_memory();
        g_autofree char *a = test_vm(store, "a"), *b = test_vm(store, "same"), *c = test_vm(store, "same");
        test_set_label(store, a, "same");
        size_t n;
        const Row **rows = store_rows(store, &CLASS_VM, &n);
        g_assert_cmpuint(n, ==, 3);
        g_assert_cmpstr(rows[0]->ref, ==, a);
        g_assert_cmpstr(rows[1]->ref, ==, b);
        g_assert_cmpstr(rows[2]->ref, ==, c);
        store_rows_free(rows, n);

        rows = store_rows_by_label(store, &CLASS_VM, "same", &n);
        g_assert_cmpuint(n, ==, 3);
        g_assert_cmpstr(rows[0]->ref, ==, a);
        g_assert_cmpstr(rows[2]->ref, ==, c);
        store_rows_free(rows, n);
        rows = store_rows_by_label(store, &CLASS_VM, "a", &n);
        g_assert_cmpuint(n, ==, 0);
        store_rows_free(rows, n);
        store_close(store);
}

static void test_changes(void)
{
        Store *store = test_store_memory();
        g_autofree char *a = test_vm(store, "a"), *b = test_vm(store, "b");
        uint64_t since = store_generation(store);
        g_autofree char *c = test_vm(store, "c");
        test_set_label(store, a, "a2");
        test_delete(store, &CLASS_VM, b);
        g_autofree bool *wanted = test_wanted(&CLASS_VM);
        Change *changes;
        size_t n;
        uint64_t generation;

        g_assert_true(store_changes(store, since, wanted, &changes, &n, &generation, NULL));
        g_assert_cmpuint(n, ==, 3);
        g_assert_cmpstr(changes[0].ref, ==, c);
        g_assert_cmpuint(changes[0].created, >, since);
        g_assert_cmpstr(changes[1].ref, ==, a);
        g_assert_cmpuint(changes[1].created, <=, since);
        g_assert_cmpstr(changes[2].ref, ==, b);
        g_assert_null(changes[2].row);
        g_assert_cmpuint(changes[0].generation, <, changes[1].generation);
        g_assert_cmpuint(changes[1].generation, <, changes[2].generation);
        g_assert_cmpuint(changes[2].generation, ==, generation);
        store_changes_free(changes, n);

        g_assert_true(store_changes(store, 0, wanted, &changes, &n, &generation, NULL));
        g_assert_cmpuint(n, ==, 2);
        store_changes_free(changes, n);
        g_assert_true(store_changes(store, generation, wanted, &changes, &n, &generation, NULL));
        g_assert_cmpuint(n, ==, 0);
        store_changes_free(changes, n);
        store_close(store);
}

/* Made and deleted between two looks: event clients are told of the deletion. */
static void test_short_lived(void)
{
        Store *store = test_store_memory();
        uint64_t since = store_generation(store);
        Txn *txn = txn_begin(store);
        g_autofree char *ref = g_strdup(txn_create(txn, &CLASS_TASK, NULL, NULL)->ref);
        txn_make_volatile(txn, &CLASS_TASK, ref);
        txn_delete(txn, &CLASS_TASK, ref);
        test_commit(txn);
        g_autofree bool *wanted = test_wanted(&CLASS_TASK);
        Change *changes;
        size_t n;
        uint64_t generation;
        g_assert_true(store_changes(store, since, wanted, &changes, &n, &generation, NULL));
        g_assert_cmpuint(n, ==, 1);
        g_assert_cmpstr(changes[0].ref, ==, ref);
        g_assert_null(changes[0].row);
        store_changes_free(changes, n);
        store_close(store);
}

static void check_made_anew(Store *store, const char *ref, uint64_t since)
{
        const VmRow *vm = STORE_GET(VmRow, CLASS_VM, store, ref);
        g_assert_cmpstr(vm->name_label, ==, "anew");
        g_assert_cmpuint(vm->row.created, >, since);
        row_unref(&vm->row);
        g_assert_cmpuint(store_count(store, &CLASS_VM), ==, 1);
}

static void test_made_anew(void)
{
        Store *store = test_store_memory();
        g_autofree char *ref = test_vm(store, "a");
        uint64_t since = store_generation(store);
        Txn *txn = txn_begin(store);
        txn_delete(txn, &CLASS_VM, ref);
        slot_str(&((VmRow *)txn_create(txn, &CLASS_VM, ref, NULL))->name_label, "anew");
        test_commit(txn);
        check_made_anew(store, ref, since);

        /* The deletion may be on its way when the other begins. */
        since = store_generation(store);
        txn = txn_begin(store);
        txn_delete(txn, &CLASS_VM, ref);
        txn_commit(txn, NULL, NULL);
        txn = txn_begin(store);
        slot_str(&((VmRow *)txn_create(txn, &CLASS_VM, ref, NULL))->name_label, "anew");
        test_commit(txn);
        check_made_anew(store, ref, since);
        store_close(store);
}

static void test_touch(void)
{
        Store *store = test_store_memory();
        g_autofree char *ref = test_vm(store, "a");
        uint64_t since = store_generation(store);
        Txn *txn = txn_begin(store);
        txn_touch(txn, &CLASS_VM, ref);
        txn_touch(txn, &CLASS_VM, "OpaqueRef:nope");
        test_commit(txn);
        g_assert_cmpuint(store_generation(store), ==, since + 1);
        store_close(store);
}

static void derive_description(Txn *txn, const Row *row, void *data)
{
        ++*(size_t *)data;
        if (row->class == &CLASS_VM)
                slot_str(&((VmRow *)txn_edit(txn, &CLASS_VM, row->ref))->name_description,
                         ((const VmRow *)row)->name_label);
}

static void test_derive(void)
{
        Store *store = test_store_memory();
        size_t calls = 0;
        g_autofree char *ref = test_vm(store, "a");
        store_set_derive(store, derive_description, &calls);
        test_set_label(store, ref, "a");
        g_assert_cmpuint(calls, ==, 0);
        test_set_label(store, ref, "b");
        g_assert_cmpuint(calls, ==, 1);
        const VmRow *vm = STORE_GET(VmRow, CLASS_VM, store, ref);
        g_assert_cmpstr(vm->name_description, ==, "b");
        row_unref(&vm->row);

        /* The other end of a relation counts as changed. */
        g_autofree char *vbd = test_vbd(store, ref);
        g_assert_cmpuint(calls, ==, 3);
        store_close(store);
}

static void test_tombstones_are_bounded(void)
{
        Store *store = test_store_memory();
        g_autofree bool *wanted = test_wanted(&CLASS_TASK), *wanted_vm = test_wanted(&CLASS_VM);
        Change *changes;
        size_t n;
        uint64_t generation, since = store_generation(store);
        for (size_t made = 0; made < TOMBSTONES_MAX; made += 1000) {
                Txn *txn = txn_begin(store);
                for (size_t i = 0; i < 1000; i++)
                        txn_delete(txn, &CLASS_TASK, txn_create(txn, &CLASS_TASK, NULL, NULL)->ref);
                test_commit(txn);
        }
        g_assert_true(store_changes(store, since, wanted, &changes, &n, &generation, NULL));
        g_assert_cmpuint(n, ==, TOMBSTONES_MAX);
        store_changes_free(changes, n);

        Txn *txn = txn_begin(store);
        txn_delete(txn, &CLASS_TASK, txn_create(txn, &CLASS_TASK, NULL, NULL)->ref);
        test_commit(txn);
        g_assert_false(store_changes(store, since, wanted, &changes, &n, &generation, NULL));
        g_assert_true(store_changes(store, since, wanted_vm, &changes, &n, &generation, NULL));
        store_changes_free(changes, n);
        g_assert_true(store_changes(store, since + 1, wanted, &changes, &n, &generation, NULL));
        g_assert_cmpuint(n, ==, TOMBSTONES_MAX);
        store_changes_free(changes, n);
        store_close(store);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/store/create-and-read", test_create_and_read);
        g_test_add_func("/store/edit", test_edit);
        g_test_add_func("/store/abort", test_abort);
        g_test_add_func("/store/txn-sees-itself", test_txn_sees_itself);
        g_test_add_func("/store/order-of-creation", test_order_of_creation);
        g_test_add_func("/store/changes", test_changes);
        g_test_add_func("/store/short-lived", test_short_lived);
        g_test_add_func("/store/made-anew", test_made_anew);
        g_test_add_func("/store/touch", test_touch);
        g_test_add_func("/store/derive", test_derive);
        g_test_add_func("/store/tombstones-are-bounded", test_tombstones_are_bounded);
        return g_test_run();
}
