/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xl-plan.h"

#include <glib.h>

/* What comes of a VM that has no processors, which is looked at last: a VM with them would need a hypervisor. */
static XenopsErrorTag plan_error(const char *boot_order, const char *serial, const char *keymap)
{
        Xenlight xenlight = { .path = (char *)"/run" };
        XenopsVm vm = { .id = (char *)"5c0a4e3c-8d8e-4a33-9c6a-0f8d0c2b7a11",
                        .ty = { .tag = XENOPS_BUILDER_INFO_HVM,
                                .hvm = { .timeoffset = (char *)"",
                                         .boot_order = (char *)boot_order,
                                         .serial = (char *)serial,
                                         .keymap = (char *)keymap } } };
        XlPlan *plan = xl_plan_new(&vm);
        libxl_domain_config config;
        XenopsError *error = NULL;

        libxl_domain_config_init(&config);
        g_assert_false(xl_plan_config(&xenlight, &vm, plan, &config, &error));
        XenopsErrorTag tag = error->tag;
        xenops_error_free(error);
        libxl_domain_config_dispose(&config);
        xl_plan_free(plan);
        return tag;
}

/* A VM's words are no options of the device model's. */
static void test_words(void)
{
        static const char *const orders[] = { "cd,splash=/etc/shadow", "c d", "q", "C", "cd\n" };
        static const char *const serials[] = { "file:/etc/passwd", "/dev/sda", "tcp::4444,server", "pty,",
                                               "PTY" };
        static const char *const keymaps[] = { "../../etc/passwd", "/etc/passwd", "de,x", "de." };

        g_assert_cmpint(plan_error("", NULL, NULL), ==, XENOPS_ERROR_INVALID_VCPUS);
        g_assert_cmpint(plan_error("abcdefghijklmnop", "pty", "de-ch"), ==, XENOPS_ERROR_INVALID_VCPUS);
        g_assert_cmpint(plan_error("cdn", "none", "en_us"), ==, XENOPS_ERROR_INVALID_VCPUS);
        g_assert_cmpint(plan_error("cdn", "", ""), ==, XENOPS_ERROR_INVALID_VCPUS);
        for (size_t i = 0; i < G_N_ELEMENTS(orders); i++)
                g_assert_cmpint(plan_error(orders[i], NULL, NULL), ==, XENOPS_ERROR_INTERNAL_ERROR);
        for (size_t i = 0; i < G_N_ELEMENTS(serials); i++)
                g_assert_cmpint(plan_error("cd", serials[i], NULL), ==, XENOPS_ERROR_INTERNAL_ERROR);
        for (size_t i = 0; i < G_N_ELEMENTS(keymaps); i++)
                g_assert_cmpint(plan_error("cd", NULL, keymaps[i]), ==, XENOPS_ERROR_INTERNAL_ERROR);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/xl-plan/words", test_words);
        return g_test_run();
}
