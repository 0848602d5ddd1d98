/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes of the plugin "file" that lie on each other, read and written by QEMU's own tools. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "call.h"
#include "directory/chain.h"
#include "directory/directory.h"
#include "directory/disk.h"
#include "directory/volume.h"

#define SR_UUID "11111111-2222-4333-8444-555555555555"
#define MIB     (1024 * 1024)

static char *scratch;

typedef json_t *(*MethodFunction)(json_t *args, Failure *failure);

/* Calls with args (taken); asserts success and returns the result. */
static json_t *ok(MethodFunction method, json_t *args)
{
        Failure failure = { 0 };
        json_t *result = method(args, &failure);

        if (result == NULL)
                g_error("%s %s %s", failure.code, failure.params[1], failure.params[2]);
        json_decref(args);
        return result;
}

static void done(MethodFunction method, json_t *args)
{
        json_decref(ok(method, args));
}

static void fails(MethodFunction method, json_t *args, const char *code)
{
        Failure failure = { 0 };

        g_assert_null(method(args, &failure));
        g_assert_cmpstr(failure.code, ==, code);
        json_decref(args);
}

static json_t *at(const char *sr, const char *key)
{
        return json_pack("{s:s, s:s}", "sr", sr, "key", key);
}

static json_t *of_sr(const char *sr)
{
        return json_pack("{s:s}", "sr", sr);
}

static char *make_sr_of(const char *name, const char *formats)
{
        char *location = g_build_filename(scratch, name, NULL);
        json_t *configuration =
            json_pack("{s:s, s:s}", "location", location, "preferred-image-formats", formats);

        done(directory_create, json_pack("{s:s, s:o, s:s, s:s}", "uuid", SR_UUID, "configuration",
                                         configuration, "name", "Local", "description", ""));
        done(directory_attach, json_pack("{s:{s:s}}", "configuration", "location", location));
        return location;
}

static char *make_sr(const char *name)
{
        return make_sr_of(name, "");
}

static char *take_key(json_t *volume)
{
        char *key = g_strdup(json_string_value(json_object_get(volume, "key")));

        json_decref(volume);
        return key;
}

static char *make_disk(const char *sr, const char *format, int64_t size)
{
        json_t *keys = format != NULL ? json_pack("{s:s}", "sm_config.image-format", format) : json_object();

        return take_key(ok(volume_create, json_pack("{s:s, s:s, s:s, s:I, s:b, s:o}", "sr", sr, "name",
                                                    "disk", "description", "", "size", (json_int_t)size,
                                                    "sharable", 0, "keys", keys)));
}

static char *snapshot(const char *sr, const char *key)
{
        return take_key(ok(volume_snapshot, at(sr, key)));
}

static char *clone_of(const char *sr, const char *key)
{
        return take_key(ok(volume_clone, at(sr, key)));
}

static int64_t number(const char *sr, const char *key, const char *member)
{
        json_t *volume = ok(volume_stat, at(sr, key));
        int64_t value = json_integer_value(json_object_get(volume, member));

        json_decref(volume);
        return value;
}

/* The path and the format of a volume's image, from its URI. Returns owned. */
static char *image_of(const char *sr, const char *key, const char **ret_format)
{
        json_t *volume = ok(volume_stat, at(sr, key));
        const char *uri = json_string_value(json_array_get(json_object_get(volume, "uri"), 0));
        char *path;

        *ret_format = g_str_has_prefix(uri, "qcow2+file:///") ? "qcow2" : "raw";
        g_assert_true(g_str_has_prefix(uri, "qcow2+file:///") || g_str_has_prefix(uri, "raw+file:///"));
        path = g_strdup(strstr(uri, ":///") + strlen("://"));
        json_decref(volume);
        return path;
}

static bool run(const char *format, ...) G_GNUC_PRINTF(1, 2);
static bool run(const char *format, ...)
{
        g_autofree char *command = NULL;
        int status;
        va_list ap;

        va_start(ap, format);
        command = g_strdup_vprintf(format, ap);
        va_end(ap);
        g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, &status, NULL));
        return status == 0;
}

static void fill(const char *sr, const char *key, int pattern, int64_t offset, int64_t bytes)
{
        const char *format;
        g_autofree char *path = image_of(sr, key, &format);

        g_assert_true(run("qemu-io -f %s -c 'write -q -P %d %" G_GINT64_FORMAT " %" G_GINT64_FORMAT "' %s",
                          format, pattern, offset, bytes, path));
}

/* qemu-io's status does not tell of a pattern that was not found. */
static bool holds(const char *sr, const char *key, int pattern, int64_t offset, int64_t bytes)
{
        const char *format;
        g_autofree char *path = image_of(sr, key, &format), *command = NULL, *output = NULL;
        int status;

        command =
            g_strdup_printf("qemu-io -r -f %s -c 'read -P %d %" G_GINT64_FORMAT " %" G_GINT64_FORMAT "' %s",
                            format, pattern, offset, bytes, path);
        g_assert_true(g_spawn_command_line_sync(command, &output, NULL, &status, NULL));
        return status == 0 && strstr(output, "Pattern verification failed") == NULL;
}

static void sound(const char *sr, const char *key)
{
        const char *format;
        g_autofree char *path = image_of(sr, key, &format);

        if (strcmp(format, "qcow2") == 0)
                g_assert_true(run("qemu-img check -q -f qcow2 %s", path));
}

static size_t length(MethodFunction method, json_t *args)
{
        json_t *list = ok(method, args);
        size_t n = json_array_size(list);

        json_decref(list);
        return n;
}

static size_t files(const char *sr)
{
        GDir *dir = g_dir_open(sr, 0, NULL);
        size_t n = 0;

        while (g_dir_read_name(dir) != NULL)
                n++;
        g_dir_close(dir);
        return n;
}

static int64_t collect(const char *sr)
{
        json_t *result = ok(directory_collect, json_pack("{s:s, s:[]}", "sr", sr, "busy"));
        int64_t n = json_integer_value(result);

        json_decref(result);
        return n;
}

static bool coalesce(const char *sr, const char *key)
{
        json_t *result = ok(volume_coalesce, at(sr, key));
        bool more = json_is_true(result);

        json_decref(result);
        return more;
}

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

static void remove_tree(const char *path)
{
        g_autofree char *command = g_strdup_printf("rm -rf '%s'", path);

        g_assert_cmpint(system(command), ==, 0);
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        if (g_find_program_in_path("qemu-img") == NULL || g_find_program_in_path("qemu-io") == NULL) {
                g_print("1..0 # SKIP qemu-utils is not installed\n");
                return 0;
        }
        directory_type = &directory_type_file;
        scratch = g_dir_make_tmp("test-chain-XXXXXX", NULL);
        g_test_add_func("/chain/formats", test_formats);
        g_test_add_data_func("/chain/copies/raw", "raw", test_copies);
        g_test_add_data_func("/chain/copies/qcow2", "qcow2", test_copies);
        g_test_add_func("/chain/depth", test_depth);
        g_test_add_func("/chain/sizes", test_sizes);
        g_test_add_data_func("/chain/coalesce/raw", "raw", test_coalesce);
        g_test_add_data_func("/chain/coalesce/qcow2", "qcow2", test_coalesce);
        g_test_add_func("/chain/images", test_images);
        g_test_add_func("/chain/forged-header", test_forged_header);
        r = g_test_run();
        remove_tree(scratch);
        g_free(scratch);
        return r;
}
