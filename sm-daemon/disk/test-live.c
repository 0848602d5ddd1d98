/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks that change under a client that writes: snapshots, more room, servers killed. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "live-fixture.h"
#include "message-switch/lib/loop.h"
#include "sm-daemon/sr.h"
#include "sm-daemon/vdi.h"

static void test_snapshots(Fixture *f, gconstpointer data)
{
        enum { N = 5 };
        unsigned before[N], after[N], end;
        char *snapshots[N];

        f->socket = fixture_use(f, f->vdi, "guest", true);
        writer_start(f);
        for (unsigned i = 0; i < N; i++) {
                writer_advance(f, 100);
                before[i] = f->writer.done;
                snapshots[i] = fixture_snapshot(f);
                after[i] = f->writer.done + 1; /* one may be under way */
        }
        writer_advance(f, 100);
        writer_stop(f);
        end = f->writer.done;
        fixture_check(f->socket, end, end);
        for (unsigned i = 0; i < N; i++)
                fixture_check_volume(f, snapshots[i], before[i], after[i]);
        fixture_leave(f, "guest");
        fixture_check_volume(f, f->vdi, end, end);
        for (unsigned i = 0; i < N; i++) {
                OK(vdi_destroy(f->manager, &f->operation, TEST_SR, snapshots[i], &error));
                free(snapshots[i]);
        }
}

static void test_killed(Fixture *f, gconstpointer data)
{
        g_autofree char *taken = NULL;
        unsigned before, after;

        f->socket = fixture_use(f, f->vdi, "guest", true);
        writer_start(f);
        for (unsigned i = 0; i < 3; i++) {
                writer_advance(f, 50);
                fixture_kill_server(f);
        }
        before = f->writer.done;
        taken = fixture_snapshot(f);
        after = f->writer.done + 1;
        for (unsigned i = 0; i < 3; i++) {
                writer_advance(f, 50);
                fixture_kill_server(f);
        }
        writer_advance(f, 50);
        writer_stop(f);
        fixture_check(f->socket, f->writer.done, f->writer.done);
        fixture_check_volume(f, taken, before, after);
        fixture_leave(f, "guest");
        fixture_check_volume(f, f->vdi, f->writer.done, f->writer.done);
}

/* The kernel gives up a server that stands still, and waits for another. The old one writes nothing late. */
static void test_stalled(Fixture *f, gconstpointer data)
{
        DiskRecord record;

        f->socket = fixture_use(f, f->vdi, "guest", true);
        record = fixture_record(f);
        if (record.device == DISK_NO_DEVICE) {
                g_test_skip("no network block devices in this kernel");
        } else {
                int pidfd = server_find(&record);

                writer_start(f);
                writer_advance(f, 50);
                g_assert_cmpint(pidfd_send_signal(pidfd, SIGSTOP, NULL, 0), ==, 0);
                writer_advance(f, 50);
                g_assert_cmpint(pidfd_send_signal(pidfd, SIGCONT, NULL, 0), ==, -1);
                close(pidfd);
                writer_stop(f);
                fixture_check(f->socket, f->writer.done, f->writer.done);
        }
        disk_record_clear(&record);
        fixture_leave(f, "guest");
}

/* sm-daemon dies after the plugin has put the overlay on the disk's name, and before the server has been told. */
static void test_snapshot_cut_short(Fixture *f, gconstpointer data)
{
        SmapiError *failed = NULL;
        SmapiVolume made;
        unsigned before, after;
        Use used;

        f->socket = fixture_use(f, f->vdi, "guest", true);
        writer_start(f);
        writer_advance(f, 100);
        before = f->writer.done;
        OK(use_begin(&used, f->manager, &f->operation, USE_VOLUME, TEST_SR, f->vdi, &error));
        g_assert_true(smapi_volume_snapshot(&used.caller.caller, 0, "", use_handle(&used), f->vdi, "s", "",
                                            &(BusDict){ 0 }, &made, &failed));
        use_end(&used);
        writer_advance(f, 100);
        fixture_stop(f);
        writer_advance(f, 100);
        fixture_start(f);
        settle_stop(&f->settle); /* when it has done what it was to do */
        after = f->writer.done + 1;
        writer_advance(f, 100);
        writer_stop(f);
        fixture_check(f->socket, f->writer.done, f->writer.done);
        fixture_check_volume(f, made.key, before, after);
        fixture_leave(f, "guest");
        fixture_check_volume(f, f->vdi, f->writer.done, f->writer.done);
        smapi_volume_clear(&made);
        manager_free(f->manager);
        fixture_start(f);
}

/* The caller's time is up when the plugin has put the overlay on the disk's name: the guest's disk goes on all the same. */
static void test_snapshot_late(Fixture *f, gconstpointer data)
{
        const Operation late = { .dbg = "test", .deadline_usec = clock_usec() };
        DiskName name = { .sr = TEST_SR, .vdi = f->vdi };

        f->socket = fixture_use(f, f->vdi, "guest", true);
        writer_start(f);
        writer_advance(f, 50);
        OK(disk_follow(f->manager->disks, &late, &name, &error));
        writer_advance(f, 50);
        writer_stop(f);
        fixture_check(f->socket, f->writer.done, f->writer.done);
        fixture_leave(f, "guest");
}

/* The one volume that has been made of the disk. Owned (free). */
static char *only_copy(Fixture *f)
{
        StorageVdiInfoList found = { 0 };
        char *vdi = NULL;

        OK(sr_scan(f->manager, &f->operation, TEST_SR, &found, &error));
        for (size_t i = 0; i < found.n; i++)
                if (strcmp(found.items[i].vdi, f->vdi) != 0)
                        vdi = strdup(found.items[i].vdi);
        g_assert_cmpuint(found.n, ==, 2);
        storage_vdi_info_list_clear(&found);
        return vdi;
}

static char *script_after(const char *method, const char *then)
{
        return g_strdup_printf("'%s/volume/org.xen.xapi.storage.file/%s' \"$@\" >/dev/null || exit 1\n%s",
                               g_getenv("SM_PLUGINS"), method, then);
}

/* A copy is there when the plugin fails, late: what it holds is of one moment, as of any other. */
static void fails_late(Fixture *f, const Operation *operation)
{
        StorageVdiInfo info = { .vdi = f->vdi, .name_label = (char *)"late", .persistent = true },
                       made = { 0 };
        unsigned before, after;
        char *copy;

        f->socket = fixture_use(f, f->vdi, "guest", true);
        writer_start(f);
        writer_advance(f, 100);
        before = f->writer.done;
        FAILS(vdi_snapshot(f->manager, operation, TEST_SR, &info, &made, &error));
        after = f->writer.done + 1;
        writer_advance(f, 100);
        writer_stop(f);
        copy = only_copy(f);
        fixture_check_volume(f, copy, before, after);
        fixture_check(f->socket, f->writer.done, f->writer.done);
        fixture_leave(f, "guest");
        free(copy);
}

static void test_snapshot_fails(Fixture *f, gconstpointer data)
{
        g_autofree char *script =
            script_after("Volume.snapshot", "echo '{\"code\":\"x\",\"params\":[]}'; exit 1");

        test_plugin_script(f->plugin, "Volume.snapshot", script);
        fails_late(f, &f->operation);
}

static bool is_there(void *data)
{
        return g_file_test(data, G_FILE_TEST_EXISTS);
}

/* Nobody waits any longer, when the plugin has done all of it but for saying so. */
static void test_snapshot_cancelled(Fixture *f, gconstpointer data)
{
        g_autofree char *marker = g_build_filename(f->scratch, "marker", NULL),
                        *then = g_strdup_printf("touch '%s'; exec sleep 600", marker),
                        *script = script_after("Volume.snapshot", then);
        Operation operation = f->operation;

        operation.unwanted = is_there;
        operation.unwanted_data = marker;
        test_plugin_script(f->plugin, "Volume.snapshot", script);
        fails_late(f, &operation);
}

static void spoil(Fixture *f, const char *name)
{
        g_autofree char *path = g_build_filename(f->records, TEST_SR, name, NULL);

        g_assert_true(g_file_set_contents(path, "{\"sr\":1,\n", -1, NULL));
}

static int server_of(Fixture *f)
{
        DiskRecord record = fixture_record(f);
        int pid = server_pid(&record);

        g_assert_cmpint(pid, >, 0);
        disk_record_clear(&record);
        return pid;
}

/* What tells of the repository, or of its volumes, cannot be read: the guest goes on, and when the repository is attached
 * again, what uses its disk is known again. */
static void test_damaged_repository(Fixture *f, gconstpointer data)
{
        g_autofree char *location = g_build_filename(f->scratch, "sr", NULL);
        StorageVdiInfoList found = { 0 };
        BusDict config = { 0 };
        int pid;

        f->socket = fixture_use(f, f->vdi, "guest", true);
        pid = server_of(f);
        writer_start(f);
        fixture_stop(f);
        spoil(f, "repository.json");
        fixture_start(f);
        g_assert_cmpint(server_of(f), ==, pid);
        writer_advance(f, 50);
        FAILS_AS(sr_scan(f->manager, &f->operation, TEST_SR, &found, &error), STORAGE_ERROR_SR_NOT_ATTACHED);
        bus_dict_set(&config, "location", location);
        OK(sr_attach(f->manager, &f->operation, "file", TEST_SR, &config, &error));
        bus_dict_clear(&config);
        free(fixture_snapshot(f));
        writer_advance(f, 50);
        fixture_stop(f);
        spoil(f, "volumes");
        fixture_start(f);
        g_assert_cmpint(server_of(f), ==, pid);
        writer_advance(f, 50);
        writer_stop(f);
        fixture_check(f->socket, f->writer.done, f->writer.done);
        g_free(fixture_use(f, f->vdi, "guest", true));
        fixture_leave(f, "guest");
}

static void test_damaged_disk(Fixture *f, gconstpointer data)
{
        DiskRecord before, after;
        g_autofree char *path = NULL;
        int pid;

        f->socket = fixture_use(f, f->vdi, "guest", true);
        before = fixture_record(f);
        path = g_build_filename(before.folder, "record.json", NULL);
        pid = server_of(f);
        writer_start(f);
        fixture_stop(f);
        g_assert_true(g_file_set_contents(path, "[", -1, NULL));
        fixture_start(f);
        settle_stop(&f->settle); /* when it has done what it was to do */
        after = fixture_record(f);
        g_assert_cmpint(server_of(f), ==, pid);
        g_assert_cmpstr(after.path, ==, before.path);
        g_assert_cmpint(after.device, ==, before.device);
        g_assert_true(after.active && after.writable && !after.held);
        writer_advance(f, 50);
        manager_free(f->manager);
        fixture_start(f);
        fixture_kill_server(f);
        writer_advance(f, 50);
        writer_stop(f);
        fixture_check(f->socket, f->writer.done, f->writer.done);
        fixture_leave(f, "guest");
        disk_record_clear(&before);
        disk_record_clear(&after);
}

/* What the guest uses is open, and goes on being used, while it has no name. */
static void test_image_away(Fixture *f, gconstpointer data)
{
        g_autofree char *away = g_build_filename(f->scratch, "away", NULL);
        StorageVdiInfo info = { .vdi = f->vdi, .name_label = (char *)"snapshot", .persistent = true },
                       made = { 0 };
        DiskRecord record;
        int pidfd;

        f->socket = fixture_use(f, f->vdi, "guest", true);
        record = fixture_record(f);
        writer_start(f);
        writer_advance(f, 50);
        g_assert_cmpint(rename(record.path, away), ==, 0);
        FAILS(vdi_snapshot(f->manager, &f->operation, TEST_SR, &info, &made, &error));
        pidfd = server_find(&record);
        g_assert_cmpint(pidfd, >=, 0);
        close(pidfd);
        writer_advance(f, 50);
        g_assert_cmpint(rename(away, record.path), ==, 0);
        free(fixture_snapshot(f));
        writer_advance(f, 50);
        writer_stop(f);
        fixture_check(f->socket, f->writer.done, f->writer.done);
        disk_record_clear(&record);
        fixture_leave(f, "guest");
}

static void test_resize(Fixture *f, gconstpointer data)
{
        struct nbd_handle *nbd;
        int64_t bytes;
        char block[BLOCK];

        f->socket = fixture_use(f, f->vdi, "guest", true);
        writer_start(f);
        writer_advance(f, 50);
        OK(vdi_resize(f->manager, &f->operation, TEST_SR, f->vdi, 3 * MIB, &bytes, &error));
        g_assert_cmpint(bytes, ==, 3 * MIB);
        FAILS(vdi_resize(f->manager, &f->operation, TEST_SR, f->vdi, MIB, &bytes, &error));
        nbd = fixture_connect(f->socket);
        g_assert_cmpint(nbd_get_size(nbd), ==, 3 * MIB);
        block_fill(block, 7);
        g_assert_cmpint(nbd_pwrite(nbd, block, BLOCK, (uint64_t)(3 * MIB) - BLOCK, 0), ==, 0);
        nbd_close(nbd);
        writer_advance(f, 50);
        writer_stop(f);
        fixture_check(f->socket, f->writer.done, f->writer.done);
        fixture_kill_server(f);
        nbd = fixture_connect(f->socket);
        g_assert_cmpint(nbd_get_size(nbd), ==, 3 * MIB);
        g_assert_cmpint(nbd_pread(nbd, block, BLOCK, (uint64_t)(3 * MIB) - BLOCK, 0), ==, 0);
        g_assert_cmpuint(block_stamp(block), ==, 7);
        nbd_close(nbd);
        fixture_leave(f, "guest");
}

/* The disk was detached, or never taken into use by whom we know, and the process died half-way. */
static void test_leftovers(Fixture *f, gconstpointer data)
{
        DiskName name = { .sr = TEST_SR, .vdi = "other", .uri = NULL };
        g_autofree char *id = disk_record_id(TEST_SR, "other"),
                        *folder = g_strconcat(f->records, "-disks/", id, NULL),
                        *path = g_build_filename(f->scratch, "other.raw", NULL), *uri = NULL;
        StorageBackend backend = { 0 };
        DiskRecord record;

        g_assert_true(g_file_set_contents(path, "12345678", -1, NULL));
        uri = g_strconcat("raw+file://", path, NULL);
        name.uri = uri;
        OK(disk_attach(f->manager->disks, &f->operation, &name, &backend, &error));
        OK(disk_activate(f->manager->disks, &f->operation, &name, true, &error));
        storage_backend_clear(&backend);
        f->socket = fixture_use(f, f->vdi, "guest", true);
        g_assert_cmpint(disk_record_load(folder, &record), ==, 0);
        fixture_stop(f);
        g_assert_cmpint(server_find(&record), >=, 0);
        fixture_start(f);
        g_assert_cmpint(server_find(&record), ==, -ESRCH);
        g_assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
        disk_record_clear(&record);
        fixture_check(f->socket, 0, 0);
        fixture_leave(f, "guest");
}

/* Reading beside a guest that writes is allowed; writing is not. */
static void test_reader(Fixture *f, gconstpointer data)
{
        DpName second = fixture_dp(f->vdi, "second");
        StorageBackend backend = { 0 };
        g_autofree char *socket = NULL;

        f->socket = fixture_use(f, f->vdi, "guest", true);
        socket = fixture_use(f, f->vdi, "reader", false);
        g_assert_cmpstr(socket, ==, f->socket);
        OK(dp_attach(f->manager, &f->operation, &second, true, &backend, &error));
        storage_backend_clear(&backend);
        FAILS(dp_activate(f->manager, &f->operation, &second, false, &error));
        writer_start(f);
        writer_advance(f, 50);
        fixture_leave(f, "reader");
        writer_advance(f, 50);
        writer_stop(f);
        fixture_leave(f, "second");
        fixture_leave(f, "guest");
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*function)(Fixture *f, gconstpointer data);
        } tests[] = {
                { "snapshots", test_snapshots },
                { "killed", test_killed },
                { "stalled", test_stalled },
                { "snapshot-cut-short", test_snapshot_cut_short },
                { "snapshot-late", test_snapshot_late },
                { "snapshot-fails", test_snapshot_fails },
                { "snapshot-cancelled", test_snapshot_cancelled },
                { "damaged-repository", test_damaged_repository },
                { "damaged-disk", test_damaged_disk },
                { "image-away", test_image_away },
                { "resize", test_resize },
                { "leftovers", test_leftovers },
                { "reader", test_reader },
        };
        static const char *const formats[] = { "raw", "qcow2" };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                for (size_t k = 0; k < G_N_ELEMENTS(formats); k++) {
                        g_autofree char *path = g_strdup_printf("/live/%s/%s", formats[k], tests[i].name);

                        g_test_add(path, Fixture, formats[k], fixture_setup, tests[i].function,
                                   fixture_teardown);
                }
        return g_test_run();
}
