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

/* Every length around the sixteen characters that are looked at together, with each kind of character at each place. */
static void test_places(void)
{
        static const char *const specials[] = { "x", "\"", "\\", "\x01", "\xc3\xa9", "\xff", "\x7f" };
        for (size_t len = 0; len < 40; len++) {
                for (size_t at = 0; at <= len; at++) {
                        for (size_t i = 0; i < G_N_ELEMENTS(specials); i++) {
                                g_autoptr(GString) text = g_string_new(NULL);
                                for (size_t k = 0; k < len; k++)
                                        g_string_append(text, k == at ? specials[i] : "a");
                                auto_buffer b = { 0 };
                                bool dirty;
                                json_write_bytes(&b, text->str, text->len);
                                json_auto_t *json = json_text_read(b.data, b.len, &limits, &dirty);
                                g_assert_cmpmem(json_string_value(json), json_string_length(json), text->str,
                                                text->len);
                                g_assert_true(dirty == !json_text_is_clean(text->str, text->len));
                        }
                }
        }
}

static bool read_members(const char *text, json_t **ret_one, json_t **ret_two)
{
        JsonMember members[] = { { .name = "one" }, { .name = "two" } };
        bool read = json_text_members(text, strlen(text), &limits, members, G_N_ELEMENTS(members));
        *ret_one = members[0].value;
        *ret_two = members[1].value;
        return read;
}

static void test_members(void)
{
        json_t *one, *two;
        g_assert_true(read_members(" {\"t\\u0077o\":\"\\n\",\"x\":[{}],\"one\":1,\"one\":2} ", &one, &two));
        g_assert_cmpint(json_integer_value(one), ==, 1); /* of equal keys the first counts */
        g_assert_cmpstr(json_string_value(two), ==, "\n");
        json_decref(one);
        json_decref(two);
        g_assert_true(read_members("{}", &one, &two));
        g_assert_true(!one && !two);
        g_assert_true(read_members("{\"x\":[[[]]]}", &one, &two));
        static const char *const wrong[] = {
                "",          "[]",          "1",       "{\"one\":1",       "{\"one\":1}x",
                "{\"one\"}", "{\"x\":nul}", "{one:1}", "{\"x\":[[[[]]]]}", "{\"x\":[1,2,3,4,5]}",
        };
        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                g_assert_false(read_members(wrong[i], &one, &two));
                g_assert_true(!one && !two);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/json-text/values", test_values);
        g_test_add_func("/json-text/malformed", test_malformed);
        g_test_add_func("/json-text/limits", test_limits);
        g_test_add_func("/json-text/dirty", test_dirty);
        g_test_add_func("/json-text/nul", test_nul);
        g_test_add_func("/json-text/places", test_places);
        g_test_add_func("/json-text/members", test_members);
        return g_test_run();
}
