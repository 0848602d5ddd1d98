/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include <glib.h>

#include "buffer.h"

static void test_append(void)
{
        auto_buffer b = { 0 };
        g_assert_cmpstr(buffer_terminate(&b), ==, "");
        buffer_append_text(&b, "one ");
        buffer_append(&b, "twofold", 3);
        buffer_append_literal(&b, " three ");
        buffer_printf(&b, "%s:%d", "four", 4);
        buffer_append(&b, NULL, 0);
        g_assert_cmpuint(b.len, ==, strlen("one two three four:4"));
        g_assert_cmpstr(buffer_terminate(&b), ==, "one two three four:4");
        buffer_consume(&b, 4);
        g_assert_cmpstr(buffer_terminate(&b), ==, "two three four:4");
        buffer_consume(&b, b.len);
        g_assert_cmpstr(buffer_terminate(&b), ==, "");
}

static void test_numbers(void)
{
        static const int64_t numbers[] = { 0, 7, -7, 10, INT64_MAX, INT64_MIN };
        for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
                auto_buffer b = { 0 };
                buffer_append_int(&b, numbers[i]);
                g_autofree char *expected = g_strdup_printf("%" G_GINT64_FORMAT, numbers[i]);
                g_assert_cmpstr(buffer_terminate(&b), ==, expected);
        }
}

static void test_growth(void)
{
        auto_buffer b = { 0 };
        for (int i = 0; i < 100000; i++)
                buffer_append_literal(&b, "0123456789");
        g_assert_cmpuint(b.len, ==, 1000000);
        g_assert_cmpint(memcmp(b.data + b.len - 10, "0123456789", 10), ==, 0);
        memset(buffer_reserve(&b, 5000000), 'x', 5000000);
        b.len += 5000000;
        g_assert_cmpint(b.data[999999], ==, '9');
        g_assert_cmpint(b.data[b.len - 1], ==, 'x');
}

static void test_steal(void)
{
        auto_buffer b = { 0 };
        buffer_append_literal(&b, "mine");
        char *text = buffer_steal(&b);
        g_assert_cmpstr(text, ==, "mine");
        free(text);
        g_assert_true(!b.data && b.len == 0 && b.room == 0);
        buffer_append_literal(&b, "again");
        g_assert_cmpstr(buffer_terminate(&b), ==, "again");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/buffer/append", test_append);
        g_test_add_func("/buffer/numbers", test_numbers);
        g_test_add_func("/buffer/growth", test_growth);
        g_test_add_func("/buffer/steal", test_steal);
        return g_test_run();
}
