/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <glib.h>

#include "json-text.h"

static const JsonLimits limits = { .depth = 4, .values = 6 };

static json_t *read_text(const char *text, bool *ret_dirty)
{
        return json_text_read(text, strlen(text), &limits, ret_dirty);
}

static void check_same(const char *text, const char *expected)
{
        auto_buffer b = { 0 };
        json_t *json = read_text(text, NULL);
        g_assert_nonnull(json);
        json_text_write(&b, json);
        g_assert_cmpstr(buffer_terminate(&b), ==, expected);
        json_decref(json);
}

static void test_values(void)
{
        check_same("null", "null");
        check_same(" [ ] ", "[]");
        check_same("{}", "{}");
        check_same("[true,false,null]", "[true,false,null]");
        check_same("{\"a\" : {\"b\":[1]}, \"\" : 2}", "{\"a\":{\"b\":[1]},\"\":2}");
        check_same("[0,-1,9223372036854775807]", "[0,-1,9223372036854775807]");
        check_same("[1.5,-2e3,1E-2]", "[1.5,-2000.0,0.01]");
        check_same("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u00e9\\ud83d\\ude00\"",
                   "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\xc3\xa9\xf0\x9f\x98\x80\"");
        check_same("{\"a\":1,\"a\":2}", "{\"a\":1}"); /* of equal keys the first counts */
        check_same("\"\xff\"", "\"\xff\"");
}

static void test_malformed(void)
{
        static const char *const texts[] = { "",
                                             " ",
                                             "[",
                                             "]",
                                             "[1",
                                             "[1,]",
                                             "{",
                                             "{\"a\"}",
                                             "{\"a\":}",
                                             "{\"a\":1,}",
                                             "{1:2}",
                                             "\"",
                                             "\"\\\"",
                                             "\"\\x\"",
                                             "\"\\u12\"",
                                             "\"\\ud800\"",
                                             "\"\\udc00\"",
                                             "\"\\ud800\\u0041\"",
                                             "01",
                                             "-",
                                             "1.",
                                             ".5",
                                             "1e",
                                             "+1",
                                             "9223372036854775808",
                                             "1e999",
                                             "NaN",
                                             "nul",
                                             "truex",
                                             "1 2",
                                             "[1]]" };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                json_t *json = read_text(texts[i], NULL);
                if (json)
                        g_error("taken for JSON: %s", texts[i]);
        }
}

static void test_limits(void)
{
        check_same("[[[[]]]]", "[[[[]]]]");
        g_assert_null(read_text("[[[[[]]]]]", NULL));
        check_same("[1,2,3,4,5]", "[1,2,3,4,5]");
        g_assert_null(read_text("[1,2,3,4,5,6]", NULL));
}

static void check_dirty(const char *text, bool expected)
{
        bool dirty;
        json_t *json = read_text(text, &dirty);
        g_assert_nonnull(json);
        g_assert_true(dirty == expected);
        json_decref(json);
}

static void test_dirty(void)
{
        check_dirty("[\"a\\tb\\n\xc3\xa9\"]", false);
        check_dirty("[\"\\u0000\"]", true);
        check_dirty("[\"\\u0001\"]", true);
        check_dirty("{\"\xff\":1}", true);
}

/* A NUL inside is a byte like others. */
static void test_nul(void)
{
        json_t *json = read_text("\"a\\u0000b\"", NULL);
        g_assert_cmpmem(json_string_value(json), json_string_length(json), "a\0b", 3);
        auto_buffer b = { 0 };
        json_text_write(&b, json);
        g_assert_cmpstr(buffer_terminate(&b), ==, "\"a\\u0000b\"");
        json_decref(json);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/json-text/values", test_values);
        g_test_add_func("/json-text/malformed", test_malformed);
        g_test_add_func("/json-text/limits", test_limits);
        g_test_add_func("/json-text/dirty", test_dirty);
        g_test_add_func("/json-text/nul", test_nul);
        return g_test_run();
}
