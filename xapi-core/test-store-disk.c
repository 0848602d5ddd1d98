/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a store finds when it is opened again. */
#include <glib.h>
#include <sqlite3.h>

#include "store-internal.h"
#include "test-store-lib.h"
#include "writer.h"
#include "xenapi.h"

typedef struct Disk {
        char *directory, *path;
        Store *store;
} Disk;

static Disk disk_new(void)
{
        Disk disk = { .directory = test_directory() };
        disk.path = g_build_filename(disk.directory, "store.db", NULL);
        disk.store = test_store_open(disk.path);
        return disk;
}

static void disk_reopen(Disk *disk)
{
        store_close(disk->store);
        disk->store = test_store_open(disk->path);
}

static void disk_free(Disk *disk)
{
        store_close(disk->store);
        g_free(disk->path);
        test_directory_remove(disk->directory);
}

static void test_objects_stay(void)
{
        Disk disk = disk_new();
        Txn *txn = txn_begin(disk.store);
        VmRow *made = (VmRow *)txn_create(txn, &CLASS_VM, NULL, NULL);
        slot_str(&made->name_label, "\"quoted\" \\ <&> \x01\x1f é \xf0\x9f\x98\x80\n");
        made->HVM_shadow_multiplier = 0.1;
        made->memory_static_max = INT64_MAX;
        made->is_a_template = true;
        made->power_state = VM_POWER_STATE_SUSPENDED;
        made->snapshot_time = 1700000000;
        slot_map(&made->other_config, map_of_strings(made->other_config->type, "k", "v", "", "", NULL));
        slot_set(&made->tags, set_of_strings(made->tags->element, (const char *const[]){ "b", "a", NULL }));
        g_autofree char *ref = g_strdup(made->row.ref);
        test_commit(txn);
        const VmRow *before = STORE_GET(VmRow, CLASS_VM, disk.store, ref);

        disk_reopen(&disk);
        const VmRow *after = STORE_GET(VmRow, CLASS_VM, disk.store, ref);
        g_assert_nonnull(after);
        size_t len;
        g_assert_cmpstr(row_json(&after->row, &len), ==, row_json(&before->row, &len));
        g_assert_true(after->HVM_shadow_multiplier == 0.1);
        g_assert_cmpuint(after->row.generation, ==, before->row.generation);
        g_assert_cmpuint(after->row.created, ==, before->row.created);
        const Row *same = store_get_by_uuid(disk.store, &CLASS_VM, after->uuid);
        g_assert_true(same == &after->row);
        row_unref(same);
        row_unref(&after->row);
        row_unref(&before->row);
        disk_free(&disk);
}

static void test_edits_and_order_stay(void)
{
        Disk disk = disk_new();
        g_autofree char *a = test_vm(disk.store, "a"), *b = test_vm(disk.store, "b"),
                        *c = test_vm(disk.store, "c");
        test_set_label(disk.store, a, "a2");
        test_delete(disk.store, &CLASS_VM, b);
        disk_reopen(&disk);
        size_t n;
        const Row **rows = store_rows(disk.store, &CLASS_VM, &n);
        g_assert_cmpuint(n, ==, 2);
        g_assert_cmpstr(rows[0]->ref, ==, a);
        g_assert_cmpstr(((const VmRow *)rows[0])->name_label, ==, "a2");
        g_assert_cmpstr(rows[1]->ref, ==, c);
        store_rows_free(rows, n);
        disk_free(&disk);
}

static void test_relations_stay(void)
{
        Disk disk = disk_new();
        g_autofree char *vm = test_vm(disk.store, "a"), *vbd = test_vbd(disk.store, vm),
                        *other = test_vbd(disk.store, vm);
        const VmRow *before = STORE_GET(VmRow, CLASS_VM, disk.store, vm);
        disk_reopen(&disk);
        const VmRow *row = STORE_GET(VmRow, CLASS_VM, disk.store, vm);
        g_assert_cmpuint(row->VBDs->n, ==, 2);
        g_assert_cmpstr(row->VBDs->items[0].s, ==, vbd);
        g_assert_cmpstr(row->VBDs->items[1].s, ==, other);
        /* Its change was an event, which a client may still ask for. */
        g_assert_cmpuint(row->row.generation, ==, before->row.generation);
        row_unref(&row->row);
        row_unref(&before->row);
        disk_free(&disk);
}

static void test_generations_go_up(void)
{
        Disk disk = disk_new();
        uint64_t newest = 0;
        for (int i = 0; i < 5; i++) {
                g_assert_cmpuint(store_generation(disk.store), >=, newest);
                g_autofree char *ref = test_vm(disk.store, "a");
                const Row *row = store_get(disk.store, &CLASS_VM, ref);
                g_assert_cmpuint(row->generation, >, newest);
                newest = row->generation;
                row_unref(row);
                /* Changes that are not written have generations too. */
                Txn *txn = txn_begin(disk.store);
                txn_touch(txn, &CLASS_VM, ref);
                test_commit(txn);
                g_assert_cmpuint(store_generation(disk.store), >, newest);
                newest = store_generation(disk.store);
                disk_reopen(&disk);
        }
        disk_free(&disk);
}

static void test_deletions_stay(void)
{
        Disk disk = disk_new();
        g_autofree char *a = test_vm(disk.store, "a"), *b = test_vm(disk.store, "b");
        uint64_t since = store_generation(disk.store);
        test_delete(disk.store, &CLASS_VM, a);
        test_set_label(disk.store, b, "b2");
        g_autofree char *c = test_vm(disk.store, "c");
        test_delete(disk.store, &CLASS_VM, c);
        disk_reopen(&disk);
        g_autofree bool *wanted = test_wanted(&CLASS_VM);
        Change *changes;
        size_t n;
        uint64_t generation;
        g_assert_true(store_changes(disk.store, since, wanted, &changes, &n, &generation, NULL));
        g_assert_cmpuint(n, ==, 3);
        g_assert_cmpstr(changes[0].ref, ==, a);
        g_assert_null(changes[0].row);
        g_assert_cmpstr(changes[1].ref, ==, b);
        g_assert_nonnull(changes[1].row);
        g_assert_cmpstr(changes[2].ref, ==, c);
        store_changes_free(changes, n);
        disk_free(&disk);
}

static void delete_tasks(Store *store, size_t n)
{
        g_autoptr(GPtrArray) refs = g_ptr_array_new_with_free_func(g_free);
        Txn *txn = txn_begin(store);
        for (size_t i = 0; i < n; i++)
                g_ptr_array_add(refs, g_strdup(txn_create(txn, &CLASS_TASK, NULL, NULL)->ref));
        test_commit(txn);
        txn = txn_begin(store);
        for (size_t i = 0; i < n; i++)
                txn_delete(txn, &CLASS_TASK, refs->pdata[i]);
        test_commit(txn);
}

static int64_t count_deleted(const char *path)
{
        sqlite3 *connection;
        sqlite3_stmt *statement;
        g_assert_cmpint(sqlite3_open(path, &connection), ==, SQLITE_OK);
        g_assert_cmpint(sqlite3_prepare_v2(connection, "SELECT count(*) FROM deleted", -1, &statement, NULL),
                        ==, SQLITE_OK);
        g_assert_cmpint(sqlite3_step(statement), ==, SQLITE_ROW);
        int64_t n = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        sqlite3_close(connection);
        return n;
}

static void test_old_deletions_are_forgotten(void)
{
        Disk disk = disk_new();
        g_autofree char *vm = test_vm(disk.store, "a");
        uint64_t since = store_generation(disk.store);
        delete_tasks(disk.store, TOMBSTONES_MAX);
        delete_tasks(disk.store, 2000);
        delete_tasks(disk.store, 1);
        g_assert_cmpint(count_deleted(disk.path), <=, TOMBSTONES_MAX + 1000);
        disk_reopen(&disk);
        g_autofree bool *tasks = test_wanted(&CLASS_TASK), *vms = test_wanted(&CLASS_VM);
        Change *changes;
        size_t n;
        uint64_t generation;
        g_assert_false(store_changes(disk.store, since, tasks, &changes, &n, &generation, NULL));
        g_assert_true(store_changes(disk.store, since, vms, &changes, &n, &generation, NULL));
        store_changes_free(changes, n);
        disk_free(&disk);
}

static StoreStatistics statistics(Store *store)
{
        StoreStatistics result;
        store_statistics(store, &result);
        return result;
}

static void test_volatile_costs_no_write(void)
{
        Disk disk = disk_new();
        Txn *txn = txn_begin(disk.store);
        g_autofree char *ref = g_strdup(txn_create(txn, &CLASS_VM_METRICS, NULL, NULL)->ref);
        test_commit(txn);
        StoreStatistics before = statistics(disk.store);

        txn = txn_begin(disk.store);
        ((VmMetricsRow *)txn_edit(txn, &CLASS_VM_METRICS, ref))->memory_actual = 5;
        test_commit(txn);
        txn = txn_begin(disk.store);
        g_autofree char *task = g_strdup(txn_create(txn, &CLASS_TASK, NULL, NULL)->ref);
        txn_make_volatile(txn, &CLASS_TASK, task);
        test_commit(txn);
        txn = txn_begin(disk.store);
        ((TaskRow *)txn_edit(txn, &CLASS_TASK, task))->progress = 0.5;
        test_commit(txn);
        g_assert_cmpuint(store_count(disk.store, &CLASS_TASK), ==, 1);
        test_delete(disk.store, &CLASS_TASK, task);
        StoreStatistics after = statistics(disk.store);
        g_assert_cmpuint(after.syncs, ==, before.syncs);
        g_assert_cmpuint(after.batches, ==, before.batches);
        g_assert_cmpuint(after.transactions, ==, before.transactions + 4);

        /* What clients saw is gone: they are told. */
        uint64_t seen = store_generation(disk.store);
        disk_reopen(&disk);
        const VmMetricsRow *row = STORE_GET(VmMetricsRow, CLASS_VM_METRICS, disk.store, ref);
        g_assert_cmpint(row->memory_actual, ==, 0);
        g_assert_cmpuint(row->row.generation, >, seen);
        row_unref(&row->row);
        disk_free(&disk);
}

/* Buttons are drawn from these, and a restart must not take back what was seen without an event. */
static void test_operations_are_kept(void)
{
        Disk disk = disk_new();
        g_autofree char *ref = test_vm(disk.store, "a");
        Txn *txn = txn_begin(disk.store);
        VmRow *vm = (VmRow *)txn_edit(txn, &CLASS_VM, ref);
        Value operation = { .i = VM_OPERATIONS_START };
        slot_set(&vm->allowed_operations, set_new(vm->allowed_operations->element, 1, &operation));
        test_commit(txn);
        disk_reopen(&disk);
        const VmRow *row = STORE_GET(VmRow, CLASS_VM, disk.store, ref);
        g_assert_cmpuint(row->allowed_operations->n, ==, 1);
        row_unref(&row->row);
        disk_free(&disk);
}

static void test_one_sync_a_commit(void)
{
        Disk disk = disk_new();
        g_autofree char *ref = test_vm(disk.store, "a");
        StoreStatistics before = statistics(disk.store);
        for (int i = 0; i < 10; i++)
                test_set_label(disk.store, ref, i % 2 ? "odd" : "even");
        StoreStatistics after = statistics(disk.store);
        g_assert_cmpuint(after.batches, ==, before.batches + 10);
        g_assert_cmpuint(after.syncs, ==, before.syncs + 10);
        disk_free(&disk);
}

static void test_in_use(void)
{
        Disk disk = disk_new();
        g_autoptr(XapiError) error = NULL;
        g_assert_null(store_open(disk.path, &error));
        g_assert_nonnull(strstr(error->params[0], "in use"));
        disk_free(&disk);
}

static void execute(const char *path, const char *sql)
{
        sqlite3 *connection;
        g_assert_cmpint(sqlite3_open(path, &connection), ==, SQLITE_OK);
        g_assert_cmpint(sqlite3_exec(connection, sql, NULL, NULL, NULL), ==, SQLITE_OK);
        sqlite3_close(connection);
}

static void check_refused(const char *path, const char *why)
{
        g_autoptr(XapiError) error = NULL;
        g_assert_null(store_open(path, &error));
        g_assert_true(xapi_error_is(error, "INTERNAL_ERROR"));
        g_assert_nonnull(strstr(error->params[0], why));
}

static void test_newer_schema_is_refused(void)
{
        Disk disk = disk_new();
        g_autofree char *ref = test_vm(disk.store, "a");
        store_close(disk.store);
        execute(disk.path, "PRAGMA user_version = 1000");
        check_refused(disk.path, "newer release");
        execute(disk.path, "PRAGMA user_version = 1");
        disk.store = test_store_open(disk.path);
        g_assert_cmpuint(store_count(disk.store, &CLASS_VM), ==, 1);
        disk_free(&disk);
}

static void test_damage_is_refused(void)
{
        Disk disk = disk_new();
        g_autofree char *ref = test_vm(disk.store, "a");
        store_close(disk.store);
        execute(disk.path, "UPDATE object SET record = '{\"name_label\":'");
        check_refused(disk.path, ref);
        execute(disk.path, "UPDATE object SET record = '{\"name_label\":5}'");
        check_refused(disk.path, ref);
        execute(disk.path, "UPDATE object SET record = '{\"was_a_field\":5}'");
        disk.store = test_store_open(disk.path);
        store_close(disk.store);
        execute(disk.path, "UPDATE object SET class = 'Nope'");
        check_refused(disk.path, "unknown class Nope");
        execute(disk.path, "PRAGMA application_id = 1");
        check_refused(disk.path, "not a store");
        execute(disk.path, "PRAGMA application_id = 2019651689; DELETE FROM object");
        disk.store = test_store_open(disk.path);
        disk_free(&disk);
}

static bool rename_field(Database *database, XapiError **error)
{
        return database_execute(
            database, "UPDATE object SET record = replace(record, '\"old_name\":', '\"name_label\":')",
            error);
}

static bool fail_migration(Database *database, XapiError **error)
{
        return database_execute(database, "DELETE FROM object", error) &&
               xapi_fail_internal(error, "on purpose");
}

static void test_older_schema_is_migrated(void)
{
        Disk disk = disk_new();
        g_autofree char *ref = test_vm(disk.store, "a");
        store_close(disk.store);
        execute(disk.path, "UPDATE object SET record = replace(record, '\"name_label\":', '\"old_name\":')");
        Migration migrations[] = { { 1, rename_field }, { 2, fail_migration } };
        g_autoptr(XapiError) error = NULL, missing = NULL;

        /* One that fails leaves the file at the version before it. */
        g_assert_null(database_open(disk.path, &(Schema){ 3, 2, migrations }, &error));
        g_assert_cmpstr(error->params[0], ==, "on purpose");
        g_assert_null(database_open(disk.path, &(Schema){ 3, 1, migrations }, &missing));
        g_assert_nonnull(strstr(missing->params[0], "no migration"));
        check_refused(disk.path, "newer release");
        g_autoptr(XapiError) none = NULL;
        Database *database = database_open(disk.path, &(Schema){ 2, 1, migrations }, &none);
        g_assert_nonnull(database);
        database_close(database);
        execute(disk.path, "PRAGMA user_version = 1");
        disk.store = test_store_open(disk.path);
        const VmRow *row = STORE_GET(VmRow, CLASS_VM, disk.store, ref);
        g_assert_cmpstr(row->name_label, ==, "a");
        row_unref(&row->row);
        disk_free(&disk);
}

static bool has_objects(const Class *class)
{
        return class->in_database || class == &CLASS_MESSAGE;
}

/* Rows of every class, each field away from its default, come back as they were. */
static void test_every_class(void)
{
        Disk disk = disk_new();
        g_autoptr(GPtrArray) rows = g_ptr_array_new();
        Txn *txn = txn_begin(disk.store);
        for (size_t c = 0; c < model_n_classes; c++) {
                const Class *class = model_classes[c];
                if (!has_objects(class))
                        continue;
                Row *row = txn_create(txn, class, NULL, NULL);
                for (size_t f = 0; f < class->n_fields; f++) {
                        Value *value = &row_values(row)[f];
                        const Type *type = class->fields[f].type;
                        if (type->kind == TYPE_STRING && (int)f != class->uuid_field)
                                slot_str(&value->s, "\t\x7f\"");
                        else if (type->kind == TYPE_INT)
                                value->i = INT64_MIN;
                        else if (type->kind == TYPE_FLOAT)
                                value->d = 1.0 / 3;
                        else if (type->kind == TYPE_BOOL)
                                value->i = !value->i;
                        else if (type->kind == TYPE_DATETIME)
                                value->i = 1234567890;
                        else if (type->kind == TYPE_ENUM)
                                value->i = (int64_t)type->enumeration->n - 1;
                }
        }
        test_commit(txn);
        for (size_t c = 0; c < model_n_classes; c++) {
                size_t n;
                const Row **all = store_rows(disk.store, model_classes[c], &n);
                g_assert_cmpuint(n, ==, has_objects(model_classes[c]));
                if (n > 0)
                        g_ptr_array_add(rows, row_ref(all[0]));
                store_rows_free(all, n);
        }
        disk_reopen(&disk);
        for (size_t i = 0; i < rows->len; i++) {
                const Row *before = rows->pdata[i],
                          *after = store_get(disk.store, before->class, before->ref);
                const ClassState *class = store_class(disk.store, before->class);
                g_assert_nonnull(after);
                for (size_t f = 0; f < class->class->n_fields; f++)
                        if (class->durable[f])
                                g_assert_true(value_equal(class->class->fields[f].type, row_values(before)[f],
                                                          row_values(after)[f]));
                row_unref(before);
                row_unref(after);
        }
        disk_free(&disk);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/store-disk/objects-stay", test_objects_stay);
        g_test_add_func("/store-disk/edits-and-order-stay", test_edits_and_order_stay);
        g_test_add_func("/store-disk/relations-stay", test_relations_stay);
        g_test_add_func("/store-disk/generations-go-up", test_generations_go_up);
        g_test_add_func("/store-disk/deletions-stay", test_deletions_stay);
        g_test_add_func("/store-disk/old-deletions-are-forgotten", test_old_deletions_are_forgotten);
        g_test_add_func("/store-disk/volatile-costs-no-write", test_volatile_costs_no_write);
        g_test_add_func("/store-disk/operations-are-kept", test_operations_are_kept);
        g_test_add_func("/store-disk/one-sync-a-commit", test_one_sync_a_commit);
        g_test_add_func("/store-disk/in-use", test_in_use);
        g_test_add_func("/store-disk/newer-schema-is-refused", test_newer_schema_is_refused);
        g_test_add_func("/store-disk/damage-is-refused", test_damage_is_refused);
        g_test_add_func("/store-disk/older-schema-is-migrated", test_older_schema_is_migrated);
        g_test_add_func("/store-disk/every-class", test_every_class);
        return g_test_run();
}
