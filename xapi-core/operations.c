/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "operations.h"

#include <assert.h>

#include <glib.h>

#include "xenapi.h"

#define OPERATIONS_MAX 64 /* that one class offers */

static Set **allowed_slot(const OperationRules *rules, Row *row)
{
        return &row_values(row)[rules->allowed_field].set;
}

static Map **current_slot(const OperationRules *rules, Row *row)
{
        return &row_values(row)[rules->current_field].map;
}

static Map *current(const OperationRules *rules, const Row *row)
{
        return row_values(row)[rules->current_field].map;
}

/* A message is named after the class's own word for it, in the singular and the plural of its parameters. */
bool operation_fail_busy(const OperationRules *rules, const Row *row, XapiError **error)
{
        const Map *m = current(rules, row);
        g_autoptr(GString) operations = g_string_new(m->n > 1 ? "{ " : "");
        g_autoptr(GString) tasks = g_string_new(m->n > 1 ? "{ " : "");

        for (uint32_t i = 0; i < m->n; i++) {
                const char *comma = i ? ", " : "";

                g_string_append_printf(operations, "%s%s", comma,
                                       rules->operations->values[m->entries[i].value.i]);
                g_string_append_printf(tasks, "%s%s", comma, m->entries[i].key.s);
        }
        if (m->n > 1) {
                g_string_append(operations, " }");
                g_string_append(tasks, " }");
        }
        return xapi_fail(error, ERR_OTHER_OPERATION_IN_PROGRESS, rules->class->name, row->ref,
                         operations->str, tasks->str, NULL);
}

/* Returns how many of those offered may be done now. */
static size_t find_allowed(Txn *txn, const OperationRules *rules, const Row *row, Value ret[OPERATIONS_MAX])
{
        size_t n = 0;

        for (const int64_t *operation = rules->offered; *operation >= 0; operation++) {
                assert(n < OPERATIONS_MAX);
                if (rules->check(txn, row, *operation, NULL))
                        ret[n++].i = *operation;
        }
        return n;
}

static void update(Txn *txn, const OperationRules *rules, Row *row)
{
        Value allowed[OPERATIONS_MAX];
        size_t n = find_allowed(txn, rules, row, allowed);

        slot_set(allowed_slot(rules, row), set_new((*allowed_slot(rules, row))->element, n, allowed));
}

/* Nothing is under way, and what is said to be allowed is. */
static bool is_at_rest(Txn *txn, const OperationRules *rules, const Row *row)
{
        const Set *said = row_values(row)[rules->allowed_field].set;
        Value allowed[OPERATIONS_MAX];

        if (current(rules, row)->n > 0 || find_allowed(txn, rules, row, allowed) != said->n)
                return false;
        for (uint32_t i = 0; i < said->n; i++)
                if (said->items[i].i != allowed[i].i)
                        return false;
        return true;
}

bool operation_begin(Txn *txn, const OperationRules *rules, const char *ref, int64_t operation,
                     const char *task, XapiError **error)
{
        Row *row = (Row *)txn_require(txn, rules->class, ref, error);
        auto_str key = NULL;

        if (!row || !rules->check(txn, row, operation, error))
                return false;
        if (!*task)
                return true;
        row = txn_edit(txn, rules->class, ref);
        key = str_new(task);
        slot_map(current_slot(rules, row),
                 map_with(current(rules, row), (Value){ .s = key }, (Value){ .i = operation }));
        update(txn, rules, row);
        return true;
}

typedef struct Mark {
        const OperationRules *rules;
        Str ref, task;
} Mark;

static void mark_free(void *user)
{
        Mark *mark = user;

        str_unref(mark->ref);
        str_unref(mark->task);
        g_free(mark);
}

static void unmark(Txn *txn, void *user)
{
        const Mark *mark = user;
        Row *row = txn_edit(txn, mark->rules->class, mark->ref);

        if (!row)
                return;
        slot_map(current_slot(mark->rules, row),
                 map_without(current(mark->rules, row), (Value){ .s = mark->task }));
        update(txn, mark->rules, row);
}

void operation_end(Txn *txn, const OperationRules *rules, const char *ref, const char *task)
{
        Mark *mark = g_new(Mark, 1);

        *mark = (Mark){ rules, str_new(ref), str_new(task) };
        unmark(txn, mark);
        txn_owe(txn, unmark, mark, mark_free);
}

void operation_update(Txn *txn, const OperationRules *rules, const char *ref)
{
        Row *row = txn_edit(txn, rules->class, ref);

        if (row)
                update(txn, rules, row);
}

static bool collect_ref(const Row *row, void *user)
{
        g_ptr_array_add(user, (void *)str_ref(row->ref));
        return true;
}

void operations_clear(Txn *txn, const OperationRules *rules)
{
        GPtrArray *refs = g_ptr_array_new();

        txn_each(txn, rules->class, collect_ref, refs);
        for (guint i = 0; i < refs->len; i++) {
                Row *row;

                if (!is_at_rest(txn, rules, txn_get(txn, rules->class, refs->pdata[i]))) {
                        row = txn_edit(txn, rules->class, refs->pdata[i]);
                        slot_map(current_slot(rules, row), map_empty(current(rules, row)->type));
                        update(txn, rules, row);
                }
                str_unref(refs->pdata[i]);
        }
        g_ptr_array_unref(refs);
}
