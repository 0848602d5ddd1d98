/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "bios-strings.h"
#include "model.h"
#include "xenapi.h"

static const Type *type(void)
{
        return class_field(&CLASS_VM, "bios_strings")->type;
}

static void test_generic(void)
{
        Map *map = bios_strings_generic(type());

        g_assert_cmpuint(map->n, ==, 16);
        g_assert_cmpstr(map_get_str(map, "bios-vendor"), ==, "Xen");
        map_unref(map);
}

static void test_custom(void)
{
        Map *wanted = map_of_strings(type(), "bios-vendor", "x", NULL);
        XapiError *error = NULL;
        Map *map = bios_strings_custom(wanted, &error);

        g_assert_null(error);
        g_assert_cmpstr(map_get_str(map, "bios-vendor"), ==, "x");
        g_assert_cmpstr(map_get_str(map, "system-manufacturer"), ==, "Xen");
        map_unref(map);
        map_unref(wanted);
}

static void refused(const char *key, const char *value)
{
        Map *wanted = map_of_strings(type(), key, value, NULL);
        XapiError *error = NULL;

        g_assert_null(bios_strings_custom(wanted, &error));
        g_assert_true(xapi_error_is(error, ERR_INVALID_VALUE));
        g_assert_cmpstr(error->params[0], ==, key);
        xapi_error_free(error);
        map_unref(wanted);
}

static void test_refused(void)
{
        refused("nope", "x");
        refused("oem-2", "x");
        refused("bios-vendor", "");
        refused("bios-vendor", "tab\there");
        refused("bios-vendor", "\xc3\xa9");
}

static void test_length(void)
{
        g_autofree char *longest = g_strnfill(BIOS_STRING_BYTES_MAX, 'x');
        g_autofree char *too_long = g_strnfill(BIOS_STRING_BYTES_MAX + 1, 'x');
        Map *wanted = map_of_strings(type(), "bios-version", longest, NULL);
        XapiError *error = NULL;
        Map *map = bios_strings_custom(wanted, &error);

        g_assert_nonnull(map);
        map_unref(map);
        map_unref(wanted);
        refused("bios-version", too_long);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        model_init();
        g_test_add_func("/bios-strings/generic", test_generic);
        g_test_add_func("/bios-strings/custom", test_custom);
        g_test_add_func("/bios-strings/refused", test_refused);
        g_test_add_func("/bios-strings/length", test_length);
        return g_test_run();
}
