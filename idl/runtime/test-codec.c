/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "codec.h"
#include "xenapi.h"

/* What value_read makes of a JSON text, as JSON text again; NULL and *error where it refuses. */
static char *reread(const Type *type, const char *json, XapiError **error)
{
        json_t *tree = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        g_assert_nonnull(tree);
        Value v;
        char *text = NULL;
        if (value_read(type, tree, &v, error)) {
                Buffer b = { 0 };
                value_write(&b, DIALECT_JSON, type, v);
                value_unref(type, v);
                text = buffer_steal(&b);
        }
        json_decref(tree);
        return text;
}

static void accepts(const Type *type, const char *json, const char *expected)
{
        g_autoptr(XapiError) error = NULL;
        char *text = reread(type, json, &error);
        g_assert_null(error);
        g_assert_cmpstr(text, ==, expected);
        free(text);
}

static void refuses(const Type *type, const char *json, const char *expected)
{
        g_autoptr(XapiError) error = NULL;
        g_assert_null(reread(type, json, &error));
        g_assert_true(xapi_error_is(error, ERR_INTERNAL_ERROR));
        g_autofree char *text = g_strdup_printf("Failure(\"%s\")", expected);
        g_assert_cmpstr(error->params[0], ==, text);
}

static void test_strings(void)
{
        accepts(&type_string, "\"\\u00e9 \\\" \\\\ \\n \\u0001\"", "\"\u00e9 \\\" \\\\ \\n \\u0001\"");
        accepts(&type_VM_ref, "\"whatever\"", "\"whatever\"");
        refuses(&type_string, "5", "Expected string, got 'I(5)'");
        refuses(&type_string, "1.0", "Expected string, got 'F(1)'");
        refuses(&type_string, "true", "Expected string, got 'B(true)'");
        refuses(&type_string, "null", "Expected string, got 'N'");
        refuses(&type_VM_ref, "[]", "Expected string, got '[]'");
        refuses(&type_string, "{\"b\": \"c\", \"d\": [1, false]}",
                "Expected string, got '{b:S(c),d:[I(1),B(false)]}'");
        refuses(&type_string, "\"a\\u0000b\"", "a string holds a NUL byte");
}

static void test_ints(void)
{
        accepts(&type_int, "5", "5");
        accepts(&type_int, "\"-5\"", "-5");
        accepts(&type_int, "\"+5\"", "5");
        accepts(&type_int, "\"0x5\"", "5");
        accepts(&type_int, "\"0b101\"", "5");
        accepts(&type_int, "\"-0o17\"", "-15");
        accepts(&type_int, "\"1_000\"", "1000");
        accepts(&type_int, "\"9223372036854775807\"", "9223372036854775807");
        accepts(&type_int, "\"-9223372036854775808\"", "-9223372036854775808");
        accepts(&type_int, "\"0xffffffffffffffff\"", "-1");
        static const char *const bad[] = { "\"\"",
                                           "\" 5\"",
                                           "\"5 \"",
                                           "\"5.0\"",
                                           "\"abc\"",
                                           "\"0x\"",
                                           "\"-\"",
                                           "\"_5\"",
                                           "\"9223372036854775808\"",
                                           "\"-9223372036854775809\"",
                                           "\"0b2\"",
                                           "\"0x10000000000000000\"",
                                           "\"5\\u0000\"" };
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                refuses(&type_int, bad[i], "Int64.of_string");
        refuses(&type_int, "1.5", "Expected int64, got 'F(1.5)'");
        refuses(&type_int, "true", "Expected int64, got 'B(true)'");
}

static void test_floats(void)
{
        accepts(&type_float, "1.5", "1.5");
        accepts(&type_float, "2", "2.0");
        accepts(&type_float, "\"2.25\"", "2.25");
        accepts(&type_float, "\"1e3\"", "1000.0");
        accepts(&type_float, "\"1e300\"", "1e+300");
        accepts(&type_float, "\"nan\"", "NaN");
        accepts(&type_float, "\"-inf\"", "-Infinity");
        accepts(&type_float, "\"1_0\"", "10.0");
        refuses(&type_float, "\"x\"", "float_of_string");
        refuses(&type_float, "\"\"", "float_of_string");
        refuses(&type_float, "\" 1\"", "float_of_string");
        refuses(&type_float, "\"1 \"", "float_of_string");
        refuses(&type_float, "null", "Expected float, got 'N'");
}

static void test_scalars(void)
{
        accepts(&type_bool, "true", "true");
        refuses(&type_bool, "1", "Expected bool, got 'I(1)'");
        refuses(&type_bool, "\"true\"", "Expected bool, got 'S(true)'");
        accepts(&type_datetime, "\"2026-01-31T12:34:56Z\"", "\"20260131T12:34:56Z\"");
        refuses(&type_datetime, "\"soon\"", "Expected DateTime, got 'S(soon)'");
        refuses(&type_datetime, "5", "Expected DateTime, got 'I(5)'");
        accepts(&type_enum_on_normal_exit, "\"Destroy\"", "\"destroy\"");
        refuses(&type_enum_on_normal_exit, "\"nope\"", "Unknown tag/contents");
        refuses(&type_enum_on_normal_exit, "5", "Unknown tag/contents");
        accepts(&type_void, "\"\"", "\"\"");
}

static void test_containers(void)
{
        accepts(&type_string_set, "[\"\", \"a\", \"a\"]", "[\"\",\"a\",\"a\"]");
        accepts(&type_string_set, "[]", "[]");
        refuses(&type_string_set, "5", "Expecting Rpc.Enum, but found 'I(5)'");
        refuses(&type_string_set, "[\"a\", [\"b\"]]", "Expected string, got '[S(b)]'");
        accepts(&type_string_to_string_map, "{\"a\": \"b\", \"\": \"c\"}", "{\"a\":\"b\",\"\":\"c\"}");
        refuses(&type_string_to_string_map, "[]", "Expecting Rpc.Dict, but found '[]'");
        refuses(&type_string_to_string_map, "{\"a\": {\"b\": \"c\"}}", "Expected string, got '{b:S(c)}'");
        accepts(&type_int_to_int_map, "{\"1\": 2, \"0x2\": \"3\"}", "{\"1\":2,\"2\":3}");
        accepts(&type_int_to_int_map, "{\"1\": 2, \"01\": 3}", "{\"1\":3}");
        refuses(&type_int_to_int_map, "{\"x\": 2}", "Int64.of_string");
        const Type *blocked = CLASS_VM.fields[VM_FIELD_blocked_operations].type;
        accepts(blocked, "{\"start\": \"no\"}", "{\"start\":\"no\"}");
        refuses(blocked, "5", "Unmarshalling error");
        refuses(blocked, "{\"nope\": \"x\"}", "Unknown tag/contents");
        refuses(blocked, "{\"start\": 5}", "Expected string, got 'I(5)'");
        static const Type option = { .kind = TYPE_OPTION, .element = &type_int, .text = "int option" };
        accepts(&option, "null", "[]");
        accepts(&option, "[5]", "[5]");
        refuses(&option, "[5, 6]", "Expecting Rpc.Enum of at most one, but found '[I(5),I(6)]'");
}

static void test_xml(void)
{
        auto_buffer b = { 0 };
        Map *m = map_of_strings(&type_string_to_string_map, "<k>", "a<b>&\"'\t\001z", NULL);
        value_write(&b, DIALECT_XML, &type_string_to_string_map, (Value){ .map = m });
        g_assert_cmpstr(
            buffer_terminate(&b), ==,
            "<value><struct><member><name>&lt;k&gt;</name><value>a&lt;b&gt;&amp;&quot;'\tz</value></member>"
            "</struct></value>");
        map_unref(m);
        b.len = 0;
        value_write(&b, DIALECT_XML, &type_bool, (Value){ .i = 1 });
        value_write(&b, DIALECT_XML, &type_int, (Value){ .i = 5 });
        value_write(&b, DIALECT_XML, &type_float, (Value){ .d = 0.5 });
        value_write(&b, DIALECT_XML, &type_datetime, (Value){ .i = 0 });
        value_write(&b, DIALECT_XML, &type_string_set, value_zero(&type_string_set));
        value_write(&b, DIALECT_XML, &type_void, (Value){ 0 });
        g_assert_cmpstr(
            buffer_terminate(&b), ==,
            "<value><boolean>1</boolean></value><value>5</value><value><double>0.5</double></value>"
            "<value><dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601></value>"
            "<value><array><data></data></array></value><value></value>");
}

/* What an error quotes of a string of n bytes. */
static size_t quoted_len(const char *unit, size_t n)
{
        g_autoptr(XapiError) error = NULL;
        g_autoptr(GString) json = g_string_new("\"");
        for (size_t i = 0; i < n; i++)
                g_string_append(json, unit);
        g_string_append_c(json, '"');
        g_assert_null(reread(&type_bool, json->str, &error));
        g_assert_true(g_utf8_validate(error->params[0], -1, NULL));
        const char *from = strstr(error->params[0], "got '") + 5;
        return (size_t)(strrchr(from, '\'') - from);
}

static void test_quote_limit(void)
{
        g_assert_cmpuint(quoted_len("x", CODEC_QUOTE_MAX_BYTES - 3), ==, CODEC_QUOTE_MAX_BYTES);
        g_assert_cmpuint(quoted_len("x", CODEC_QUOTE_MAX_BYTES - 2), ==, CODEC_QUOTE_MAX_BYTES + 3);
        g_assert_cmpuint(quoted_len("x", 100000), ==, CODEC_QUOTE_MAX_BYTES + 3);
        g_assert_cmpuint(quoted_len("\u00e9", 100000), <=, CODEC_QUOTE_MAX_BYTES + 3);

        g_autoptr(GString) deep = g_string_new(NULL);
        for (int i = 0; i < 2000; i++)
                g_string_append_c(deep, '[');
        for (int i = 0; i < 2000; i++)
                g_string_append_c(deep, ']');
        g_autoptr(XapiError) error = NULL;
        g_assert_null(reread(&type_bool, deep->str, &error));
        g_assert_cmpuint(strlen(error->params[0]), <, CODEC_QUOTE_MAX_BYTES + 100);
}

static bool make(const char *class, const char *json, Row **ret, XapiError **error)
{
        g_autofree char *name = g_strdup_printf("%s.create", class);
        json_t *tree = json_loads(json, JSON_DECODE_ANY, NULL);
        bool ok = record_read(model_message(name), tree, ret, error);
        json_decref(tree);
        return ok;
}

static void test_records(void)
{
        Row *row;
        g_autoptr(XapiError) error = NULL;
        g_assert_true(
            make("network",
                 "{\"other_config\":{\"a\":\"b\"},\"name_label\":\"n\",\"nope\":1,\"uuid\":\"x\",\"VIFs\":5}",
                 &row, &error));
        const NetworkRow *net = (const NetworkRow *)row;
        g_assert_true(row->class == &CLASS_NETWORK && str_len(row->ref) == 0);
        g_assert_cmpstr(net->name_label, ==, "n");
        g_assert_cmpstr(net->uuid, ==, "");
        g_assert_cmpint(net->MTU, ==, 1500);
        g_assert_cmpstr(map_get_str(net->other_config, "a"), ==, "b");
        row_unref(row);
        g_assert_false(make("network", "{}", &row, &error));
        g_assert_cmpstr(error->params[0], ==, "Server_helpers.Dispatcher_FieldNotFound(\"other_config\")");
        g_clear_pointer(&error, xapi_error_free);
        g_assert_false(make("network", "5", &row, &error));
        g_assert_cmpstr(error->params[0], ==, "Failure(\"bad __structure\")");
        g_clear_pointer(&error, xapi_error_free);
        g_assert_false(make("network", "{\"other_config\":{},\"MTU\":\"x\"}", &row, &error));
        g_assert_cmpstr(error->params[0], ==, "Failure(\"Int64.of_string\")");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        model_init();
        g_test_add_func("/codec/strings", test_strings);
        g_test_add_func("/codec/ints", test_ints);
        g_test_add_func("/codec/floats", test_floats);
        g_test_add_func("/codec/scalars", test_scalars);
        g_test_add_func("/codec/containers", test_containers);
        g_test_add_func("/codec/xml", test_xml);
        g_test_add_func("/codec/quote-limit", test_quote_limit);
        g_test_add_func("/codec/records", test_records);
        return g_test_run();
}
