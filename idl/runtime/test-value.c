/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include <glib.h>

#include "codec.h"
#include "xenapi.h"

static Set *strings(const char *first, ...)
{
        g_autoptr(GPtrArray) items = g_ptr_array_new();
        va_list args;
        va_start(args, first);
        for (const char *s = first; s; s = va_arg(args, const char *))
                g_ptr_array_add(items, (char *)s);
        va_end(args);
        g_ptr_array_add(items, NULL);
        return set_of_strings(&type_string, (const char *const *)items->pdata);
}

/* Takes v. */
static void check_db(const Type *type, Value v, const char *expected)
{
        auto_buffer b = { 0 };
        value_write_db(&b, type, v);
        g_assert_cmpstr(buffer_terminate(&b), ==, expected);
        value_unref(type, v);
}

static void test_set(void)
{
        Set *empty = set_empty(&type_string);
        g_assert_true(empty == set_empty(&type_string) && empty == strings(NULL) && empty->n == 0);
        auto_str b = str_new("b");
        Set *ab = strings("a", "b", NULL);
        g_assert_true(set_contains_str(ab, "b") && set_contains(ab, (Value){ .s = b }) &&
                      !set_contains_str(ab, "c"));
        Set *same = set_with(ab, (Value){ .s = b });
        g_assert_true(same == ab);
        set_unref(same);
        Set *a = set_without(ab, (Value){ .s = b });
        g_assert_true(a->n == 1 && set_contains_str(a, "a"));
        same = set_without(a, (Value){ .s = b });
        g_assert_true(same == a);
        set_unref(same);
        Set *back = set_with(a, (Value){ .s = b });
        g_assert_true(value_equal(&type_string_set, (Value){ .set = back }, (Value){ .set = ab }));
        Set *twice = strings("b", "a", "b", NULL);
        Set *none = set_without(a, a->items[0]);
        g_assert_true(none == empty);
        slot_set(&twice, set_without(twice, (Value){ .s = b }));
        g_assert_true(value_equal(&type_string_set, (Value){ .set = twice }, (Value){ .set = a }));
        set_unref(twice);
        set_unref(back);
        set_unref(a);
        set_unref(ab);
}

static void test_map(void)
{
        const Type *type = &type_string_to_string_map;
        Map *empty = map_empty(type);
        g_assert_true(empty == map_of_strings(type, NULL) && !map_get_str(empty, "k"));
        Map *m = map_of_strings(type, "k", "1", "l", "2", "k", "3", NULL);
        g_assert_true(m->n == 2);
        g_assert_cmpstr(map_get_str(m, "k"), ==, "3");
        Map *more = map_with_str(m, "n", "4");
        Map *changed = map_with_str(more, "l", "5");
        g_assert_cmpuint(changed->n, ==, 3);
        g_assert_cmpstr(map_get_str(changed, "l"), ==, "5");
        g_assert_cmpstr(map_get_str(m, "l"), ==, "2");
        auto_str n = str_new("n"), l = str_new("l");
        slot_map(&more, map_without(more, (Value){ .s = n }));
        g_assert_true(value_equal(type, (Value){ .map = more }, (Value){ .map = m }));
        Map *same = map_without(m, (Value){ .s = n });
        g_assert_true(same == m);
        map_unref(same);
        slot_map(&changed, map_without(changed, (Value){ .s = l }));
        Map *other_order = map_of_strings(type, "n", "4", "k", "3", NULL);
        g_assert_true(value_equal(type, (Value){ .map = changed }, (Value){ .map = other_order }));
        map_unref(other_order);
        map_unref(changed);
        map_unref(more);
        map_unref(m);
}

/* More entries than are looked through one by one, each key three times. */
static void test_big_map(void)
{
        MapEntry entries[300];
        for (size_t i = 0; i < G_N_ELEMENTS(entries); i++)
                entries[i] = (MapEntry){ .key.i = (int64_t)(i % 100), .value.i = (int64_t)i };
        Map *m = map_new(&type_int_to_int_map, G_N_ELEMENTS(entries), entries);
        g_assert_cmpuint(m->n, ==, 100);
        g_assert_cmpint(m->entries[7].key.i, ==, 7);
        g_assert_cmpint(map_get(m, (Value){ .i = 7 })->i, ==, 207);
        map_unref(m);
}

static void test_equal(void)
{
        g_assert_true(value_equal(&type_float, (Value){ .d = NAN }, (Value){ .d = NAN }));
        g_assert_true(value_equal(&type_float, (Value){ .d = 0.0 }, (Value){ .d = -0.0 }));
        g_assert_false(value_equal(&type_float, (Value){ .d = 1 }, (Value){ .d = NAN }));
        auto_str a = str_new("a"), b = str_new("b");
        g_assert_false(value_equal(&type_string, (Value){ .s = a }, (Value){ .s = b }));
        Set *ab = strings("a", "b", NULL), *ba = strings("b", "a", NULL);
        g_assert_false(value_equal(&type_string_set, (Value){ .set = ab }, (Value){ .set = ba }));
        set_unref(ab);
        set_unref(ba);
}

static void test_db(void)
{
        check_db(&type_bool, (Value){ .i = 1 }, "true");
        check_db(&type_int, (Value){ .i = -5 }, "-5");
        check_db(&type_enum_vm_power_state, (Value){ .i = VM_POWER_STATE_HALTED }, "Halted");
        check_db(&type_VM_ref, value_zero(&type_VM_ref), "OpaqueRef:NULL");
        check_db(&type_datetime, (Value){ .i = 0 }, "19700101T00:00:00Z");
        check_db(&type_string_set, value_zero(&type_string_set), "()");
        check_db(&type_string_set, (Value){ .set = strings("a", "it's \\", NULL) }, "('a' 'it\\'s \\\\')");
        Map *m = map_of_strings(&type_string_to_string_map, "k", "v", "l", "", NULL);
        check_db(&type_string_to_string_map, (Value){ .map = m }, "(('k' 'v') ('l' ''))");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        model_init();
        g_test_add_func("/value/set", test_set);
        g_test_add_func("/value/map", test_map);
        g_test_add_func("/value/big-map", test_big_map);
        g_test_add_func("/value/equal", test_equal);
        g_test_add_func("/value/db", test_db);
        return g_test_run();
}
