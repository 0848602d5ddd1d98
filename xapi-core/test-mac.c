/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mac.h"

#include <glib.h>

static void test_valid(void)
{
        g_assert_true(mac_is_valid("00:16:3e:00:00:01"));
        g_assert_true(mac_is_valid("FE:ff:Aa:0b:c9:D0"));
}

static void test_invalid(void)
{
        static const char *const TEXTS[] = {
                "",
                "00:16:3e:00:00:0",
                "00:16:3e:00:00:011",
                "00-16-3e-00-00-01",
                "00:16:3e:00:00:0g",
                "00:16:3e:00:00::1",
                ":00:16:3e:00:00:0",
                "00:16:3e:00:00: 1",
                "00:16:3e:00:00:\xc3\xa9",
                "00163e000001",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(TEXTS); i++)
                g_assert_false(mac_is_valid(TEXTS[i]));
}

static void test_from_seed(void)
{
        char a[MAC_TEXT_SIZE], b[MAC_TEXT_SIZE];

        mac_from_seed(a, "seed", "0");
        mac_from_seed(b, "seed", "0");
        g_assert_cmpstr(a, ==, b);
        mac_from_seed(b, "seed", "1");
        g_assert_cmpstr(a, !=, b);
        mac_from_seed(b, "see", "d0"); /* the two are not just put side by side */
        g_assert_cmpstr(a, !=, b);
}

/* Locally administered, and one station's. */
static void test_kind(void)
{
        for (int i = 0; i < 256; i++) {
                g_autofree char *device = g_strdup_printf("%d", i);
                char text[MAC_TEXT_SIZE];

                mac_from_seed(text, "any", device);
                g_assert_true(mac_is_valid(text));
                g_assert_cmpuint(g_ascii_strtoull(text, NULL, 16) & 3, ==, 2);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/mac/valid", test_valid);
        g_test_add_func("/mac/invalid", test_invalid);
        g_test_add_func("/mac/from-seed", test_from_seed);
        g_test_add_func("/mac/kind", test_kind);
        return g_test_run();
}
