/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks through their servers, as an NBD client sees them, without a kernel's device. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>
#include <libnbd.h>

#include "disk.h"
#include "sm-daemon/plugins/directory/qcow2.h"
#include "sm-daemon/test-fixture.h"

#define VDI   "5e2a6a4e-0000-4000-8000-000000000002"
#define BLOCK 4096u

typedef struct Fixture {
        char *scratch, *folder, *path, *uri;
        Disks *disks;
        Operation operation;
        DiskName name;
        char *socket; /* once attached */
} Fixture;

static void make_image(const char *path, bool qcow2, const char *backing, bool backing_is_raw)
{
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(qcow2 ? qcow2_write(fd, MIB, backing, backing_is_raw) : ftruncate(fd, MIB), ==, 0);
        close(fd);
}

static void use_image(Fixture *f, const char *format)
{
        g_autofree char *file = g_strdup_printf("%s.%s", VDI, format), *plain = NULL;

        f->path = g_build_filename(f->scratch, file, NULL);
        plain = g_filename_to_uri(f->path, NULL, NULL);
        f->uri = g_strdup_printf("%s+%s", format, plain);
        f->name.uri = f->uri;
}

static void setup(Fixture *f, gconstpointer format)
{
        f->scratch = g_dir_make_tmp("test disk,-XXXXXX", NULL);
        f->folder = g_build_filename(f->scratch, "disks", NULL);
        f->operation = test_operation();
        f->disks = disks_new(f->folder);
        if (g_getenv("SM_DISK_SERVERS") != NULL)
                g_assert_true(disks_choose_runner(f->disks, g_getenv("SM_DISK_SERVERS")));
        f->name = (DiskName){ .sr = TEST_SR, .vdi = VDI };
        use_image(f, format);
        make_image(f->path, strcmp(format, "qcow2") == 0, NULL, false);
}

static void teardown(Fixture *f, gconstpointer data)
{
        disks_free(f->disks);
        test_remove(f->scratch);
        g_free(f->scratch);
        g_free(f->folder);
        g_free(f->path);
        g_free(f->uri);
        g_free(f->socket);
}

static void attach(Fixture *f)
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

static void activate(Fixture *f, bool writable)
{
        OK(disk_activate(f->disks, &f->operation, &f->name, writable, &error));
}

static struct nbd_handle *connect_to(Fixture *f, const char *name)
{
        struct nbd_handle *nbd = nbd_create();

        g_assert_nonnull(nbd);
        g_assert_cmpint(nbd_set_export_name(nbd, name), ==, 0);
        if (nbd_connect_unix(nbd, f->socket) < 0)
                g_error("%s", nbd_get_error());
        return nbd;
}

static void put(struct nbd_handle *nbd, unsigned block, char c)
{
        char bytes[BLOCK];

        memset(bytes, c, sizeof(bytes));
        if (nbd_pwrite(nbd, bytes, sizeof(bytes), (uint64_t)block * BLOCK, 0) < 0)
                g_error("%s", nbd_get_error());
}

static char get(struct nbd_handle *nbd, unsigned block)
{
        char bytes[BLOCK];

        if (nbd_pread(nbd, bytes, sizeof(bytes), (uint64_t)block * BLOCK, 0) < 0)
                g_error("%s", nbd_get_error());
        for (size_t i = 1; i < sizeof(bytes); i++)
                g_assert_cmpint(bytes[i], ==, bytes[0]);
        return bytes[0];
}

static DiskRecord record_of(Fixture *f)
{
        g_autofree char *id = disk_record_id(TEST_SR, VDI), *folder = g_build_filename(f->folder, id, NULL);
        DiskRecord record;

        g_assert_cmpint(disk_record_load(folder, &record), ==, 0);
        return record;
}

static void kill_server(Fixture *f)
{
        DiskRecord record = record_of(f);

        g_assert_cmpint(server_kill(&record, SIGKILL, f->operation.deadline_usec), ==, 0);
        disk_record_clear(&record);
}

static bool runs(Fixture *f)
{
        DiskRecord record = record_of(f);
        int pidfd = server_find(&record);

        disk_record_clear(&record);
        if (pidfd < 0)
                return false;
        close(pidfd);
        return true;
}

static int socket_at(const char *path, struct sockaddr_un *address)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        g_strlcpy(address->sun_path, path, sizeof(address->sun_path));
        g_assert_cmpint(bind(fd, (struct sockaddr *)address, sizeof(*address)), ==, 0);
        g_assert_cmpint(listen(fd, 1), ==, 0);
        return fd;
}

static void test_life(Fixture *f, gconstpointer data)
{
        struct nbd_handle *nbd;

        FAILS(disk_activate(f->disks, &f->operation, &f->name, true, &error));
        attach(f);
        attach(f);
        g_assert_false(runs(f));
        activate(f, true);
        activate(f, true);
        g_assert_true(runs(f));
        nbd = connect_to(f, DISK_EXPORT);
        g_assert_cmpint(nbd_get_size(nbd), ==, MIB);
        g_assert_cmpint(nbd_can_trim(nbd), ==, 1);
        put(nbd, 3, 'x');
        nbd_close(nbd);
        nbd = connect_to(f, DISK_EXPORT_READ_ONLY);
        g_assert_cmpint(nbd_is_read_only(nbd), ==, 1);
        g_assert_cmpint(get(nbd, 3), ==, 'x');
        nbd_close(nbd);
        OK(disk_deactivate(f->disks, &f->operation, &f->name, &error));
        OK(disk_deactivate(f->disks, &f->operation, &f->name, &error));
        g_assert_false(runs(f));
        activate(f, false);
        nbd = connect_to(f, DISK_EXPORT);
        g_assert_cmpint(nbd_is_read_only(nbd), ==, 1);
        g_assert_cmpint(get(nbd, 3), ==, 'x');
        g_assert_cmpint(get(nbd, 4), ==, 0);
        nbd_close(nbd);
        activate(f, true);
        nbd = connect_to(f, DISK_EXPORT);
        g_assert_cmpint(nbd_is_read_only(nbd), ==, 0);
        nbd_close(nbd);
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
        g_assert_cmpint(g_rmdir(f->folder), ==, 0); /* nothing is left in it */
}

/* What was said to be written was not flushed: it is there all the same after the server was killed. */
static void test_killed(Fixture *f, gconstpointer data)
{
        struct nbd_handle *nbd;

        attach(f);
        activate(f, true);
        nbd = connect_to(f, DISK_EXPORT);
        for (unsigned i = 0; i < 64; i++)
                put(nbd, i, (char)('a' + i % 26));
        kill_server(f);
        nbd_close(nbd);
        activate(f, true);
        nbd = connect_to(f, DISK_EXPORT);
        for (unsigned i = 0; i < 64; i++)
                g_assert_cmpint(get(nbd, i), ==, 'a' + (int)(i % 26));
        nbd_close(nbd);
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
}

/* Whoever uses the kernel's device waits while its server is away, and nobody has to be asked for another. */
static void test_heals(Fixture *f, gconstpointer data)
{
        DiskRecord record;
        g_autofree char *path = NULL;
        void *bytes = aligned_alloc(BLOCK, BLOCK);
        int fd;

        attach(f);
        activate(f, true);
        record = record_of(f);
        path = g_strdup_printf("/dev/nbd%d", record.device);
        if (record.device == DISK_NO_DEVICE || g_strcmp0(g_getenv("SM_DISK_SERVERS"), "systemd") != 0) {
                g_test_skip("needs the kernel's nbd, and systemd");
        } else {
                fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
                g_assert_cmpint(fd, >=, 0);
                for (char round = 'a'; round < 'd'; round++) {
                        memset(bytes, round, BLOCK);
                        g_assert_cmpint(pwrite(fd, bytes, BLOCK, BLOCK), ==, BLOCK);
                        kill_server(f);
                        memset(bytes, 0, BLOCK);
                        g_assert_cmpint(pread(fd, bytes, BLOCK, BLOCK), ==, BLOCK);
                        g_assert_cmpint(*(char *)bytes, ==, round);
                }
                close(fd);
        }
        free(bytes);
        disk_record_clear(&record);
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
}

/* A raw disk gets its first overlay while its record has the old name. */
static void test_overlay_comes_first(Fixture *f, gconstpointer data)
{
        g_autofree char *lower = g_build_filename(f->scratch, "lower.raw", NULL),
                        *overlay = g_build_filename(f->scratch, VDI ".qcow2", NULL);
        struct nbd_handle *nbd;

        attach(f);
        activate(f, true);
        nbd = connect_to(f, DISK_EXPORT);
        put(nbd, 1, 'x');
        nbd_close(nbd);
        OK(disk_deactivate(f->disks, &f->operation, &f->name, &error));
        g_assert_cmpint(g_rename(f->path, lower), ==, 0);
        make_image(overlay, true, "lower.raw", true);
        activate(f, true);
        nbd = connect_to(f, DISK_EXPORT);
        g_assert_cmpint(get(nbd, 1), ==, 'x');
        put(nbd, 2, 'y');
        nbd_close(nbd);
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
        g_assert_cmpint(g_unlink(overlay), ==, 0);
        g_assert_cmpint(g_rename(lower, f->path), ==, 0);
        attach(f);
        activate(f, true);
        nbd = connect_to(f, DISK_EXPORT);
        g_assert_cmpint(get(nbd, 1), ==, 'x');
        g_assert_cmpint(get(nbd, 2), ==, 0);
        nbd_close(nbd);
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
}

static void test_refused(Fixture *f, gconstpointer data)
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
        attach(f);
        g_assert_cmpint(g_unlink(f->path), ==, 0);
        FAILS(disk_activate(f->disks, &f->operation, &f->name, true, &error));
        g_assert_false(runs(f));
        g_assert_cmpint(g_mkdir(f->path, 0700), ==, 0);
        FAILS(disk_activate(f->disks, &f->operation, &f->name, true, &error));
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
}

/* A record that cannot be read: the server that runs is found and ended all the same. */
static void test_damaged_record(Fixture *f, gconstpointer data)
{
        g_autofree char *record = NULL;
        DiskRecord known;

        attach(f);
        activate(f, true);
        known = record_of(f);
        record = g_build_filename(known.folder, "record.json", NULL);
        g_assert_true(g_file_set_contents(record, "{\"sr\":", -1, NULL));
        FAILS(disk_activate(f->disks, &f->operation, &f->name, true, &error));
        attach(f);
        g_assert_cmpint(server_find(&known), ==, -ESRCH);
        activate(f, true);
        g_assert_true(g_file_set_contents(record, "[]", -1, NULL));
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
        g_assert_cmpint(g_rmdir(f->folder), ==, 0);
        disk_record_clear(&known);
}

/* The server's folder is full of whatever it pleases, once somebody has taken it over. */
static void test_hostile_server(Fixture *f, gconstpointer data)
{
        g_autofree char *other = g_build_filename(f->scratch, "other.sock", NULL), *folder = NULL,
                        *socket = NULL, *pid = NULL, *deep = NULL, *record = NULL;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int listener = socket_at(other, &address), fd = -1;
        DiskRecord known;

        attach(f);
        activate(f, true);
        known = record_of(f);
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
        g_assert_true(runs(f));
        kill_server(f);
        g_assert_cmpint(g_unlink(pid), ==, 0);
        g_assert_cmpint(mkfifo(pid, 0600), ==, 0);
        g_assert_false(runs(f));
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
        g_assert_cmpint(g_rmdir(f->folder), ==, 0); /* nothing is left in it */
        close(listener);
        disk_record_clear(&known);
}

/* What the server itself may write, seen as it sees it. */
static void test_confined(Fixture *f, gconstpointer data)
{
        static const char *const hidden[] = { "/etc/passwd", "/etc/machine-id", "/root/.profile",
                                              "/run/dbus" };
        g_autofree char *root = NULL, *record = NULL, *own = NULL, *folder = NULL, *space = NULL;
        struct stat ours, its;
        DiskRecord known;

        if (g_strcmp0(g_getenv("SM_DISK_SERVERS"), "systemd") != 0) {
                g_test_skip("needs systemd");
                return;
        }
        attach(f);
        activate(f, true);
        known = record_of(f);
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
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
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
static void test_swept(Fixture *f, gconstpointer data)
{
        g_autofree char *id = disk_record_id(TEST_SR, VDI), *unit = g_strdup_printf("xapi-disk-%s", id),
                        *other = g_strdup_printf("xapi-disk-%s-other", id), *removed = NULL;
        StorageBackend backend = { 0 };
        DiskRecord known;

        if (g_strcmp0(g_getenv("SM_DISK_SERVERS"), "systemd") != 0) {
                g_test_skip("needs systemd");
                return;
        }
        systemctl("systemd-run --unit=%s sleep 600", other, true);
        systemctl("systemd-run --unit=%s sleep 600", unit, true);
        FAILS(disk_attach(f->disks, &f->operation, &f->name, &backend, &error));
        disks_sweep(f->disks, &f->operation, none_wanted, NULL);
        systemctl("systemctl is-active -q %s", unit, true);
        systemctl("systemctl stop %s", unit, true);
        attach(f);
        activate(f, true);
        known = record_of(f);
        removed = g_build_filename(known.folder, "record.json", NULL);
        g_assert_cmpint(g_unlink(removed), ==, 0);
        disks_sweep(f->disks, &f->operation, none_wanted, NULL);
        systemctl("systemctl is-active -q %s", unit, false);
        systemctl("systemctl is-active -q %s", other, true);
        systemctl("systemctl stop %s", other, true);
        disk_record_clear(&known);
}

/* Another who begins to read the disk does not end it for the one who waits while its server is dead. */
static void test_second_user(Fixture *f, gconstpointer data)
{
        void *bytes = aligned_alloc(BLOCK, BLOCK);
        g_autofree char *path = NULL;
        DiskRecord record;
        int fd = -1;

        attach(f);
        activate(f, true);
        record = record_of(f);
        if (record.device != DISK_NO_DEVICE) {
                path = g_strdup_printf("/dev/nbd%d", record.device);
                fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
                g_assert_cmpint(fd, >=, 0);
                memset(bytes, 'x', BLOCK);
                g_assert_cmpint(pwrite(fd, bytes, BLOCK, BLOCK), ==, BLOCK);
        }
        kill_server(f);
        activate(f, false);
        g_assert_true(runs(f));
        if (record.device != DISK_NO_DEVICE) {
                g_assert_cmpint(pwrite(fd, bytes, BLOCK, 2 * BLOCK), ==, BLOCK);
                close(fd);
        }
        disk_record_clear(&record);
        record = record_of(f);
        g_assert_true(record.writable);
        disk_record_clear(&record);
        free(bytes);
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
}

/* A guest's bytes that look like an image's header stay bytes. */
static void test_forged_header(Fixture *f, gconstpointer data)
{
        struct nbd_handle *nbd;
        char header[512] = { 0 };
        int fd;

        fd = open(f->path, O_RDWR | O_CLOEXEC);
        g_assert_cmpint(qcow2_write(fd, 64 * MIB, "/etc/passwd", true), ==, 0);
        g_assert_cmpint(pread(fd, header, sizeof(header), 0), ==, sizeof(header));
        close(fd);
        attach(f);
        activate(f, true);
        nbd = connect_to(f, DISK_EXPORT);
        g_assert_cmpint(nbd_get_size(nbd), <, 64 * MIB);
        g_assert_cmpint(nbd_pread(nbd, header, 4, 0, 0), ==, 0);
        g_assert_cmpint(memcmp(header, "QFI\xfb", 4), ==, 0);
        nbd_close(nbd);
        OK(disk_detach(f->disks, &f->operation, &f->name, &error));
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name, *format;
                void (*function)(Fixture *f, gconstpointer data);
        } tests[] = {
                { "/disk/raw/life", "raw", test_life },
                { "/disk/raw/killed", "raw", test_killed },
                { "/disk/raw/heals", "raw", test_heals },
                { "/disk/raw/overlay-comes-first", "raw", test_overlay_comes_first },
                { "/disk/raw/forged-header", "raw", test_forged_header },
                { "/disk/damaged-record", "raw", test_damaged_record },
                { "/disk/hostile-server", "raw", test_hostile_server },
                { "/disk/confined", "qcow2", test_confined },
                { "/disk/swept", "raw", test_swept },
                { "/disk/second-user", "raw", test_second_user },
                { "/disk/qcow2/life", "qcow2", test_life },
                { "/disk/qcow2/killed", "qcow2", test_killed },
                { "/disk/qcow2/heals", "qcow2", test_heals },
                { "/disk/refused", "raw", test_refused },
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].name, Fixture, tests[i].format, setup, tests[i].function, teardown);
        return g_test_run();
}
