/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"
#include "xenapi.h"

static void test_new(void)
{
        g_autoptr(XapiError) e = xapi_error_new(ERR_VM_BAD_POWER_STATE, "vm", "halted", "running", NULL);
        g_assert_true(xapi_error_is(e, ERR_VM_BAD_POWER_STATE) && !xapi_error_is(e, ERR_SR_FULL));
        g_assert_cmpuint(e->n_params, ==, 3);
        g_assert_cmpstr(e->params[2], ==, "running");
        g_autofree char *text = xapi_error_text(e);
        g_assert_cmpstr(text, ==, "VM_BAD_POWER_STATE: [vm; halted; running]");
        g_autoptr(XapiError) copy = xapi_error_copy(e);
        g_clear_pointer(&e, xapi_error_free);
        g_assert_cmpstr(copy->params[0], ==, "vm");
        xapi_error_free(NULL);
        g_assert_false(xapi_error_is(NULL, ERR_SR_FULL));
}

static void test_fail(void)
{
        g_autoptr(XapiError) none = NULL;
        g_assert_false(xapi_fail(&none, ERR_SESSION_INVALID, NULL));
        g_assert_cmpuint(none->n_params, ==, 0);
        g_autofree char *text = xapi_error_text(none);
        g_assert_cmpstr(text, ==, "SESSION_INVALID: []");
        g_autoptr(XapiError) internal = NULL;
        g_assert_false(xapi_fail_internal(&internal, "%d%%", 5));
        g_assert_true(xapi_error_is(internal, ERR_INTERNAL_ERROR));
        g_assert_cmpstr(internal->params[0], ==, "5%");
        const char *const params[] = { "a", "" };
        g_autoptr(XapiError) array = xapi_error_new_array("OF_A_PLUGIN", G_N_ELEMENTS(params), params);
        g_assert_cmpstr(array->params[1], ==, "");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/error/new", test_new);
        g_test_add_func("/error/fail", test_fail);
        return g_test_run();
}
