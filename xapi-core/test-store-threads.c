/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many threads at one store: each sees whole transactions only, in an order that never goes back. */
#include <stdatomic.h>

#include <glib.h>

#include "test-store-lib.h"
#include "xenapi.h"

#define N_WRITERS 4
#define N_READERS 3
#define N_EDITS   300

static Store *store;
static char *left, *right; /* two VMs whose labels change together */
static atomic_int writers_left;

static void *write_pairs(void *data)
{
        for (int i = 0; i < N_EDITS; i++) {
                g_autofree char *label = g_strdup_printf("%p-%d", data, i);
                Txn *txn = txn_begin(store);
                slot_str(&((VmRow *)txn_edit(txn, &CLASS_VM, left))->name_label, label);
                slot_str(&((VmRow *)txn_edit(txn, &CLASS_VM, right))->name_label, label);
                Row *task = txn_create(txn, &CLASS_TASK, NULL, NULL);
                g_autofree char *ref = g_strdup(task->ref);
                if (i % 3 == 0) {
                        txn_abort(txn);
                        continue;
                }
                if (i % 3 == 1)
                        txn_commit(txn, NULL, NULL);
                else
                        test_commit(txn);
                txn = txn_begin(store);
                txn_delete(txn, &CLASS_TASK, ref);
                txn_commit(txn, NULL, NULL);
        }
        atomic_fetch_sub(&writers_left, 1);
        return NULL;
}

static void check_changes(uint64_t *since)
{
        g_autofree bool *wanted = test_wanted(&CLASS_VM);
        Change *changes;
        size_t n;
        uint64_t generation;
        g_assert_true(store_changes(store, *since, wanted, &changes, &n, &generation, NULL));
        g_assert_cmpuint(generation, >=, *since);
        g_assert_true(n == 0 || n == 2);
        if (n == 2)
                g_assert_cmpstr(((const VmRow *)changes[0].row)->name_label, ==,
                                ((const VmRow *)changes[1].row)->name_label);
        store_changes_free(changes, n);
        *since = generation;
}

static void *read_all(void *data)
{
        uint64_t since = store_generation(store), newest = 0;
        while (atomic_load(&writers_left) > 0) {
                size_t n, len;
                check_changes(&since);
                const Row *row = store_get(store, &CLASS_VM, left);
                g_assert_cmpuint(row->generation, >=, newest);
                newest = row->generation;
                g_assert_nonnull(row_json(row, &len));
                row_unref(row);
                const Row **rows = store_rows(store, &CLASS_TASK, &n);
                for (size_t i = 0; i < n; i++)
                        g_assert_nonnull(row_xml(rows[i], &len));
                store_rows_free(rows, n);
        }
        return NULL;
}

static void test_threads(void)
{
        char *directory = test_directory();
        g_autofree char *path = g_build_filename(directory, "store.db", NULL);
        pthread_t threads[N_WRITERS + N_READERS];
        store = test_store_open(path);
        left = test_vm(store, "");
        right = test_vm(store, "");
        atomic_store(&writers_left, N_WRITERS);
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                g_assert_cmpint(pthread_create(&threads[i], NULL, i < N_WRITERS ? write_pairs : read_all,
                                               GSIZE_TO_POINTER(i)),
                                ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                pthread_join(threads[i], NULL);
        store_close(store);
        store = test_store_open(path);
        g_assert_cmpuint(store_count(store, &CLASS_TASK), ==, 0);
        store_close(store);
        g_free(left);
        g_free(right);
        test_directory_remove(directory);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/store-threads/whole-transactions", test_threads);
        return g_test_run();
}
