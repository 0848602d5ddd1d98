/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk-fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "sm-daemon/plugins/directory/qcow2.h"

void disk_fixture_image(const char *path, bool qcow2, const char *backing, bool backing_is_raw)
{
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(qcow2 ? qcow2_write(fd, MIB, backing, backing_is_raw) : ftruncate(fd, MIB), ==, 0);
        close(fd);
}

static void use_image(DiskFixture *f, const char *format)
{
        g_autofree char *file = g_strdup_printf("%s.%s", VDI, format), *plain = NULL;

        f->path = g_build_filename(f->scratch, file, NULL);
        plain = g_filename_to_uri(f->path, NULL, NULL);
        f->uri = g_strdup_printf("%s+%s", format, plain);
        f->name.uri = f->uri;
}

static void setup(DiskFixture *f, gconstpointer format)
{
        f->scratch = g_dir_make_tmp("test disk,-XXXXXX", NULL);
        f->folder = g_build_filename(f->scratch, "disks", NULL);
        f->operation = test_operation();
        f->disks = disks_new(f->folder);
        if (g_getenv("SM_DISK_SERVERS") != NULL)
                g_assert_true(disks_choose_runner(f->disks, g_getenv("SM_DISK_SERVERS")));
        f->name = (DiskName){ .sr = TEST_SR, .vdi = VDI };
        use_image(f, format);
        disk_fixture_image(f->path, strcmp(format, "qcow2") == 0, NULL, false);
}

static void teardown(DiskFixture *f, gconstpointer data)
{
        disks_free(f->disks);
        test_remove(f->scratch);
        g_free(f->scratch);
        g_free(f->folder);
        g_free(f->path);
        g_free(f->uri);
        g_free(f->socket);
}

void disk_fixture_attach(DiskFixture *f)
{
        StorageBackend backend = { 0 };
        const char *uri = NULL;

        OK(disk_attach(f->disks, &f->operation, &f->name, &backend, &error));
        for (size_t i = 0; i < backend.implementations.n; i++)
                if (backend.implementations.items[i].tag == STORAGE_IMPLEMENTATION_NBD)
                        uri = backend.implementations.items[i].nbd.uri;
        g_assert_nonnull(uri);
        g_assert_true(g_str_has_prefix(uri, "nbd:unix:"));
        g_assert_true(g_str_has_suffix(uri, ":exportname=" DISK_EXPORT));
        g_free(f->socket);
        f->socket = g_strndup(uri + strlen("nbd:unix:"),
                              strlen(uri) - strlen("nbd:unix:") - strlen(":exportname=" DISK_EXPORT));
        storage_backend_clear(&backend);
}

void disk_fixture_activate(DiskFixture *f, bool writable)
{
        OK(disk_activate(f->disks, &f->operation, &f->name, writable, &error));
}

struct nbd_handle *disk_fixture_connect(DiskFixture *f, const char *name)
{
        struct nbd_handle *nbd = nbd_create();

        g_assert_nonnull(nbd);
        g_assert_cmpint(nbd_set_export_name(nbd, name), ==, 0);
        if (nbd_connect_unix(nbd, f->socket) < 0)
                g_error("%s", nbd_get_error());
        return nbd;
}

void disk_fixture_put(struct nbd_handle *nbd, unsigned block, char c)
{
        char bytes[BLOCK];

        memset(bytes, c, sizeof(bytes));
        if (nbd_pwrite(nbd, bytes, sizeof(bytes), (uint64_t)block * BLOCK, 0) < 0)
                g_error("%s", nbd_get_error());
}

char disk_fixture_get(struct nbd_handle *nbd, unsigned block)
{
        char bytes[BLOCK];

        if (nbd_pread(nbd, bytes, sizeof(bytes), (uint64_t)block * BLOCK, 0) < 0)
                g_error("%s", nbd_get_error());
        for (size_t i = 1; i < sizeof(bytes); i++)
                g_assert_cmpint(bytes[i], ==, bytes[0]);
        return bytes[0];
}

DiskRecord disk_fixture_record(DiskFixture *f)
{
        g_autofree char *id = disk_record_id(TEST_SR, VDI), *folder = g_build_filename(f->folder, id, NULL);
        DiskRecord record;

        g_assert_cmpint(disk_record_load(folder, &record), ==, 0);
        return record;
}

void disk_fixture_kill(DiskFixture *f)
{
        DiskRecord record = disk_fixture_record(f);

        g_assert_cmpint(server_kill(&record, SIGKILL, f->operation.deadline_usec), ==, 0);
        disk_record_clear(&record);
}

bool disk_fixture_runs(DiskFixture *f)
{
        DiskRecord record = disk_fixture_record(f);
        int pidfd = server_find(&record);

        disk_record_clear(&record);
        if (pidfd < 0)
                return false;
        close(pidfd);
        return true;
}

bool disk_fixture_systemd(void)
{
        return g_strcmp0(g_getenv("SM_DISK_SERVERS"), "systemd") == 0;
}

int disk_fixture_device(DiskFixture *f)
{
        DiskRecord record = disk_fixture_record(f);
        g_autofree char *path = g_strdup_printf("/dev/nbd%d", record.device);
        int fd = -1;

        if (record.device != DISK_NO_DEVICE) {
                fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
                g_assert_cmpint(fd, >=, 0);
        }
        disk_record_clear(&record);
        return fd;
}

void disk_fixture_detach(DiskFixture *f)
{
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
}

int disk_fixture_run(int argc, char **argv, const DiskTest *tests, size_t n)
{
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < n; i++)
                g_test_add(tests[i].name, DiskFixture, tests[i].format, setup, tests[i].function, teardown);
        return g_test_run();
}
