/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task.h"

#include <string.h>
#include <time.h>

#include "rows.h"
#include "test-core.h"
#include "test-store-lib.h"
#include "xenapi.h"

#define MARGIN_SEC 60 /* more than the test takes */

typedef struct World {
        TestCore *core;
        Store *store;
} World;

static void set_up(World *w, gconstpointer data)
{
        w->core = test_core_new("");
        w->store = w->core->manager.store;
}

static void tear_down(World *w, gconstpointer data)
{
        test_core_free(w->core);
}

static Str make(World *w, int64_t status, int64_t created_ago_sec, int64_t finished_ago_sec)
{
        Txn *txn = txn_begin(w->store);
        Str ref = task_create(txn, &w->core->manager, "label", "", "", false);
        TaskRow *task = (TaskRow *)txn_edit(txn, &CLASS_TASK, ref);

        task->status = status;
        task->created = time(NULL) - created_ago_sec;
        task->finished = finished_ago_sec < 0 ? 0 : time(NULL) - finished_ago_sec;
        test_commit(txn);
        return ref;
}

static void collect(World *w)
{
        tasks_collect(w->store);
        test_commit(txn_begin(w->store));
}

static bool exists(World *w, const char *ref)
{
        const Row *row = store_get(w->store, &CLASS_TASK, ref);

        row_unref(row);
        return row;
}

static const TaskRow *get(World *w, const char *ref)
{
        const TaskRow *task = STORE_GET(TaskRow, CLASS_TASK, w->store, ref);

        g_assert_nonnull(task);
        return task;
}

static void check(World *w, int64_t status, int64_t created_ago_sec, int64_t finished_ago_sec, bool stays)
{
        auto_str ref = make(w, status, created_ago_sec, finished_ago_sec);

        collect(w);
        g_assert_cmpint(exists(w, ref), ==, stays);
}

static void test_old(World *w, gconstpointer data)
{
        const int64_t kept = TASK_COMPLETED_KEPT_SEC, pending = TASK_PENDING_KEPT_SEC;

        check(w, TASK_STATUS_TYPE_SUCCESS, kept + 1, kept - MARGIN_SEC, true);
        check(w, TASK_STATUS_TYPE_SUCCESS, kept + 1, kept + 1, false);
        check(w, TASK_STATUS_TYPE_FAILURE, kept + 1, kept + 1, false);
        check(w, TASK_STATUS_TYPE_CANCELLED, kept + 1, kept + 1, false);
        check(w, TASK_STATUS_TYPE_PENDING, kept + 1, -1, true);
        check(w, TASK_STATUS_TYPE_PENDING, pending - MARGIN_SEC, -1, true);
        check(w, TASK_STATUS_TYPE_PENDING, pending + 1, -1, false);
        check(w, TASK_STATUS_TYPE_CANCELLING, pending + 1, -1, false);
}

static void make_clients(World *w, size_t n)
{
        Txn *txn = txn_begin(w->store);

        while (n-- > 0) {
                auto_str ref = task_create(txn, &w->core->manager, "label", "", "", false);
        }
        test_commit(txn);
}

static bool has_room(World *w, uint32_t roles)
{
        g_autoptr(XapiError) error = NULL;
        Txn *txn = txn_begin(w->store);
        bool yes = task_has_room(txn, roles, false, &error);

        txn_abort(txn);
        g_assert_true(yes || strcmp(error->code, ERR_TOO_MANY_PENDING_TASKS) == 0);
        return yes;
}

/* Who may only read leaves room for those who manage. */
static void test_clients_limit(World *w, gconstpointer data)
{
        Txn *txn = txn_begin(w->store);
        auto_str ours = task_create(txn, &w->core->manager, "ours", "", "", true);

        test_commit(txn);
        make_clients(w, TASK_CLIENTS_MAX / 2 - 1);
        g_assert_true(has_room(w, ROLE_READ_ONLY));
        make_clients(w, 1);
        g_assert_false(has_room(w, ROLE_READ_ONLY));
        g_assert_false(has_room(w, ROLE_VM_ADMIN));
        make_clients(w, TASK_CLIENTS_MAX / 2 - 1);
        g_assert_true(has_room(w, ROLE_POOL_OPERATOR));
        make_clients(w, 1);
        g_assert_false(has_room(w, ROLE_POOL_ADMIN));
}

/* However long ago it began, and wherever the clock was set. */
static void test_worked_on(World *w, gconstpointer data)
{
        Txn *txn = txn_begin(w->store);
        auto_str ref = task_create(txn, &w->core->manager, "label", "", "", true);

        ((TaskRow *)txn_edit(txn, &CLASS_TASK, ref))->created = 0;
        test_commit(txn);
        collect(w);
        g_assert_true(exists(w, ref));
}

/* Who ends a task by task.set_status does not say when. */
static void test_without_end(World *w, gconstpointer data)
{
        check(w, TASK_STATUS_TYPE_SUCCESS, TASK_COMPLETED_KEPT_SEC - MARGIN_SEC, -1, true);
        check(w, TASK_STATUS_TYPE_SUCCESS, TASK_COMPLETED_KEPT_SEC + 1, -1, false);
}

static void test_limit(World *w, gconstpointer data)
{
        auto_str oldest = make(w, TASK_STATUS_TYPE_SUCCESS, 10, 10),
                 pending = make(w, TASK_STATUS_TYPE_PENDING, 10, -1);
        auto_str second = make(w, TASK_STATUS_TYPE_SUCCESS, 10, 10);

        for (size_t i = 2; i < TASK_COMPLETED_MAX; i++) {
                auto_str more = make(w, TASK_STATUS_TYPE_SUCCESS, 5, 5);
        }
        collect(w);
        g_assert_true(exists(w, oldest));
        auto_str last = make(w, TASK_STATUS_TYPE_FAILURE, 0, 0);
        collect(w);
        g_assert_false(exists(w, oldest));
        g_assert_true(exists(w, second));
        g_assert_true(exists(w, pending));
        g_assert_true(exists(w, last));
}

/* task.destroy of what is under way only marks it. */
static void test_marked(World *w, gconstpointer data)
{
        g_autofree char *root = test_login(w->core);
        auto_str ref = make(w, TASK_STATUS_TYPE_PENDING, 0, -1);

        test_expect(w->core, "= \"\"", "task.destroy", "['%s', '%s']", root, ref);
        collect(w);
        g_assert_true(exists(w, ref));
        test_expect(w->core, "= \"\"", "task.set_status", "['%s', '%s', 'success']", root, ref);
        g_assert_true(exists(w, ref));
        collect(w);
        g_assert_false(exists(w, ref));
}

static void test_interrupted(World *w, gconstpointer data)
{
        Txn *txn = txn_begin(w->store);
        auto_str ours = task_create(txn, &w->core->manager, "ours", "", "", true);
        auto_str clients = task_create(txn, &w->core->manager, "a client's", "", "", false);
        const TaskRow *task;

        test_commit(txn);
        tasks_fail_interrupted(w->store);
        test_commit(txn_begin(w->store));
        task = get(w, ours);
        g_assert_cmpint(task->status, ==, TASK_STATUS_TYPE_FAILURE);
        g_assert_cmpstr(task->error_info->items[0].s, ==, ERR_INTERNAL_ERROR);
        g_assert_cmpint(task->finished, >, 0);
        g_assert_cmpuint(task->allowed_operations->n, ==, 0);
        row_unref(&task->row);
        task = get(w, clients);
        g_assert_cmpint(task->status, ==, TASK_STATUS_TYPE_PENDING);
        row_unref(&task->row);
}

static void check_end(World *w, const char *code, bool cancelled, int64_t want)
{
        g_autoptr(XapiError) error = xapi_error_new(code, "parameter", NULL);
        auto_str ref = make(w, TASK_STATUS_TYPE_PENDING, 0, -1);
        Txn *txn = txn_begin(w->store);
        const TaskRow *task;

        task_fail(txn, ref, error, cancelled);
        test_commit(txn);
        task = get(w, ref);
        g_assert_cmpint(task->status, ==, want);
        g_assert_cmpuint(task->error_info->n, ==, 2);
        g_assert_cmpfloat(task->progress, ==, 1.0);
        row_unref(&task->row);
}

/* Cancelled is what was asked to be, and ended for that. */
static void test_failures(World *w, gconstpointer data)
{
        check_end(w, ERR_TASK_CANCELLED, true, TASK_STATUS_TYPE_CANCELLED);
        check_end(w, ERR_TASK_CANCELLED, false, TASK_STATUS_TYPE_FAILURE);
        check_end(w, ERR_VM_BAD_POWER_STATE, true, TASK_STATUS_TYPE_FAILURE);
}

static void check_result(World *w, const Type *type, Value value, const char *want)
{
        auto_str ref = make(w, TASK_STATUS_TYPE_PENDING, 0, -1);
        Txn *txn = txn_begin(w->store);
        const TaskRow *task;

        task_succeed(txn, ref, type, value);
        test_commit(txn);
        task = get(w, ref);
        g_assert_cmpint(task->status, ==, TASK_STATUS_TYPE_SUCCESS);
        g_assert_cmpstr(task->result, ==, want);
        row_unref(&task->row);
}

static void test_results(World *w, gconstpointer data)
{
        const Type *set = model_message("VM.get_all")->result;
        auto_str text = str_new("OpaqueRef:1");
        Set *refs = set_new(set->element, 1, &(Value){ .s = text });

        check_result(w, model_message("VM.clone")->result, (Value){ .s = text },
                     "<value>OpaqueRef:1</value>");
        check_result(w, model_message("VM.start")->result, (Value){ 0 }, "<value></value>");
        check_result(w, set, (Value){ .set = refs },
                     "<value><array><data><value>OpaqueRef:1</value></data></array></value>");
        set_unref(refs);
}

/* ---- which run ---- */

static void count(void *job)
{
        ++*(int *)job;
}

static void test_running(void)
{
        RunningTasks *running = running_tasks_new();
        int first = 0, second = 0;

        running_tasks_add(running, "first", &first);
        running_tasks_add(running, "second", &second);
        g_assert_true(running_tasks_with(running, "first", count));
        g_assert_false(running_tasks_with(running, "third", count));
        g_assert_cmpint(first, ==, 1);
        g_assert_false(running_tasks_stopping(running));
        running_tasks_stop(running, count);
        g_assert_true(running_tasks_stopping(running));
        g_assert_cmpint(first, ==, 2);
        g_assert_cmpint(second, ==, 1);
        running_tasks_remove(running, "first");
        g_assert_false(running_tasks_with(running, "first", count));
        running_tasks_free(running);
}

static void test_dummy_ref(void)
{
        auto_str a = task_dummy_ref("VM.start"), b = task_dummy_ref("VM.start");

        g_assert_true(g_str_has_prefix(a, "DummyRef:|"));
        g_assert_true(g_str_has_suffix(a, "|VM.start"));
        g_assert_cmpstr(a, !=, b);
}

static void add(const char *name, void (*function)(World *w, gconstpointer data))
{
        g_test_add(name, World, NULL, set_up, function, tear_down);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        add("/task/old", test_old);
        add("/task/clients-limit", test_clients_limit);
        add("/task/worked-on", test_worked_on);
        add("/task/without-end", test_without_end);
        add("/task/limit", test_limit);
        add("/task/marked", test_marked);
        add("/task/interrupted", test_interrupted);
        add("/task/failures", test_failures);
        add("/task/results", test_results);
        g_test_add_func("/task/running", test_running);
        g_test_add_func("/task/dummy-ref", test_dummy_ref);
        return g_test_run();
}
