/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks through the kernel's devices; where it has none, less is asked. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk-fixture.h"

/* Whoever uses the kernel's device waits while its server is away, and nobody has to be asked for another. */
static void test_heals(DiskFixture *f, gconstpointer data)
{
        void *bytes = aligned_alloc(BLOCK, BLOCK);
        int fd;

        disk_fixture_attach(f);
        disk_fixture_activate(f, true);
        fd = disk_fixture_device(f);
        if (fd < 0 || !disk_fixture_systemd())
                g_test_skip("needs the kernel's nbd, and systemd");
        for (char round = 'a'; fd >= 0 && disk_fixture_systemd() && round < 'd'; round++) {
                memset(bytes, round, BLOCK);
                g_assert_cmpint(pwrite(fd, bytes, BLOCK, BLOCK), ==, BLOCK);
                disk_fixture_kill(f);
                memset(bytes, 0, BLOCK);
                g_assert_cmpint(pread(fd, bytes, BLOCK, BLOCK), ==, BLOCK);
                g_assert_cmpint(*(char *)bytes, ==, round);
        }
        if (fd >= 0)
                close(fd);
        free(bytes);
        disk_fixture_detach(f);
}

/* Another who begins to read the disk does not end it for the one who waits while its server is dead. */
static void test_second_user(DiskFixture *f, gconstpointer data)
{
        void *bytes = aligned_alloc(BLOCK, BLOCK);
        DiskRecord record;
        int fd;

        disk_fixture_attach(f);
        disk_fixture_activate(f, true);
        fd = disk_fixture_device(f);
        memset(bytes, 'x', BLOCK);
        if (fd >= 0)
                g_assert_cmpint(pwrite(fd, bytes, BLOCK, BLOCK), ==, BLOCK);
        disk_fixture_kill(f);
        disk_fixture_activate(f, false);
        g_assert_true(disk_fixture_runs(f));
        if (fd >= 0) {
                g_assert_cmpint(pwrite(fd, bytes, BLOCK, 2 * BLOCK), ==, BLOCK);
                close(fd);
        }
        record = disk_fixture_record(f);
        g_assert_true(record.writable);
        disk_record_clear(&record);
        free(bytes);
        disk_fixture_detach(f);
}

int main(int argc, char **argv)
{
        static const DiskTest tests[] = {
                { "/device/raw/heals", "raw", test_heals },
                { "/device/qcow2/heals", "qcow2", test_heals },
                { "/device/second-user", "raw", test_second_user },
        };

        return disk_fixture_run(argc, argv, tests, G_N_ELEMENTS(tests));
}
