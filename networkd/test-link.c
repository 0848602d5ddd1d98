/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/socket.h>

#include "link.h"

static void test_names(void)
{
        static const char *const good[] = { "a", "eth0", "eth0.7", "xapi0", "fifteen-letters", "..." };
        static const char *const bad[] = { "",    ".",  "..",  "a/b",  "a b",      "a:b",
                                           "a%d", "-r", "a\n", "\x7f", "\xc3\xa9", "sixteen-letters-" };

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
                g_assert_true(link_name_is_valid(good[i]));
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_false(link_name_is_valid(bad[i]));
}

static void test_macs(void)
{
        static const char *const bad[] = { "",
                                           "02:00:00:00:00:0",
                                           "02:00:00:00:00:000",
                                           "03:00:00:00:00:01", /* of a group */
                                           "ff:ff:ff:ff:ff:ff",
                                           "00:00:00:00:00:00",
                                           "02-00-00-00-00-01",
                                           "02:00:00:00:00:0g" };

        g_assert_true(link_mac_is_valid("02:00:00:00:00:01"));
        g_assert_true(link_mac_is_valid("AE:00:00:00:00:0F"));
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_false(link_mac_is_valid(bad[i]));
}

static void test_addresses(void)
{
        Address a, b;

        g_assert_true(address_parse(AF_INET, "10.0.0.1", 32, &a));
        g_assert_true(address_parse(AF_INET6, "FD00:0::1", 128, &b));
        g_assert_cmpstr(b.text, ==, "fd00::1");
        g_assert_false(address_equal(&a, &b));
        g_assert_true(address_parse(AF_INET, "10.0.0.1", 24, &b));
        g_assert_false(address_equal(&a, &b));
        g_assert_false(address_parse(AF_INET, "10.0.0.1", 33, &a));
        g_assert_false(address_parse(AF_INET, "10.0.0.1", -1, &a));
        g_assert_false(address_parse(AF_INET6, "fd00::1", 129, &a));
        g_assert_false(address_parse(AF_INET, "10.0.0", 24, &a));
        g_assert_false(address_parse(AF_INET, NULL, 24, &a));
}

static void test_find(void)
{
        g_autoptr(Links) links = links_new();
        Route route = { .link = 2, .to = { .family = AF_INET }, .gateway = "10.0.0.254" };
        Link *link;

        links_add(links, 1, "lo");
        link = links_add(links, 2, "a-name-that-no-kernel-gives");
        g_assert_cmpuint(strlen(link->name), ==, IFNAMSIZ - 1);
        g_assert_true(links_find(links, "lo") == links_by_index(links, 1));
        g_assert_null(links_find(links, "eth0"));
        g_assert_null(links_by_index(links, 3));
        g_array_append_val(links->routes, route);
        g_assert_nonnull(links_gateway(links, link, AF_INET));
        g_assert_null(links_gateway(links, link, AF_INET6));
        g_assert_null(links_gateway(links, links_find(links, "lo"), AF_INET));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/link/names", test_names);
        g_test_add_func("/link/macs", test_macs);
        g_test_add_func("/link/addresses", test_addresses);
        g_test_add_func("/link/find", test_find);
        return g_test_run();
}
