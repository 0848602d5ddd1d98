/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <unistd.h>

#include <glib.h>

#include "sysfs.h"

static char *root;

static void make_device(const char *name, const char *device, const char *bus)
{
        g_autofree char *folder = g_build_filename(root, "devices", device, NULL),
                        *subsystem = g_build_filename(folder, "subsystem", NULL),
                        *target = g_build_filename("..", "bus", bus, NULL),
                        *interface = g_build_filename(root, name, NULL),
                        *link = g_build_filename(interface, "device", NULL);

        g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
        g_assert_cmpint(g_mkdir_with_parents(interface, 0755), ==, 0);
        g_assert_cmpint(symlink(target, subsystem), ==, 0);
        g_assert_cmpint(symlink(folder, link), ==, 0);
}

static void check(const char *name, bool physical, const char *path)
{
        char *found = sysfs_pci_path(root, name);

        g_assert_cmpstr(found, ==, path);
        g_assert_true(sysfs_is_physical(root, name) == physical);
        free(found);
}

static void test_devices(void)
{
        make_device("eth0", "0000:03:00.0", "pci");
        make_device("eth1", "virtio0", "virtio");
        make_device("vif1.0", "vif-1-0", "xen-backend");
        check("eth0", true, "0000:03:00.0");
        check("eth1", true, "");
        check("vif1.0", false, "");
        check("lo", false, "");
        check("../eth0", false, "");
        check("", false, "");
        check(".", false, "");
}

int main(int argc, char **argv)
{
        g_autofree char *clean = NULL;
        int r;

        g_test_init(&argc, &argv, NULL);
        root = g_dir_make_tmp("test-sysfs-XXXXXX", NULL);
        g_test_add_func("/sysfs/devices", test_devices);
        r = g_test_run();
        clean = g_strdup_printf("rm -rf '%s'", root);
        g_assert_cmpint(system(clean), ==, 0);
        g_free(root);
        return r;
}
