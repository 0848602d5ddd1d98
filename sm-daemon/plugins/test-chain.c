/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes of the plugin "file" that lie on each other, read and written by QEMU's own tools. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test-volumes.h"

static void test_formats(void)
{
        static const int64_t sizes[] = { 512, MIB, INT64_C(3) << 30, (INT64_C(5) << 40) + 512,
                                         IMAGE_SIZE_MAX };
        g_autofree char *sr = make_sr("formats"), *other = make_sr_of("preferred", "vhd, qcow2, raw");
        g_autofree char *preferred = make_disk(other, NULL, MIB);
        const char *format;
        g_autofree char *path = image_of(other, preferred, &format);

        g_assert_cmpstr(format, ==, "qcow2");
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_autofree char *raw = make_disk(sr, "raw", sizes[i] < MIB ? sizes[i] : MIB);
                g_autofree char *qcow2 = make_disk(sr, "qcow2", sizes[i]);

                g_assert_cmpint(number(sr, qcow2, "virtual_size"), ==, sizes[i]);
                g_assert_cmpint(number(sr, qcow2, "physical_utilisation"), <, 128 * 1024);
                g_assert_true(holds(sr, qcow2, 0, 0, 512) && holds(sr, qcow2, 0, sizes[i] - 512, 512));
                fill(sr, qcow2, 7, sizes[i] - 512, 512);
                g_assert_true(holds(sr, qcow2, 7, sizes[i] - 512, 512));
                sound(sr, qcow2);
                fill(sr, raw, 7, 0, 512);
                g_assert_true(holds(sr, raw, 7, 0, 512));
        }
        fails(volume_create,
              json_pack("{s:s, s:s, s:s, s:i, s:b, s:{s:s}}", "sr", sr, "name", "", "description", "", "size",
                        MIB, "sharable", 0, "keys", "sm_config.image-format", "vhd"),
              FAILURE_SR_GENERAL);
}

static void test_copies(gconstpointer data)
{
        g_autofree char *sr = make_sr_of(data, data), *disk = make_disk(sr, NULL, 4 * MIB);
        g_autofree char *first = NULL, *twin = NULL, *second = NULL, *clone = NULL, *of_snapshot = NULL;
        size_t n;

        fill(sr, disk, 1, 0, MIB);
        first = snapshot(sr, disk);
        twin = snapshot(sr, disk);
        n = length(volume_chain, at(sr, disk));
        g_assert_cmpuint(n, ==, 2);
        fill(sr, disk, 2, MIB / 2, MIB);
        second = snapshot(sr, disk);
        clone = clone_of(sr, disk);
        of_snapshot = clone_of(sr, first);
        fill(sr, disk, 3, 0, 4096);
        fill(sr, clone, 4, 0, 4096);
        fill(sr, of_snapshot, 5, 0, 4096);
        g_assert_true(holds(sr, disk, 3, 0, 4096) && holds(sr, disk, 2, MIB / 2, MIB));
        g_assert_true(holds(sr, clone, 4, 0, 4096) && holds(sr, clone, 2, MIB / 2, MIB));
        g_assert_true(holds(sr, of_snapshot, 5, 0, 4096) && holds(sr, of_snapshot, 1, 4096, MIB - 4096));
        g_assert_true(holds(sr, first, 1, 0, MIB) && holds(sr, first, 0, MIB, 3 * MIB));
        g_assert_true(holds(sr, twin, 1, 0, MIB) && holds(sr, second, 1, 0, MIB / 2) &&
                      holds(sr, second, 2, MIB / 2, MIB));
        g_assert_cmpuint(length(directory_ls, of_sr(sr)), ==, 6);
        g_assert_cmpint(collect(sr), ==, 0);
        /* In any order: what others need stays, all else goes. */
        done(volume_destroy, at(sr, first));
        g_assert_cmpint(collect(sr), ==, 0);
        g_assert_true(holds(sr, of_snapshot, 1, 4096, MIB - 4096));
        done(volume_destroy, at(sr, disk));
        done(volume_destroy, at(sr, second));
        done(volume_destroy, at(sr, of_snapshot));
        collect(sr);
        g_assert_true(holds(sr, clone, 4, 0, 4096) && holds(sr, clone, 2, MIB / 2, MIB) &&
                      holds(sr, twin, 1, 0, MIB));
        done(volume_destroy, at(sr, twin));
        sound(sr, clone);
        fails(directory_destroy, of_sr(sr), "SR_NOT_EMPTY");
        done(volume_destroy, at(sr, clone));
        collect(sr);
        g_assert_cmpuint(files(sr), ==, 1);
        done(directory_destroy, of_sr(sr));
}

/* A copy in full: nothing lies under it, and nobody's sweeping takes it away while it is made. */
static void test_full_copies(void)
{
        g_autofree char *sr = make_sr("full"), *disk = make_disk(sr, "raw", 64 * MIB), *snap = NULL;
        static const char *const formats[] = { "raw", "qcow2" };

        fill(sr, disk, 1, 0, 32 * MIB);
        snap = snapshot(sr, disk);
        fill(sr, disk, 2, 16 * MIB, 32 * MIB);
        for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
                json_t *args = json_pack("{s:s, s:s, s:s, s:{s:s}}", "sr", sr, "key", disk, "dest_sr", sr,
                                         "keys", "sm_config.image-format", formats[i]);
                g_autofree char *copy = NULL, *path = NULL;
                const char *format;
                pid_t sweeper = fork();

                if (sweeper == 0) {
                        prctl(PR_SET_PDEATHSIG, SIGKILL);
                        for (;;)
                                collect(sr);
                }
                copy = take_key(ok(volume_copy, args));
                kill(sweeper, SIGKILL);
                waitpid(sweeper, NULL, 0);
                path = image_of(sr, copy, &format);
                g_assert_cmpstr(format, ==, formats[i]);
                g_assert_cmpuint(length(volume_chain, at(sr, copy)), ==, 1);
                g_assert_true(holds(sr, copy, 1, 0, 16 * MIB) && holds(sr, copy, 2, 16 * MIB, 32 * MIB) &&
                              holds(sr, copy, 0, 48 * MIB, 16 * MIB));
                g_assert_cmpint(number(sr, copy, "physical_utilisation"), <, 50 * MIB);
                g_assert_cmpint(number(sr, copy, "virtual_size"), ==, 64 * MIB);
                sound(sr, copy);
        }
        fails(volume_copy, json_pack("{s:s, s:s, s:s}", "sr", sr, "key", disk, "dest_sr", "/other"),
              "SR_BACKEND_FAILURE");
}

/* A disk that is copied again and again, unchanged, does not sink ever deeper; nor can it sink too deep. */
static void test_depth(void)
{
        g_autofree char *sr = make_sr("depth"), *disk = make_disk(sr, NULL, MIB);
        size_t n = 0;

        for (int i = 0; i < 3; i++) {
                g_autofree char *clone = clone_of(sr, disk);
        }
        g_assert_cmpuint(length(volume_chain, at(sr, disk)), ==, 2);
        for (;;) {
                const char *format;
                g_autofree char *path = image_of(sr, disk, &format);
                Failure failure = { 0 };
                json_t *args = at(sr, disk), *volume;

                if (strcmp(format, "qcow2") == 0)
                        g_assert_cmpint(truncate(path, 512 * 1024), ==, 0); /* as if it had been written to */
                volume = volume_snapshot(args, &failure);
                json_decref(args);
                if (volume == NULL) {
                        g_assert_cmpstr(failure.params[1], ==,
                                        "The disk has too many snapshots on each other");
                        break;
                }
                json_decref(volume);
                g_assert_cmpuint(++n, <=, CHAIN_MAX);
        }
        g_assert_cmpuint(length(volume_chain, at(sr, disk)), ==, CHAIN_MAX);
        done(volume_stat, at(sr, disk));
}

static void test_sizes(void)
{
        g_autofree char *sr = make_sr("sizes"), *disk = make_disk(sr, "qcow2", MIB), *snap = NULL,
                        *clone = NULL;

        fill(sr, disk, 1, 0, MIB);
        g_assert_cmpint(number(sr, disk, "physical_utilisation"), >=, MIB);
        snap = snapshot(sr, disk);
        g_assert_cmpint(number(sr, disk, "physical_utilisation"), <, MIB / 2);
        g_assert_cmpint(number(sr, snap, "physical_utilisation"), >=, MIB);
        done(volume_resize, json_pack("{s:s, s:s, s:i}", "sr", sr, "key", disk, "new_size", 3 * MIB + 1));
        g_assert_cmpint(number(sr, disk, "virtual_size"), ==, 3 * MIB + 512);
        g_assert_cmpint(number(sr, snap, "virtual_size"), ==, MIB);
        g_assert_true(holds(sr, disk, 0, MIB, 2 * MIB) && holds(sr, disk, 1, 0, MIB));
        fails(volume_resize, json_pack("{s:s, s:s, s:i}", "sr", sr, "key", disk, "new_size", MIB),
              FAILURE_VDI_SIZE);
        /* Its image is not written to, but larger than what it lies on. */
        clone = clone_of(sr, disk);
        g_assert_cmpint(number(sr, clone, "virtual_size"), ==, 3 * MIB + 512);
        g_assert_true(holds(sr, clone, 0, MIB, 2 * MIB) && holds(sr, clone, 1, 0, MIB));
        sound(sr, clone);
}

static void test_coalesce(gconstpointer data)
{
        g_autofree char *name = g_strconcat("coalesce-", data, NULL), *sr = make_sr_of(name, data);
        g_autofree char *disk = make_disk(sr, NULL, 4 * MIB);
        g_autofree char *first = NULL, *second = NULL, *third = NULL, *clone = NULL;

        fill(sr, disk, 1, 0, MIB);
        first = snapshot(sr, disk);
        fill(sr, disk, 2, MIB, MIB);
        second = snapshot(sr, disk);
        fill(sr, disk, 3, 2 * MIB, MIB);
        third = snapshot(sr, disk);
        fill(sr, disk, 4, 0, 65536);
        g_assert_false(coalesce(sr, disk));
        clone = clone_of(sr, first);
        done(volume_destroy, at(sr, third));
        done(volume_destroy, at(sr, second));
        done(volume_resize, json_pack("{s:s, s:s, s:i}", "sr", sr, "key", disk, "new_size", 8 * MIB));
        g_assert_cmpuint(length(volume_chain, at(sr, disk)), ==, 4);
        while (coalesce(sr, disk))
                ;
        g_assert_cmpuint(length(volume_chain, at(sr, disk)), ==, 2);
        done(volume_destroy, at(sr, first));
        g_assert_false(coalesce(sr, disk));
        g_assert_true(holds(sr, clone, 1, 0, MIB) && holds(sr, clone, 0, MIB, 3 * MIB));
        done(volume_destroy, at(sr, clone));
        g_assert_true(coalesce(sr, disk));
        g_assert_false(coalesce(sr, disk));
        g_assert_cmpuint(length(volume_chain, at(sr, disk)), ==, 1);
        g_assert_true(holds(sr, disk, 4, 0, 65536) && holds(sr, disk, 1, 65536, MIB - 65536) &&
                      holds(sr, disk, 2, MIB, MIB) && holds(sr, disk, 3, 2 * MIB, MIB) &&
                      holds(sr, disk, 0, 3 * MIB, 5 * MIB));
        sound(sr, disk);
        g_assert_cmpint(number(sr, disk, "virtual_size"), ==, 8 * MIB);
        collect(sr);
        g_assert_cmpuint(files(sr), ==, 3);
}

/* Bringing images together is killed, with the process that does it, at many an instant. */
static void test_coalesce_killed(gconstpointer data)
{
        static const Range whole[] = { { 1, 0, 8 * MIB },
                                       { 2, 8 * MIB, 16 * MIB },
                                       { 0, 24 * MIB, 8 * MIB } };
        g_autofree char *name = g_strconcat("killed-", data, NULL), *sr = make_sr_of(name, data);
        g_autofree char *disk = make_disk(sr, NULL, 32 * MIB), *snap = NULL;

        g_assert_cmpint(prctl(PR_SET_CHILD_SUBREAPER, 1), ==, 0);
        fill(sr, disk, 1, 0, 16 * MIB);
        snap = snapshot(sr, disk);
        fill(sr, disk, 2, 8 * MIB, 16 * MIB);
        done(volume_destroy, at(sr, snap));
        for (useconds_t i = 0; i < 20; i++) {
                pid_t pid = fork();
                int status;

                if (pid == 0) {
                        setpgid(0, 0);
                        done(volume_coalesce, at(sr, disk));
                        _exit(0);
                }
                setpgid(pid, pid);
                usleep(i * 2000);
                kill(-pid, SIGKILL);
                /* And qemu-img, which comes to us when it has no parent. */
                while (waitpid(-pid, &status, 0) > 0)
                        ;
                done(directory_attach, json_pack("{s:{s:s}}", "configuration", "location", sr));
                g_assert_true(holds_all(sr, disk, whole, G_N_ELEMENTS(whole)));
        }
        while (coalesce(sr, disk))
                ;
        g_assert_cmpuint(length(volume_chain, at(sr, disk)), ==, 1);
        g_assert_true(holds_all(sr, disk, whole, G_N_ELEMENTS(whole)));
        sound(sr, disk);
}

static void test_images(void)
{
        g_autofree char *sr = make_sr("images"), *disk = make_disk(sr, NULL, MIB), *snap = NULL, *top = NULL;
        const char *format;
        json_t *images, *image;
        size_t i;

        fill(sr, disk, 1, 0, 4096);
        snap = snapshot(sr, disk);
        top = image_of(sr, disk, &format);
        images = ok(directory_images, of_sr(sr));
        g_assert_cmpuint(json_array_size(images), ==, 2);
        json_array_foreach(images, i, image)
        {
                const char *volume = json_string_value(json_object_get(image, "volume"));
                bool is_top = strcmp(json_string_value(json_object_get(image, "path")), top) == 0;

                g_assert_cmpstr(volume, ==, is_top ? disk : snap);
                g_assert_true(is_top == (json_object_get(image, "backing") != NULL));
                g_assert_cmpstr(json_string_value(json_object_get(image, "format")), ==,
                                is_top ? "qcow2" : "raw");
        }
        json_decref(images);
        /* What is open somewhere stays. */
        done(volume_destroy, at(sr, disk));
        done(volume_destroy, at(sr, snap));
        images = ok(directory_images, of_sr(sr));
        g_assert_cmpuint(json_array_size(images), ==, 1);
        image = json_object_get(json_array_get(images, 0), "path");
        done(directory_collect, json_pack("{s:s, s:[O]}", "sr", sr, "busy", image));
        g_assert_cmpuint(length(directory_images, of_sr(sr)), ==, 1);
        json_decref(images);
        g_assert_cmpint(collect(sr), ==, 1);
}

/* What lies under an image that is away for a while is there when that comes back. */
static void test_missing(void)
{
        g_autofree char *sr = make_sr("missing"), *disk = make_disk(sr, "qcow2", MIB), *first = NULL,
                        *second = NULL;
        g_autofree char *away = g_build_filename(scratch, "away", NULL);

        fill(sr, disk, 1, 0, 4096);
        first = snapshot(sr, disk);
        fill(sr, disk, 2, 4096, 4096);
        second = snapshot(sr, disk);
        done(volume_destroy, at(sr, first));
        for (int i = 0; i < 2; i++) {
                const char *format;
                g_autofree char *path = image_of(sr, i == 0 ? disk : second, &format);

                if (i == 1)
                        done(volume_destroy, at(sr, second)); /* in the middle, and no volume's any more */
                g_assert_cmpint(rename(path, away), ==, 0);
                done(directory_attach, json_pack("{s:{s:s}}", "configuration", "location", sr));
                fails(directory_collect, json_pack("{s:s, s:[]}", "sr", sr, "busy"), FAILURE_SR_GENERAL);
                g_assert_cmpint(rename(away, path), ==, 0);
                g_assert_true(holds(sr, disk, 1, 0, 4096) && holds(sr, disk, 2, 4096, 4096));
        }
        g_assert_cmpint(collect(sr), ==, 0);
}

/* What a guest writes into a raw disk is never taken for a header: not when it is copied, nor when others read it. */
static void test_forged_header(void)
{
        g_autofree char *sr = make_sr("forged"), *disk = make_disk(sr, "raw", 4 * MIB), *snap = NULL,
                        *clone = NULL;
        g_autofree char *secret = g_build_filename(scratch, "secret", NULL);
        g_autofree char *forged = g_build_filename(scratch, "forged.qcow2", NULL), *content = NULL;
        const char *format;
        g_autofree char *path = image_of(sr, disk, &format);
        size_t len;
        int fd;

        g_assert_true(g_file_set_contents(secret, "secret", -1, NULL));
        g_assert_true(run("qemu-img create -q -f qcow2 -F raw -b %s %s 1M", secret, forged));
        g_assert_true(g_file_get_contents(forged, &content, &len, NULL));
        fd = open(path, O_WRONLY | O_CLOEXEC);
        g_assert_cmpint(write(fd, content, len), ==, (ssize_t)len);
        close(fd);
        g_assert_cmpint(number(sr, disk, "virtual_size"), ==, 4 * MIB);
        snap = snapshot(sr, disk);
        clone = clone_of(sr, disk);
        g_assert_cmpuint(length(volume_chain, at(sr, clone)), ==, 2);
        g_assert_true(holds(sr, clone, 'Q', 0, 1) && holds(sr, clone, 0xfb, 3, 1));
        g_assert_cmpint(number(sr, clone, "virtual_size"), ==, 4 * MIB);
}

int __wrap_fsync(int fd);
/* Nobody takes the power here. */
int __wrap_fsync(int fd)
{
        (void)fd;
        return 0;
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!volumes_begin("test-chain"))
                return 0;
        g_test_add_func("/chain/formats", test_formats);
        g_test_add_data_func("/chain/copies/raw", "raw", test_copies);
        g_test_add_data_func("/chain/copies/qcow2", "qcow2", test_copies);
        g_test_add_func("/chain/full-copies", test_full_copies);
        g_test_add_func("/chain/depth", test_depth);
        g_test_add_func("/chain/sizes", test_sizes);
        g_test_add_data_func("/chain/coalesce/raw", "raw", test_coalesce);
        g_test_add_data_func("/chain/coalesce/qcow2", "qcow2", test_coalesce);
        g_test_add_data_func("/chain/coalesce-killed/raw", "raw", test_coalesce_killed);
        g_test_add_data_func("/chain/coalesce-killed/qcow2", "qcow2", test_coalesce_killed);
        g_test_add_func("/chain/images", test_images);
        g_test_add_func("/chain/missing", test_missing);
        g_test_add_func("/chain/forged-header", test_forged_header);
        return volumes_end(g_test_run());
}
