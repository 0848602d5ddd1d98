/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images that are brought together under a client that writes. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "live-fixture.h"
#include "qmp.h"
#include "sm-daemon/vdi.h"

static guint chain_length(Fixture *f)
{
        DiskRecord record = fixture_record(f);
        GPtrArray *layers = NULL;
        guint n = 0;

        if (layer_chain(record.path, record.format, &layers) == 0) {
                n = layers->len;
                g_ptr_array_unref(layers);
        }
        disk_record_clear(&record);
        return n;
}

static void wait_for_chain(Fixture *f, guint n)
{
        while (chain_length(f) != n)
                g_usleep(1000);
}

static void destroy(Fixture *f, char *vdi)
{
        OK(vdi_destroy(f->manager, &f->operation, TEST_SR, vdi, &error));
        free(vdi);
}

/* Writes to the part of the disk that the writer leaves alone. */
static void write_rest(Fixture *f)
{
        struct nbd_handle *nbd = fixture_connect(f->socket);
        g_autofree char *bytes = g_malloc(MIB / 2);

        memset(bytes, 'r', MIB / 2);
        g_assert_cmpint(nbd_pwrite(nbd, bytes, MIB / 2, MIB / 2, 0), ==, 0);
        nbd_close(nbd);
}

static void check_rest(Fixture *f, char c)
{
        struct nbd_handle *nbd = fixture_connect(f->socket);
        char bytes[BLOCK];

        for (int64_t at = MIB / 2; at < MIB; at += BLOCK) {
                g_assert_cmpint(nbd_pread(nbd, bytes, BLOCK, (uint64_t)at, 0), ==, 0);
                for (size_t i = 0; i < BLOCK; i++)
                        g_assert_cmpint(bytes[i], ==, c);
        }
        nbd_close(nbd);
}

/* Everything that the guest wrote is there, for it and, once it has left, in the volume. */
static void stop_and_check(Fixture *f)
{
        writer_stop(f);
        fixture_check(f->socket, f->writer.done, f->writer.done);
        check_rest(f, 'r');
        fixture_leave(f, "guest");
        fixture_check_volume(f, f->vdi, f->writer.done, f->writer.done);
}

/* The lower image is the larger: what the guest has written since goes into it, and it becomes the disk's. */
static void test_merge_down(Fixture *f, gconstpointer data)
{
        f->socket = fixture_use(f, f->vdi, "guest", true);
        write_rest(f);
        writer_start(f);
        for (int i = 0; i < 3; i++) {
                writer_advance(f, 20);
                destroy(f, fixture_snapshot(f));
                wait_for_chain(f, 1);
        }
        writer_advance(f, 50);
        stop_and_check(f);
}

/* The lower image is the smaller: what is in it goes into the disk's own. */
static void test_merge_up(Fixture *f, gconstpointer data)
{
        char *taken;

        f->socket = fixture_use(f, f->vdi, "guest", true);
        writer_start(f);
        writer_advance(f, 2);
        taken = fixture_snapshot(f);
        write_rest(f);
        writer_advance(f, 20);
        destroy(f, taken);
        wait_for_chain(f, 1);
        writer_advance(f, 50);
        stop_and_check(f);
}

static void write_some(Fixture *f, char c, int64_t at, size_t n)
{
        struct nbd_handle *nbd = fixture_connect(f->socket);
        g_autofree char *bytes = g_malloc(n);

        memset(bytes, c, n);
        g_assert_cmpint(nbd_pwrite(nbd, bytes, n, (uint64_t)at, 0), ==, 0);
        nbd_close(nbd);
}

/* The server dies in the very moment in which the lower image is needed no more; the guest has not written meanwhile, nor
 * flushed anything. */
static void test_merge_up_killed(Fixture *f, gconstpointer data)
{
        struct nbd_handle *nbd;
        char *taken, bytes[BLOCK];

        f->socket = fixture_use(f, f->vdi, "guest", true);
        write_some(f, 'l', MIB / 2, MIB / 4);
        taken = fixture_snapshot(f);
        write_some(f, 'u', 0, MIB / 2);
        destroy(f, taken);
        wait_for_chain(f, 1);
        fixture_kill_server(f);
        nbd = fixture_connect(f->socket);
        for (int64_t at = 0; at < 3 * MIB / 4; at += BLOCK) {
                g_assert_cmpint(nbd_pread(nbd, bytes, BLOCK, (uint64_t)at, 0), ==, 0);
                g_assert_cmpint(bytes[0], ==, at < MIB / 2 ? 'u' : 'l');
        }
        nbd_close(nbd);
        fixture_leave(f, "guest");
}

/* A snapshot goes that lies under another, which stays as it is. */
static void test_merge_between(Fixture *f, gconstpointer data)
{
        unsigned before, after;
        char *first, *second, *text;

        f->socket = fixture_use(f, f->vdi, "guest", true);
        writer_start(f);
        writer_advance(f, 30);
        first = fixture_snapshot(f);
        writer_advance(f, 30);
        before = f->writer.done;
        second = fixture_snapshot(f);
        after = f->writer.done + 1;
        writer_advance(f, 30);
        g_assert_cmpuint(chain_length(f), ==, 3);
        text = manager_diagnostics(f->manager);
        g_assert_nonnull(strstr(text, "server: process "));
        g_assert_nonnull(strstr(text, "image: "));
        g_assert_nonnull(strstr(text, "    on "));
        free(text);
        destroy(f, first);
        wait_for_chain(f, 2);
        writer_advance(f, 30);
        fixture_check_volume(f, second, before, after);
        writer_stop(f);
        fixture_check(f->socket, f->writer.done, f->writer.done);
        fixture_leave(f, "guest");
        fixture_check_volume(f, second, before, after);
        destroy(f, second);
        fixture_check_volume(f, f->vdi, f->writer.done, f->writer.done);
}

/* Servers and sm-daemon are killed at whatever instant, while layers come and go. */
static void test_merge_killed(Fixture *f, gconstpointer data)
{
        g_autoptr(GRand) rand = g_rand_new_with_seed(g_test_rand_int());

        f->socket = fixture_use(f, f->vdi, "guest", true);
        write_rest(f);
        writer_start(f);
        for (int i = 0; i < 6; i++) {
                writer_advance(f, 10);
                destroy(f, fixture_snapshot(f));
                g_usleep((gulong)g_rand_int_range(rand, 0, 400000));
                if (i % 3 != 0)
                        fixture_kill_server(f);
                if (i % 3 != 1) {
                        fixture_stop(f);
                        fixture_start(f);
                }
        }
        wait_for_chain(f, 1);
        writer_advance(f, 10);
        stop_and_check(f);
}

/* Owned (free). */
static char *clone_of(Fixture *f, char *vdi)
{
        StorageVdiInfo info = { .vdi = vdi, .name_label = (char *)"clone", .persistent = true }, made = { 0 };
        char *clone;

        OK(vdi_clone(f->manager, &f->operation, TEST_SR, &info, &made, &error));
        clone = g_steal_pointer(&made.vdi);
        storage_vdi_info_clear(&made);
        return clone;
}

/* The disk becomes one that lies on a snapshot of its own, which lies on what it was cloned of: when *ret_first is destroyed,
 * these two are brought together. The disk is in use as "guest". *ret_* are owned (free). */
static void make_tower(Fixture *f, char **ret_first, char **ret_snapshot)
{
        f->socket = fixture_use(f, f->vdi, "guest", true);
        write_some(f, 'l', 0, MIB / 4);
        fixture_leave(f, "guest");
        *ret_first = f->vdi;
        f->vdi = clone_of(f, f->vdi);
        g_free(f->socket);
        f->socket = fixture_use(f, f->vdi, "guest", true);
        write_some(f, 'u', MIB / 8, MIB / 4);
        *ret_snapshot = fixture_snapshot(f);
}

static void check_tower(Fixture *f, const char *socket)
{
        struct nbd_handle *nbd = fixture_connect(socket);
        char bytes[BLOCK];

        for (int64_t at = 0; at < MIB / 2; at += BLOCK) {
                g_assert_cmpint(nbd_pread(nbd, bytes, BLOCK, (uint64_t)at, 0), ==, 0);
                g_assert_cmpint(bytes[0], ==, at < MIB / 8 ? 'l' : at < 3 * MIB / 8 ? 'u' : 0);
        }
        nbd_close(nbd);
}

static bool merge_under_way(Fixture *f)
{
        DiskRecord record = fixture_record(f);
        json_t *jobs = NULL;
        size_t n;
        Qmp *qmp;

        g_assert_cmpint(qmp_open(&record, f->operation.deadline_usec, &qmp), ==, 0);
        g_assert_cmpint(qmp_call(qmp, "query-jobs", NULL, &jobs), ==, 0);
        n = json_array_size(jobs);
        json_decref(jobs);
        qmp_close(qmp);
        disk_record_clear(&record);
        return n > 0;
}

/* Another VM's disk lies on what one VM's server is just bringing together. */
static void test_way_in_use(Fixture *f, gconstpointer data)
{
        char *first, *taken, *other;
        g_autofree char *socket = NULL;

        make_tower(f, &first, &taken);
        other = clone_of(f, taken);
        destroy(f, first);
        while (!merge_under_way(f))
                g_usleep(100);
        socket = fixture_use(f, other, "another", true);
        check_tower(f, socket);
        check_tower(f, f->socket);
        fixture_leave(f, "another");
        wait_for_chain(f, 2);
        check_tower(f, f->socket);
        fixture_kill_server(f);
        check_tower(f, f->socket);
        fixture_leave(f, "guest");
        free(taken);
        free(other);
}

/* The same, by a plugin that would be at it for long. */
static void test_way_at_rest(Fixture *f, gconstpointer data)
{
        g_autofree char *marker = g_build_filename(f->scratch, "marker", NULL), *pid = NULL,
                        *script = g_strdup_printf("echo $$ >'%s.new'; mv '%s.new' '%s'; exec sleep 600",
                                                  marker, marker, marker);
        char *first, *taken;

        make_tower(f, &first, &taken);
        fixture_leave(f, "guest");
        test_plugin_script(f->plugin, "Volume.coalesce", script);
        destroy(f, first);
        while (!g_file_get_contents(marker, &pid, NULL, NULL))
                g_usleep(1000);
        g_free(f->socket);
        f->socket = fixture_use(f, f->vdi, "guest", true);
        g_assert_cmpint(kill((pid_t)atoi(pid), 0), ==, -1); /* it has ended first */
        check_tower(f, f->socket);
        wait_for_chain(f, 2);
        check_tower(f, f->socket);
        fixture_leave(f, "guest");
        free(taken);
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*function)(Fixture *f, gconstpointer data);
        } tests[] = {
                { "down", test_merge_down },           { "up", test_merge_up },
                { "up-killed", test_merge_up_killed }, { "between", test_merge_between },
                { "killed", test_merge_killed },       { "way-in-use", test_way_in_use },
                { "way-at-rest", test_way_at_rest },
        };
        static const char *const formats[] = { "raw", "qcow2" };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                for (size_t k = 0; k < G_N_ELEMENTS(formats); k++) {
                        g_autofree char *path = g_strdup_printf("/merge/%s/%s", formats[k], tests[i].name);

                        g_test_add(path, Fixture, formats[k], fixture_setup, tests[i].function,
                                   fixture_teardown);
                }
        return g_test_run();
}
