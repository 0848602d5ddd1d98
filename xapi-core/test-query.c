/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "query.h"
#include "xenapi.h"

static Row *test_row(void)
{
        VmRow *vm = (VmRow *)row_new(&CLASS_VM, "OpaqueRef:x");
        slot_str(&vm->name_label, "one two");
        slot_str(&vm->uuid, "the-uuid");
        vm->is_a_template = true;
        vm->VCPUs_max = 4;
        vm->power_state = VM_POWER_STATE_RUNNING;
        slot_set(&vm->tags, set_of_strings(vm->tags->element, (const char *const[]){ "a", "b", NULL }));
        return &vm->row;
}

static bool matches(const char *text)
{
        XapiError *error = NULL;
        Query *query = query_parse(&CLASS_VM, text, &error);
        g_assert_null(error);
        Row *row = test_row();
        bool result;
        g_assert_true(query_matches(query, row, &result, &error));
        g_assert_null(error);
        row_unref(row);
        query_free(query);
        return result;
}

static void test_values(void)
{
        g_assert_true(matches("true"));
        g_assert_false(matches("false"));
        g_assert_true(matches("field \"name__label\" = \"one two\""));
        g_assert_true(matches("\"one two\"=field\"name__label\""));
        g_assert_false(matches("field \"name__label\" = \"one\""));
        g_assert_true(matches("field \"is_a_template\" = \"true\""));
        g_assert_true(matches("field \"VCPUs__max\" = \"4\""));
        g_assert_true(matches("field \"power_state\" = \"Running\""));
        g_assert_true(matches("field \"resident_on\" = \"OpaqueRef:NULL\""));
        g_assert_true(matches("field \"ref\" = \"OpaqueRef:x\""));
        g_assert_true(matches("field \"tags\" = \"('a' 'b')\""));
        g_assert_true(matches("field \"uuid\" = field \"uuid\""));
        g_assert_true(matches("\"\" = \"\""));
        g_assert_true(matches("\"a\nb\" = \"a\nb\""));
        g_assert_true(matches("\t(\n(true))"));
}

static void test_precedence(void)
{
        /* From the left, and both alike. */
        g_assert_false(matches("true or true and false"));
        g_assert_true(matches("false and false or true"));
        g_assert_true(matches("true or (true and false)"));
        /* `not` takes everything to its right. */
        g_assert_true(matches("not false and false"));
        g_assert_false(matches("(not false) and false"));
        g_assert_false(matches("not true or true"));
        g_assert_true(matches("true and not false and false"));
        g_assert_false(matches("true and (not true or true) or false"));
        g_assert_true(matches("not not true"));
        g_assert_true(matches("trueandtrue"));
        g_assert_false(matches("notnottrueandfalse"));
}

static void check_invalid(const char *text, const char *why)
{
        g_autoptr(XapiError) error = NULL;
        g_assert_null(query_parse(&CLASS_VM, text, &error));
        g_assert_true(xapi_error_is(error, "INVALID_VALUE"));
        g_assert_cmpuint(error->n_params, ==, 2);
        g_assert_cmpstr(error->params[0], ==, text);
        g_assert_cmpstr(error->params[1], ==, why);
}

static void test_invalid(void)
{
        const char *lex = "Failure(\"lexing: empty token\")", *parse = "Stdlib.Parsing.Parse_error";
        check_invalid("", parse);
        check_invalid(" ", parse);
        check_invalid("nope", lex);
        check_invalid("True", lex);
        check_invalid("'a' = 'a'", lex);
        check_invalid("\"a\" = \"b", lex);
        check_invalid("true\r", lex);
        check_invalid("field", parse);
        check_invalid("field \"a\"", parse);
        check_invalid("field \"a\" =", parse);
        check_invalid("field a = \"b\"", lex);
        check_invalid("\"a\" == \"b\"", parse);
        check_invalid("(true", parse);
        check_invalid("true)", parse);
        check_invalid("()", parse);
        check_invalid("true and", parse);
        check_invalid("and true", parse);
        check_invalid("true true", parse);
        check_invalid("not", parse);
        check_invalid("true = true", parse);
}

static void test_unknown_field(void)
{
        g_autoptr(XapiError) error = NULL;
        Row *row = test_row();
        Query *query = query_parse(&CLASS_VM, "field \"nope\" = \"x\"", &error);
        bool result;
        g_assert_false(query_matches(query, row, &result, &error));
        g_assert_true(xapi_error_is(error, "INTERNAL_ERROR"));
        query_free(query);
        row_unref(row);
        /* Not looked at. */
        g_assert_false(matches("false and field \"nope\" = \"x\""));
        g_assert_true(matches("true or field \"nope\" = \"x\""));
}

static char *nested(size_t depth, const char *open, const char *close)
{
        GString *text = g_string_new(NULL);
        for (size_t i = 0; i < depth; i++)
                g_string_append(text, open);
        g_string_append(text, "true");
        for (size_t i = 0; i < depth; i++)
                g_string_append(text, close);
        return g_string_free(text, false);
}

static void test_limits(void)
{
        g_autofree char *deepest = nested(QUERY_DEPTH_MAX, "(", ")");
        g_autofree char *too_deep = nested(QUERY_DEPTH_MAX + 1, "(", ")");
        g_autofree char *nots = nested(QUERY_DEPTH_MAX + 1, "not ", "");
        g_assert_true(matches(deepest));
        check_invalid(too_deep, "nested too deeply");
        check_invalid(nots, "nested too deeply");

        g_autofree char *longest = g_strnfill(QUERY_LENGTH_MAX, ' ');
        memcpy(longest, "true", 4);
        g_assert_true(matches(longest));
        g_autofree char *too_long = g_strconcat(longest, " ", NULL);
        g_autoptr(XapiError) error = NULL;
        g_assert_null(query_parse(&CLASS_VM, too_long, &error));
        g_assert_true(xapi_error_is(error, "INVALID_VALUE"));
        g_assert_cmpuint(str_len(error->params[0]), ==, 200);

        /* A chain is not deep. */
        GString *chain = g_string_new("true");
        while (chain->len + 8 < QUERY_LENGTH_MAX)
                g_string_append(chain, "and true");
        g_assert_true(matches(chain->str));
        g_string_free(chain, true);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/query/values", test_values);
        g_test_add_func("/query/precedence", test_precedence);
        g_test_add_func("/query/invalid", test_invalid);
        g_test_add_func("/query/unknown-field", test_unknown_field);
        g_test_add_func("/query/limits", test_limits);
        return g_test_run();
}
