/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a disk's server that somebody has taken over cannot do, nor who names a unit or an image as ours are. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "disk-fixture.h"
#include "sm-daemon/plugins/directory/qcow2.h"

static int socket_at(const char *path, struct sockaddr_un *address)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        g_strlcpy(address->sun_path, path, sizeof(address->sun_path));
        g_assert_cmpint(bind(fd, (struct sockaddr *)address, sizeof(*address)), ==, 0);
        g_assert_cmpint(listen(fd, 1), ==, 0);
        return fd;
}

/* The server's folder is full of whatever it pleases, once somebody has taken it over. */
static void test_hostile_server(DiskFixture *f, gconstpointer data)
{
        g_autofree char *other = g_build_filename(f->scratch, "other.sock", NULL), *folder = NULL,
                        *socket = NULL, *pid = NULL, *deep = NULL, *record = NULL;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int listener = socket_at(other, &address), fd = -1;
        DiskRecord known;

        disk_fixture_attach(f);
        disk_fixture_activate(f, true);
        known = disk_fixture_record(f);
        folder = disk_server_folder(&known);
        socket = disk_server_file(&known, DISK_SOCKET);
        pid = disk_server_file(&known, DISK_PID);
        record = disk_server_file(&known, "record.json");
        deep = disk_server_file(&known, "a/b/c");
        /* What others act on is not there. */
        g_assert_false(g_file_test(record, G_FILE_TEST_EXISTS));
        g_assert_true(g_file_set_contents(record, "{}", -1, NULL));
        g_assert_cmpint(g_mkdir_with_parents(deep, 0700), ==, 0);
        /* Nobody is sent to another's server. */
        OK(disk_open(f->disks, &f->name, &fd, &error));
        close(fd);
        g_assert_cmpint(g_unlink(socket), ==, 0);
        g_assert_cmpint(symlink(other, socket), ==, 0);
        FAILS(disk_open(f->disks, &f->name, &fd, &error));
        g_assert_cmpint(accept4(listener, NULL, NULL, SOCK_NONBLOCK), ==, -1);
        /* Nor is anything else read, waited for or killed. */
        g_assert_true(disk_fixture_runs(f));
        disk_fixture_kill(f);
        g_assert_cmpint(g_unlink(pid), ==, 0);
        g_assert_cmpint(mkfifo(pid, 0600), ==, 0);
        g_assert_false(disk_fixture_runs(f));
        disk_fixture_detach(f);
        g_assert_cmpint(g_rmdir(f->folder), ==, 0); /* nothing is left in it */
        close(listener);
        disk_record_clear(&known);
}

/* What the server itself may write, seen as it sees it. */
static void test_confined(DiskFixture *f, gconstpointer data)
{
        static const char *const hidden[] = { "/etc/passwd", "/etc/machine-id", "/root/.profile",
                                              "/run/dbus" };
        g_autofree char *root = NULL, *record = NULL, *own = NULL, *folder = NULL, *space = NULL;
        struct stat ours, its;
        DiskRecord known;

        if (!disk_fixture_systemd()) {
                g_test_skip("needs systemd");
                return;
        }
        disk_fixture_attach(f);
        disk_fixture_activate(f, true);
        known = disk_fixture_record(f);
        root = g_strdup_printf("/proc/%d/root", (int)server_pid(&known));
        space = g_strdup_printf("/proc/%d/ns/user", (int)server_pid(&known));
        record = g_strconcat(root, known.folder, "/record.json", NULL);
        folder = disk_server_folder(&known);
        own = g_strconcat(root, folder, "/file", NULL);
        g_assert_cmpint(open(record, O_RDWR | O_CLOEXEC), ==, -1);
        g_assert_cmpint(errno, ==, EROFS);
        g_assert_true(g_file_set_contents(own, "", -1, NULL));
        for (size_t i = 0; i < G_N_ELEMENTS(hidden); i++) {
                g_autofree char *path = g_strconcat(root, hidden[i], NULL);

                g_assert_true(g_file_test(hidden[i], G_FILE_TEST_EXISTS));
                g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
        }
        g_assert_cmpint(stat("/proc/self/ns/user", &ours), ==, 0);
        g_assert_cmpint(stat(space, &its), ==, 0);
        g_assert_cmpuint(ours.st_ino, !=, its.st_ino);
        disk_fixture_detach(f);
        disk_record_clear(&known);
}

static bool none_wanted(const char *id, const char *sr, void *data)
{
        return false;
}

static void systemctl(const char *format, const char *unit, bool succeeds)
{
        g_autofree char *command = g_strdup_printf(format, unit);

        g_assert_cmpint(system(command) == 0, ==, succeeds);
}

/* Units that somebody else has named as ours are. */
static void test_swept(DiskFixture *f, gconstpointer data)
{
        g_autofree char *id = disk_record_id(TEST_SR, VDI), *unit = g_strdup_printf("xapi-disk-%s", id),
                        *other = g_strdup_printf("xapi-disk-%s-other", id), *removed = NULL;
        StorageBackend backend = { 0 };
        DiskRecord known;

        if (!disk_fixture_systemd()) {
                g_test_skip("needs systemd");
                return;
        }
        systemctl("systemd-run --unit=%s sleep 600", other, true);
        systemctl("systemd-run --unit=%s sleep 600", unit, true);
        FAILS(disk_attach(f->disks, &f->operation, &f->name, &backend, &error));
        disks_sweep(f->disks, &f->operation, none_wanted, NULL);
        systemctl("systemctl is-active -q %s", unit, true);
        systemctl("systemctl stop %s", unit, true);
        disk_fixture_attach(f);
        disk_fixture_activate(f, true);
        known = disk_fixture_record(f);
        removed = g_build_filename(known.folder, "record.json", NULL);
        g_assert_cmpint(g_unlink(removed), ==, 0);
        disks_sweep(f->disks, &f->operation, none_wanted, NULL);
        systemctl("systemctl is-active -q %s", unit, false);
        systemctl("systemctl is-active -q %s", other, true);
        systemctl("systemctl stop %s", other, true);
        disk_record_clear(&known);
}

/* A guest's bytes that look like an image's header stay bytes. */
static void test_forged_header(DiskFixture *f, gconstpointer data)
{
        struct nbd_handle *nbd;
        char header[512] = { 0 };
        int fd;

        fd = open(f->path, O_RDWR | O_CLOEXEC);
        g_assert_cmpint(qcow2_write(fd, 64 * MIB, "/etc/passwd", true), ==, 0);
        g_assert_cmpint(pread(fd, header, sizeof(header), 0), ==, sizeof(header));
        close(fd);
        disk_fixture_attach(f);
        disk_fixture_activate(f, true);
        nbd = disk_fixture_connect(f, DISK_EXPORT);
        g_assert_cmpint(nbd_get_size(nbd), <, 64 * MIB);
        g_assert_cmpint(nbd_pread(nbd, header, 4, 0, 0), ==, 0);
        g_assert_cmpint(memcmp(header, "QFI\xfb", 4), ==, 0);
        nbd_close(nbd);
        disk_fixture_detach(f);
}

int main(int argc, char **argv)
{
        static const DiskTest tests[] = {
                { "/confined/hostile-server", "raw", test_hostile_server },
                { "/confined/folders", "qcow2", test_confined },
                { "/confined/swept", "raw", test_swept },
                { "/confined/forged-header", "raw", test_forged_header },
        };

        return disk_fixture_run(argc, argv, tests, G_N_ELEMENTS(tests));
}
