/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The marks of operations under way, and what they keep others from. */
#include "operations.h"

#include "rows.h"
#include "test-core.h"
#include "test-store-lib.h"
#include "xenapi.h"

typedef struct World {
        Store *store;
        Txn *txn;
} World;

static void set_up(World *w, gconstpointer data)
{
        VmRow *vm;

        w->store = test_store_memory();
        w->txn = txn_begin(w->store);
        vm = (VmRow *)txn_create(w->txn, &CLASS_VM, "vm", NULL);
        vm->power_state = VM_POWER_STATE_HALTED;
        vm->domid = -1;
}

static void tear_down(World *w, gconstpointer data)
{
        txn_abort(w->txn);
        store_close(w->store);
}

static const VmRow *vm(World *w)
{
        return (const VmRow *)txn_get(w->txn, &CLASS_VM, "vm");
}

static void begin(World *w, int64_t operation, const char *task)
{
        XapiError *error = NULL;

        g_assert_true(operation_begin(w->txn, &VM_OPERATION_RULES, "vm", operation, task, &error));
        g_assert_null(error);
}

/* The error's parameters, joined. */
static char *refused(World *w, const char *ref, int64_t operation, const char *code)
{
        g_autoptr(XapiError) error = NULL;
        GString *text = g_string_new("");

        g_assert_false(operation_begin(w->txn, &VM_OPERATION_RULES, ref, operation, "other", &error));
        g_assert_cmpstr(error->code, ==, code);
        for (size_t i = 0; i < error->n_params; i++)
                g_string_append_printf(text, "%s%s", i ? "|" : "", error->params[i]);
        return g_string_free(text, false);
}

static void check_refused(World *w, const char *ref, int64_t operation, const char *code, const char *want)
{
        g_autofree char *text = refused(w, ref, operation, code);

        g_assert_cmpstr(text, ==, want);
}

static bool allows(World *w, int64_t operation)
{
        return set_contains(vm(w)->allowed_operations, (Value){ .i = operation });
}

static void test_mark(World *w, gconstpointer data)
{
        auto_str task = str_new("task");

        operation_update(w->txn, &VM_OPERATION_RULES, "vm");
        g_assert_true(allows(w, VM_OPERATIONS_START));
        begin(w, VM_OPERATIONS_START, "task");
        g_assert_cmpint(map_get(vm(w)->current_operations, (Value){ .s = task })->i, ==, VM_OPERATIONS_START);
        g_assert_false(allows(w, VM_OPERATIONS_START));
        operation_end(w->txn, &VM_OPERATION_RULES, "vm", "task");
        g_assert_cmpuint(vm(w)->current_operations->n, ==, 0);
        g_assert_true(allows(w, VM_OPERATIONS_START));
}

static void test_unmarked(World *w, gconstpointer data)
{
        begin(w, VM_OPERATIONS_START, "");
        g_assert_cmpuint(vm(w)->current_operations->n, ==, 0);
}

static void test_gone(World *w, gconstpointer data)
{
        check_refused(w, "nope", VM_OPERATIONS_START, ERR_HANDLE_INVALID, "VM|nope");
        operation_end(w->txn, &VM_OPERATION_RULES, "nope", "task");
        operation_end(w->txn, &VM_OPERATION_RULES, "vm", "never began");
        operation_update(w->txn, &VM_OPERATION_RULES, "nope");
}

static void test_busy(World *w, gconstpointer data)
{
        begin(w, VM_OPERATIONS_START, "task");
        check_refused(w, "vm", VM_OPERATIONS_START, ERR_OTHER_OPERATION_IN_PROGRESS, "VM|vm|start|task");
}

static void test_busy_with_several(World *w, gconstpointer data)
{
        begin(w, VM_OPERATIONS_CLONE, "one");
        begin(w, VM_OPERATIONS_COPY, "two");
        check_refused(w, "vm", VM_OPERATIONS_START, ERR_OTHER_OPERATION_IN_PROGRESS,
                      "VM|vm|{ clone, copy }|{ one, two }");
        operation_end(w->txn, &VM_OPERATION_RULES, "vm", "one");
        check_refused(w, "vm", VM_OPERATIONS_START, ERR_OTHER_OPERATION_IN_PROGRESS, "VM|vm|copy|two");
        operation_end(w->txn, &VM_OPERATION_RULES, "vm", "two");
        begin(w, VM_OPERATIONS_START, "three");
}

/* What is blocked is so before anything else is looked at; a state that does not fit before what is under way. */
static void test_order(World *w, gconstpointer data)
{
        VmRow *row = (VmRow *)txn_edit(w->txn, &CLASS_VM, "vm");
        auto_str why = str_new("because");

        begin(w, VM_OPERATIONS_START, "task");
        check_refused(w, "vm", VM_OPERATIONS_PAUSE, ERR_VM_BAD_POWER_STATE, "vm|running|halted");
        slot_map(&row->blocked_operations,
                 map_with(row->blocked_operations, (Value){ .i = VM_OPERATIONS_PAUSE }, (Value){ .s = why }));
        check_refused(w, "vm", VM_OPERATIONS_PAUSE, ERR_OPERATION_BLOCKED, "vm|because");
        row->is_a_template = true;
        check_refused(w, "vm", VM_OPERATIONS_START, ERR_OTHER_OPERATION_IN_PROGRESS, "VM|vm|start|task");
        operation_end(w->txn, &VM_OPERATION_RULES, "vm", "task");
        check_refused(w, "vm", VM_OPERATIONS_START, ERR_VM_IS_TEMPLATE, "vm|start");
}

/* After a start nothing runs that ran before it. */
static void test_clear(World *w, gconstpointer data)
{
        begin(w, VM_OPERATIONS_START, "task");
        operations_clear(w->txn, &VM_OPERATION_RULES);
        g_assert_cmpuint(vm(w)->current_operations->n, ==, 0);
        g_assert_true(allows(w, VM_OPERATIONS_START));
}

static void add(const char *name, void (*function)(World *w, gconstpointer data))
{
        g_test_add(name, World, NULL, set_up, function, tear_down);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        add("/operations/mark", test_mark);
        add("/operations/unmarked", test_unmarked);
        add("/operations/gone", test_gone);
        add("/operations/busy", test_busy);
        add("/operations/busy-with-several", test_busy_with_several);
        add("/operations/order", test_order);
        add("/operations/clear", test_clear);
        return g_test_run();
}
