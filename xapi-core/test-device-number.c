/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "device-number.h"

static void check(const char *text, int bus, int64_t disk, int64_t partition)
{
        DeviceNumber n;

        g_assert_true(device_number_parse(text, &n));
        g_assert_cmpint(n.bus, ==, bus);
        g_assert_cmpint(n.disk, ==, disk);
        g_assert_cmpint(n.partition, ==, partition);
}

static void test_names(void)
{
        check("0", DEVICE_BUS_XEN, 0, 0);
        check("254", DEVICE_BUS_XEN, 254, 0);
        check("-1", DEVICE_BUS_XEN, -1, 0);
        check("51712", DEVICE_BUS_XEN, 51712, 0);
        check("xvda", DEVICE_BUS_XEN, 0, 0);
        check("xvdp", DEVICE_BUS_XEN, 15, 0);
        check("hdd", DEVICE_BUS_IDE, 3, 0);
        check("sdb", DEVICE_BUS_SCSI, 1, 0);
        check("xvda63", DEVICE_BUS_XEN, 0, 63);
}

static void test_no_names(void)
{
        static const char *const BAD[] = {
                "",      "x",      "a",     "1.5",    "fd0", "xvdq", "xvdz",
                "xvdaa", "xvda64", "xvda0", "xvda-1", "xvd", "hd",   "99999999999999999999"
        };
        DeviceNumber n;

        for (size_t i = 0; i < G_N_ELEMENTS(BAD); i++)
                g_assert_false(device_number_parse(BAD[i], &n));
}

static void check_name(const char *userdevice, const char *name)
{
        char made[DEVICE_NAME_SIZE];
        DeviceNumber n;

        g_assert_true(device_number_parse(userdevice, &n));
        device_number_name(&n, made);
        g_assert_cmpstr(made, ==, name);
}

static void test_linux_names(void)
{
        check_name("0", "xvda");
        check_name("25", "xvdz");
        check_name("26", "xvdaa");
        check_name("254", "xvdiu");
        check_name("hdd", "hdd");
        check_name("sda1", "sda1");
        check_name("-1", "");
        check_name("9223372036854775807", "");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/device-number/names", test_names);
        g_test_add_func("/device-number/no-names", test_no_names);
        g_test_add_func("/device-number/linux-names", test_linux_names);
        return g_test_run();
}
