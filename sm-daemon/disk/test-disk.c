/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks through their servers, as an NBD client sees them, without a kernel's device. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "disk-fixture.h"

static void test_life(DiskFixture *f, gconstpointer data)
{
        struct nbd_handle *nbd;

        FAILS(disk_activate(f->disks, &f->operation, &f->name, true, &error));
        disk_fixture_attach(f);
        disk_fixture_attach(f);
        g_assert_false(disk_fixture_runs(f));
        disk_fixture_activate(f, true);
        disk_fixture_activate(f, true);
        g_assert_true(disk_fixture_runs(f));
        nbd = disk_fixture_connect(f, DISK_EXPORT);
        g_assert_cmpint(nbd_get_size(nbd), ==, MIB);
        g_assert_cmpint(nbd_can_trim(nbd), ==, 1);
        disk_fixture_put(nbd, 3, 'x');
        nbd_close(nbd);
        nbd = disk_fixture_connect(f, DISK_EXPORT_READ_ONLY);
        g_assert_cmpint(nbd_is_read_only(nbd), ==, 1);
        g_assert_cmpint(disk_fixture_get(nbd, 3), ==, 'x');
        nbd_close(nbd);
        OK(disk_deactivate(f->disks, &f->operation, &f->name, &error));
        OK(disk_deactivate(f->disks, &f->operation, &f->name, &error));
        g_assert_false(disk_fixture_runs(f));
        disk_fixture_activate(f, false);
        nbd = disk_fixture_connect(f, DISK_EXPORT);
        g_assert_cmpint(nbd_is_read_only(nbd), ==, 1);
        g_assert_cmpint(disk_fixture_get(nbd, 3), ==, 'x');
        g_assert_cmpint(disk_fixture_get(nbd, 4), ==, 0);
        nbd_close(nbd);
        disk_fixture_activate(f, true);
        nbd = disk_fixture_connect(f, DISK_EXPORT);
        g_assert_cmpint(nbd_is_read_only(nbd), ==, 0);
        nbd_close(nbd);
        disk_fixture_detach(f);
        disk_fixture_detach(f);
        g_assert_cmpint(g_rmdir(f->folder), ==, 0); /* nothing is left in it */
}

/* What was said to be written was not flushed: it is there all the same after the server was killed. */
static void test_killed(DiskFixture *f, gconstpointer data)
{
        struct nbd_handle *nbd;

        disk_fixture_attach(f);
        disk_fixture_activate(f, true);
        nbd = disk_fixture_connect(f, DISK_EXPORT);
        for (unsigned i = 0; i < 64; i++)
                disk_fixture_put(nbd, i, (char)('a' + i % 26));
        disk_fixture_kill(f);
        nbd_close(nbd);
        disk_fixture_activate(f, true);
        nbd = disk_fixture_connect(f, DISK_EXPORT);
        for (unsigned i = 0; i < 64; i++)
                g_assert_cmpint(disk_fixture_get(nbd, i), ==, 'a' + (int)(i % 26));
        nbd_close(nbd);
        disk_fixture_detach(f);
}

/* A raw disk gets its first overlay while its record has the old name. */
static void test_overlay_comes_first(DiskFixture *f, gconstpointer data)
{
        g_autofree char *lower = g_build_filename(f->scratch, "lower.raw", NULL),
                        *overlay = g_build_filename(f->scratch, VDI ".qcow2", NULL);
        struct nbd_handle *nbd;

        disk_fixture_attach(f);
        disk_fixture_activate(f, true);
        nbd = disk_fixture_connect(f, DISK_EXPORT);
        disk_fixture_put(nbd, 1, 'x');
        nbd_close(nbd);
        OK(disk_deactivate(f->disks, &f->operation, &f->name, &error));
        g_assert_cmpint(g_rename(f->path, lower), ==, 0);
        disk_fixture_image(overlay, true, "lower.raw", true);
        disk_fixture_activate(f, true);
        nbd = disk_fixture_connect(f, DISK_EXPORT);
        g_assert_cmpint(disk_fixture_get(nbd, 1), ==, 'x');
        disk_fixture_put(nbd, 2, 'y');
        nbd_close(nbd);
        disk_fixture_detach(f);
        g_assert_cmpint(g_unlink(overlay), ==, 0);
        g_assert_cmpint(g_rename(lower, f->path), ==, 0);
        disk_fixture_attach(f);
        disk_fixture_activate(f, true);
        nbd = disk_fixture_connect(f, DISK_EXPORT);
        g_assert_cmpint(disk_fixture_get(nbd, 1), ==, 'x');
        g_assert_cmpint(disk_fixture_get(nbd, 2), ==, 0);
        nbd_close(nbd);
        disk_fixture_detach(f);
}

static void test_refused(DiskFixture *f, gconstpointer data)
{
        static const char *const uris[] = { "raw+file://x/y", "raw+file:",         "qcow2+nbd:///a",
                                            "file:///a",      "qcow2+file:///%zz", "" };
        StorageBackend backend = { 0 };

        for (size_t i = 0; i < G_N_ELEMENTS(uris); i++) {
                g_assert_false(layer_uri_served(uris[i]));
                f->name.uri = uris[i];
                FAILS(disk_attach(f->disks, &f->operation, &f->name, &backend, &error));
        }
        f->name.uri = f->uri;
        disk_fixture_attach(f);
        g_assert_cmpint(g_unlink(f->path), ==, 0);
        FAILS(disk_activate(f->disks, &f->operation, &f->name, true, &error));
        g_assert_false(disk_fixture_runs(f));
        g_assert_cmpint(g_mkdir(f->path, 0700), ==, 0);
        FAILS(disk_activate(f->disks, &f->operation, &f->name, true, &error));
        disk_fixture_detach(f);
}

/* A record that cannot be read: the server that runs is found and ended all the same. */
static void test_damaged_record(DiskFixture *f, gconstpointer data)
{
        g_autofree char *record = NULL;
        DiskRecord known;

        disk_fixture_attach(f);
        disk_fixture_activate(f, true);
        known = disk_fixture_record(f);
        record = g_build_filename(known.folder, "record.json", NULL);
        g_assert_true(g_file_set_contents(record, "{\"sr\":", -1, NULL));
        FAILS(disk_activate(f->disks, &f->operation, &f->name, true, &error));
        disk_fixture_attach(f);
        g_assert_cmpint(server_find(&known), ==, -ESRCH);
        disk_fixture_activate(f, true);
        g_assert_true(g_file_set_contents(record, "[]", -1, NULL));
        disk_fixture_detach(f);
        g_assert_cmpint(g_rmdir(f->folder), ==, 0);
        disk_record_clear(&known);
}

/* How the server has the image open: the flags of open(2), as the kernel shows them (proc(5)). */
static unsigned long image_flags(DiskFixture *f)
{
        DiskRecord record = disk_fixture_record(f);
        g_autofree char *folder = g_strdup_printf("/proc/%d/fd", server_pid(&record));
        g_autoptr(GDir) fds = g_dir_open(folder, 0, NULL);
        const char *fd;

        disk_record_clear(&record);
        g_assert_nonnull(fds);
        while ((fd = g_dir_read_name(fds))) {
                g_autofree char *link = g_build_filename(folder, fd, NULL),
                                *path = g_file_read_link(link, NULL);
                g_autofree char *info = g_strconcat(folder, "info/", fd, NULL), *text = NULL;

                if (g_strcmp0(path, f->path) != 0)
                        continue;
                g_assert_true(g_file_get_contents(info, &text, NULL, NULL));
                g_assert_nonnull(strstr(text, "flags:"));
                return strtoul(strstr(text, "flags:") + strlen("flags:"), NULL, 8);
        }
        g_assert_not_reached();
}

/* No write of a raw image's waits in the page cache, from where it could be lost without the guest being told. */
static void test_no_cache(DiskFixture *f, gconstpointer data)
{
        int fd = open(f->path, O_RDWR | O_DIRECT | O_CLOEXEC);

        if (fd < 0) {
                g_test_skip("the file system of the test has nothing but its cache");
                return;
        }
        close(fd);
        disk_fixture_attach(f);
        disk_fixture_activate(f, true);
        g_assert_cmpuint(image_flags(f) & (O_RDWR | O_DIRECT), ==, O_RDWR | O_DIRECT);
        disk_fixture_detach(f);
}

int main(int argc, char **argv)
{
        static const DiskTest tests[] = {
                { "/disk/raw/life", "raw", test_life },
                { "/disk/raw/killed", "raw", test_killed },
                { "/disk/raw/no-cache", "raw", test_no_cache },
                { "/disk/raw/overlay-comes-first", "raw", test_overlay_comes_first },
                { "/disk/damaged-record", "raw", test_damaged_record },
                { "/disk/qcow2/life", "qcow2", test_life },
                { "/disk/qcow2/killed", "qcow2", test_killed },
                { "/disk/refused", "raw", test_refused },
        };

        return disk_fixture_run(argc, argv, tests, G_N_ELEMENTS(tests));
}
