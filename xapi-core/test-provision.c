/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "model.h"
#include "provision.h"
#include "xenapi.h"

static const ProvisionDisk *disk(GArray *disks, guint i)
{
        return &g_array_index(disks, ProvisionDisk, i);
}

static void test_disks(void)
{
        XapiError *error = NULL;
        GArray *disks = provision_parse(
            "<provision>\n <disk device=\"0\" size=\"8589934592\" sr=\"\" bootable=\"true\" "
            "type=\"system\"/><disk size=\"1\" device=\"hdb\" sr=\"u\" type=\"user\" new=\"x\"/>"
            "</provision>",
            &error);

        g_assert_null(error);
        g_assert_cmpuint(disks->len, ==, 2);
        g_assert_cmpstr(disk(disks, 0)->device, ==, "0");
        g_assert_cmpint(disk(disks, 0)->size_bytes, ==, 8589934592);
        g_assert_cmpstr(disk(disks, 0)->sr, ==, "");
        g_assert_true(disk(disks, 0)->bootable);
        g_assert_cmpint(disk(disks, 0)->type, ==, VDI_TYPE_SYSTEM);
        g_assert_cmpstr(disk(disks, 1)->sr, ==, "u");
        g_assert_false(disk(disks, 1)->bootable);
        g_assert_cmpint(disk(disks, 1)->type, ==, VDI_TYPE_USER);
        g_array_unref(disks);
}

static void test_none(void)
{
        XapiError *error = NULL;
        GArray *disks = provision_parse("<provision/>", &error);

        g_assert_nonnull(disks);
        g_assert_cmpuint(disks->len, ==, 0);
        g_array_unref(disks);
}

static void refused(const char *text)
{
        XapiError *error = NULL;

        g_assert_null(provision_parse(text, &error));
        g_assert_true(xapi_error_is(error, ERR_INTERNAL_ERROR));
        xapi_error_free(error);
}

static void test_refused(void)
{
        static const char *const TEXTS[] = {
                "",
                "x",
                "<provision>",
                "<provision/><provision/>",
                "<disk device=\"0\" size=\"1\"/>",
                "<provision><provision/></provision>",
                "<provision><disk device=\"0\" size=\"1\"><disk device=\"1\" size=\"1\"/></disk></provision>",
                "<provision><disk size=\"1\"/></provision>",
                "<provision><disk device=\"\" size=\"1\"/></provision>",
                "<provision><disk device=\"0\"/></provision>",
                "<provision><disk device=\"0\" size=\"0\"/></provision>",
                "<provision><disk device=\"0\" size=\"-1\"/></provision>",
                "<provision><disk device=\"0\" size=\"9223372036854775808\"/></provision>",
                "<provision><disk device=\"0\" size=\"1GiB\"/></provision>",
                "<provision><disk device=\"0\" size=\"1\" type=\"nope\"/></provision>",
                "<!DOCTYPE provision [<!ENTITY a \"aaaa\">]><provision/>",
                "<provision><disk device=\"\xff\" size=\"1\"/></provision>",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(TEXTS); i++)
                refused(TEXTS[i]);
}

static GString *disks_text(unsigned n)
{
        GString *text = g_string_new("<provision>");

        for (unsigned i = 0; i < n; i++)
                g_string_append_printf(text, "<disk device=\"%u\" size=\"1\"/>", i);
        return g_string_append(text, "</provision>");
}

static void test_limits(void)
{
        g_autoptr(GString) most = disks_text(PROVISION_DISKS_MAX), more = disks_text(PROVISION_DISKS_MAX + 1);
        g_autoptr(GString) longest = g_string_new("<provision/>");
        XapiError *error = NULL;
        GArray *disks = provision_parse(most->str, &error);

        g_assert_nonnull(disks);
        g_assert_cmpuint(disks->len, ==, PROVISION_DISKS_MAX);
        g_array_unref(disks);
        refused(more->str);
        while (longest->len < PROVISION_TEXT_MAX)
                g_string_append_c(longest, ' ');
        disks = provision_parse(longest->str, &error);
        g_assert_nonnull(disks);
        g_array_unref(disks);
        g_string_append_c(longest, ' ');
        refused(longest->str);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        model_init();
        g_test_add_func("/provision/disks", test_disks);
        g_test_add_func("/provision/none", test_none);
        g_test_add_func("/provision/refused", test_refused);
        g_test_add_func("/provision/limits", test_limits);
        return g_test_run();
}
