/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "interface.h"

static char *root;

static void put(const char *name, const char *attribute, const char *text)
{
        g_autofree char *folder = g_build_filename(root, name, NULL),
                        *path = g_build_filename(folder, attribute, NULL);

        g_assert_cmpint(g_mkdir_with_parents(text != NULL ? folder : path, 0755), ==, 0);
        if (text != NULL)
                g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void test_interfaces(void)
{
        BusStrings names = { 0 };
        char *mac = NULL;
        int64_t mtu;
        bool yes;

        g_assert_cmpint(interface_list(root, &names), ==, 0);
        g_assert_cmpuint(names.n, ==, 3);
        g_assert_cmpstr(names.items[0], ==, "br0");
        g_assert_cmpint(interface_mac(root, "eth0", &mac), ==, 0);
        g_assert_cmpstr(mac, ==, "02:00:00:00:00:01");
        g_assert_cmpint(interface_mtu(root, "eth0", &mtu), ==, 0);
        g_assert_cmpint(mtu, ==, 1500);
        g_assert_cmpint(interface_is_up(root, "eth0", &yes), ==, 0);
        g_assert_true(yes);
        g_assert_cmpint(interface_is_up(root, "lo", &yes), ==, 0);
        g_assert_false(yes);
        g_assert_cmpint(interface_is_connected(root, "lo", &yes), ==, 0);
        g_assert_false(yes);
        g_assert_cmpint(interface_is_physical(root, "eth0", &yes), ==, 0);
        g_assert_true(yes);
        free(mac);
        bus_strings_clear(&names);
}

static void test_bridges(void)
{
        BusStrings names = { 0 };

        g_assert_cmpint(bridge_list(root, &names), ==, 0);
        g_assert_cmpuint(names.n, ==, 1);
        bus_strings_clear(&names);
        g_assert_cmpint(bridge_interfaces(root, "br0", &names), ==, 0);
        g_assert_cmpuint(names.n, ==, 1);
        g_assert_cmpstr(names.items[0], ==, "eth0");
        g_assert_cmpint(bridge_interfaces(root, "eth0", &names), ==, -ENODEV);
        bus_strings_clear(&names);
}

static void test_names(void)
{
        static const char *const bad[] = {
                "", ".", "..", "../x", "eth0/device", "none", "fifteen-letters", "sixteen-letters-"
        };
        int64_t mtu;

        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_assert_false(interface_exists(root, bad[i]));
                g_assert_cmpint(interface_mtu(root, bad[i], &mtu), ==, -ENODEV);
        }
        put("eth0", "mtu", "nonsense\n");
        g_assert_cmpint(interface_mtu(root, "eth0", &mtu), ==, -EBADMSG);
}

int main(int argc, char **argv)
{
        g_autofree char *clean = NULL;
        int r;

        g_test_init(&argc, &argv, NULL);
        root = g_dir_make_tmp("test-interface-XXXXXX", NULL);
        put("eth0", "ifindex", "2\n");
        put("eth0", "address", "02:00:00:00:00:01\n");
        put("eth0", "mtu", "1500\n");
        put("eth0", "flags", "0x1003\n");
        put("eth0", "device", NULL);
        put("lo", "ifindex", "1\n");
        put("lo", "flags", "0x8\n");
        put("br0", "ifindex", "3\n");
        put("br0", "bridge", NULL);
        put("br0/brif", "eth0", NULL);
        put(".", "bonding_masters", "\n");
        g_test_add_func("/interface/interfaces", test_interfaces);
        g_test_add_func("/interface/bridges", test_bridges);
        g_test_add_func("/interface/names", test_names);
        r = g_test_run();
        clean = g_strdup_printf("rm -rf '%s'", root);
        g_assert_cmpint(system(clean), ==, 0);
        g_free(root);
        return r;
}
