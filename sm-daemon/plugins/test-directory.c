/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugins "dir" and "file", their methods called as functions, and, where a process is to be killed, as the executable. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "call.h"
#include "directory/directory.h"
#include "directory/disk.h"
#include "directory/image.h"
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

static char *make_sr(const char *name)
{
        char *location = g_build_filename(scratch, name, NULL);

        done(directory_create, json_pack("{s:s, s:{s:s}, s:s, s:s}", "uuid", SR_UUID, "configuration",
                                         "location", location, "name", "Local", "description", ""));
        done(directory_attach, json_pack("{s:{s:s}}", "configuration", "location", location));
        return location;
}

static char *make_disk(const char *sr, const char *name, int64_t size)
{
        json_t *volume =
            ok(volume_create,
               json_pack("{s:s, s:s, s:s, s:I, s:b, s:{s:s}}", "sr", sr, "name", name, "description",
                         "about it", "size", (json_int_t)size, "sharable", 0, "keys", "vdi-type", "user"));
        char *key = g_strdup(json_string_value(json_object_get(volume, "key")));

        json_decref(volume);
        return key;
}

static size_t count(const char *sr)
{
        json_t *volumes = ok(directory_ls, json_pack("{s:s}", "sr", sr));
        size_t n = json_array_size(volumes);

        json_decref(volumes);
        return n;
}

static char *image_path(const char *sr, const char *key)
{
        g_autofree char *name = g_strconcat(key, ".raw", NULL);

        return g_build_filename(sr, name, NULL);
}

static bool exists(const char *sr, const char *name)
{
        g_autofree char *path = g_build_filename(sr, name, NULL);

        return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void make_file(const char *sr, const char *name)
{
        g_autofree char *path = g_build_filename(sr, name, NULL);

        g_assert_true(g_file_set_contents(path, "x", 1, NULL));
}

static void test_life(void)
{
        g_autofree char *sr = make_sr("life"), *key = make_disk(sr, "first", 10 * MIB + 1),
                        *path = image_path(sr, key);
        struct stat st;
        json_t *volume;

        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_size, ==, 10 * MIB + IMAGE_SECTOR_BYTES);
        g_assert_cmpint(st.st_blocks, <, 64);
        done(volume_resize, json_pack("{s:s, s:s, s:i}", "sr", sr, "key", key, "new_size", 20 * MIB));
        fails(volume_resize, json_pack("{s:s, s:s, s:i}", "sr", sr, "key", key, "new_size", 10 * MIB),
              FAILURE_VDI_SIZE);
        done(volume_set_name,
             json_pack("{s:s, s:s, s:s}", "sr", sr, "key", key, "new_name", "zweite \xc3\xbc"));
        done(volume_set, json_pack("{s:s, s:s, s:s, s:s}", "sr", sr, "key", key, "k", "a", "v", "b"));
        done(volume_unset, json_pack("{s:s, s:s, s:s}", "sr", sr, "key", key, "k", "vdi-type"));
        volume = ok(volume_stat, at(sr, key));
        g_assert_cmpint(json_integer_value(json_object_get(volume, "virtual_size")), ==, 20 * MIB);
        g_assert_cmpstr(json_string_value(json_object_get(volume, "name")), ==, "zweite \xc3\xbc");
        g_assert_cmpint((gint64)json_object_size(json_object_get(volume, "keys")), ==, 1);
        json_decref(volume);
        g_assert_cmpuint(count(sr), ==, 1);
        fails(directory_destroy, json_pack("{s:s}", "sr", sr), "SR_NOT_EMPTY");
        done(volume_destroy, at(sr, key));
        done(volume_destroy, at(sr, key));
        fails(volume_stat, at(sr, key), "Volume_does_not_exist");
        done(directory_destroy, json_pack("{s:s}", "sr", sr));
        g_assert_false(g_file_test(sr, G_FILE_TEST_EXISTS));
}

static void write_at(const char *path, off_t offset, const char *text)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        g_assert_cmpint(pwrite(fd, text, strlen(text), offset), ==, (ssize_t)strlen(text));
        close(fd);
}

static void assert_at(const char *path, off_t offset, const char *text)
{
        char found[64] = { 0 };
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        g_assert_cmpint(pread(fd, found, strlen(text), offset), ==, (ssize_t)strlen(text));
        g_assert_cmpstr(found, ==, text);
        close(fd);
}

static void test_copies(void)
{
        g_autofree char *sr = make_sr("copies"), *key = make_disk(sr, "source", 100 * MIB);
        g_autofree char *source = image_path(sr, key), *path = NULL;
        json_t *volume;
        struct stat st;

        write_at(source, 0, "begin");
        write_at(source, 50 * MIB + 3, "middle");
        write_at(source, 100 * MIB - 3, "end");
        volume = ok(volume_snapshot, json_pack("{s:s, s:s, s:s, s:{s:s}}", "sr", sr, "key", key, "name",
                                               "later", "keys", "snapshot_of", key));
        path = image_path(sr, json_string_value(json_object_get(volume, "key")));
        assert_at(path, 0, "begin");
        assert_at(path, 50 * MIB + 3, "middle");
        assert_at(path, 100 * MIB - 3, "end");
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_blocks, <, 1024);
        g_assert_true(json_is_false(json_object_get(volume, "read_write")));
        g_assert_cmpstr(json_string_value(json_object_get(volume, "name")), ==, "later");
        g_assert_cmpstr(json_string_value(json_object_get(volume, "description")), ==, "about it");
        g_assert_null(json_object_get(json_object_get(volume, "keys"), "vdi-type"));
        json_decref(volume);
        volume = ok(volume_clone, at(sr, key));
        g_assert_true(json_is_true(json_object_get(volume, "read_write")));
        json_decref(volume);
        g_assert_cmpuint(count(sr), ==, 3);
        fails(volume_clone, at(sr, SR_UUID), "Volume_does_not_exist");
}

/* A writer that goes on while a copy is made: a copy either fails or is a state that the source once had. The writer
 * keeps both ends of the disk equal or one apart, the first being written first. */
static void test_copy_while_written(void)
{
        g_autofree char *sr = make_sr("written"), *key = make_disk(sr, "source", 4 * MIB);
        g_autofree char *source = image_path(sr, key);
        pid_t writer;

        writer = fork();
        if (writer == 0) {
                int fd = open(source, O_WRONLY | O_CLOEXEC);

                for (uint32_t i = 0;; i++)
                        if (pwrite(fd, &i, sizeof(i), 0) < 0 ||
                            pwrite(fd, &i, sizeof(i), 4 * MIB - sizeof(i)) < 0)
                                _exit(1);
        }
        for (int i = 0; i < 20; i++) {
                json_t *args = at(sr, key), *volume;
                Failure failure = { 0 };

                volume = volume_snapshot(args, &failure);
                if (volume != NULL) {
                        g_autofree char *path =
                            image_path(sr, json_string_value(json_object_get(volume, "key")));
                        uint32_t first, last;
                        int fd = open(path, O_RDONLY | O_CLOEXEC);

                        g_assert_cmpint(pread(fd, &first, sizeof(first), 0), ==, sizeof(first));
                        g_assert_cmpint(pread(fd, &last, sizeof(last), 4 * MIB - sizeof(last)), ==,
                                        sizeof(last));
                        g_assert_true(first == last || first == last + 1);
                        close(fd);
                } else {
                        g_assert_cmpstr(failure.code, ==, FAILURE_SR_GENERAL);
                }
                json_decref(volume);
                json_decref(args);
        }
        kill(writer, SIGKILL);
        waitpid(writer, NULL, 0);
}

static void test_paths(void)
{
        static const char *const keys[] = { "",
                                            ".",
                                            "..",
                                            "../x",
                                            "/etc/passwd",
                                            "sr.json",
                                            "AAAAAAAA-0000-4000-8000-000000000000",
                                            SR_UUID "/",
                                            SR_UUID "0",
                                            "11111111-2222-4333-8444-55555555555" };
        static const char *const locations[] = { "", "relative", "/tmp/../etc", "/tmp/.." };
        g_autofree char *sr = make_sr("paths"), *inner = g_build_filename(sr, SR_UUID ".json", NULL);
        g_autofree char *target = make_disk(sr, "target", 4096);
        g_autofree char *target_name = g_strconcat(target, ".json", NULL),
                        *target_path = g_build_filename(sr, target_name, NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
                fails(volume_stat, at(sr, keys[i]), "Volume_does_not_exist");
                fails(volume_destroy, at(sr, keys[i]), "Volume_does_not_exist");
                fails(volume_clone, at(sr, keys[i]), "Volume_does_not_exist");
        }
        for (size_t i = 0; i < G_N_ELEMENTS(locations); i++)
                fails(directory_attach, json_pack("{s:{s:s}}", "configuration", "location", locations[i]),
                      FAILURE_SR_GENERAL);
        /* A link in a disk's place is no disk. */
        g_assert_cmpint(symlink(target_path, inner), ==, 0);
        g_assert_cmpuint(count(sr), ==, 1);
        fails(volume_set_name, json_pack("{s:s, s:s, s:s}", "sr", sr, "key", SR_UUID, "new_name", "x"),
              FAILURE_SR_GENERAL);
}

static void test_limits(void)
{
        g_autofree char *sr = make_sr("limits"), *key = make_disk(sr, "disk", 1);
        g_autofree char *longest = g_strnfill(DISK_TEXT_MAX, 'x'),
                        *too_long = g_strnfill(DISK_TEXT_MAX + 1, 'x');
        int64_t rounded;

        done(volume_set_name, json_pack("{s:s, s:s, s:s}", "sr", sr, "key", key, "new_name", longest));
        fails(volume_set_name, json_pack("{s:s, s:s, s:s}", "sr", sr, "key", key, "new_name", too_long),
              FAILURE_SR_GENERAL);
        g_assert_cmpint(image_size_round(IMAGE_SIZE_MAX, &rounded), ==, 0);
        g_assert_cmpint(image_size_round(IMAGE_SIZE_MAX + 1, &rounded), ==, -EINVAL);
        g_assert_cmpint(image_size_round(0, &rounded), ==, -EINVAL);
        g_assert_cmpint(image_size_round(-1, &rounded), ==, -EINVAL);
}

static void test_damaged(void)
{
        g_autofree char *sr = make_sr("damaged"), *good = make_disk(sr, "good", 4096),
                        *bad = make_disk(sr, "bad", 4096);
        g_autofree char *name = g_strconcat(bad, ".json", NULL), *document = g_build_filename(sr, name, NULL);
        g_autofree char *sr_document = g_build_filename(sr, DIRECTORY_DOCUMENT, NULL);

        g_assert_true(g_file_set_contents(document, "{\"name\": 3}", -1, NULL));
        g_assert_cmpuint(count(sr), ==, 1);
        fails(volume_stat, at(sr, bad), FAILURE_SR_GENERAL);
        done(volume_destroy, at(sr, bad));
        g_assert_true(g_file_set_contents(sr_document,
                                          "{\"version\":99,\"type\":\"dir\",\"image_format\":\"raw\","
                                          "\"uuid\":\"\",\"name\":\"\",\"description\":\"\"}",
                                          -1, NULL));
        fails(directory_ls, json_pack("{s:s}", "sr", sr), FAILURE_SR_GENERAL);
}

/* What a process that was killed can leave behind is never listed, and goes when the SR is attached; nothing else does. */
static void test_sweep(void)
{
        static const char *const ours[] = { SR_UUID ".raw", SR_UUID ".qcow2.part", SR_UUID ".raw.part",
                                            SR_UUID ".json.new" };
        static const char *const others[] = { "mine.raw", SR_UUID ".iso", SR_UUID, SR_UUID ".raw.bak" };
        g_autofree char *sr = make_sr("sweep");

        for (size_t i = 0; i < G_N_ELEMENTS(ours); i++)
                make_file(sr, ours[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
                make_file(sr, others[i]);
        g_assert_cmpuint(count(sr), ==, 0);
        done(directory_attach, json_pack("{s:{s:s}}", "configuration", "location", sr));
        for (size_t i = 0; i < G_N_ELEMENTS(ours); i++)
                g_assert_false(exists(sr, ours[i]));
        for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
                g_assert_true(exists(sr, others[i]));
}

static pid_t start_method(const char *method, json_t *args)
{
        g_autofree char *path =
            g_build_filename(g_getenv("SM_PLUGINS"), "volume/org.xen.xapi.storage.dir", method, NULL);
        int input[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        char *text = json_dumps(args, JSON_COMPACT);
        pid_t pid;

        g_assert_cmpint(pipe2(input, O_CLOEXEC), ==, 0);
        pid = fork();
        if (pid == 0) {
                dup2(input[0], 0);
                dup2(null, 1);
                execl(path, path, "--json", NULL);
                _exit(127);
        }
        g_assert_cmpint(write(input[1], text, strlen(text)), ==, (ssize_t)strlen(text));
        close(input[0]);
        close(input[1]);
        close(null);
        free(text);
        json_decref(args);
        return pid;
}

static void test_killed(void)
{
        g_autofree char *sr = make_sr("killed"), *key = make_disk(sr, "source", 8 * MIB);
        size_t before;
        int status;

        for (useconds_t i = 0; i < 40; i++) {
                pid_t pid = start_method("Volume.clone", at(sr, key));

                usleep(i * 100);
                kill(pid, SIGKILL);
                waitpid(pid, &status, 0);
        }
        done(directory_attach, json_pack("{s:{s:s}}", "configuration", "location", sr));
        before = count(sr);
        g_assert_cmpuint(before, >=, 1);
        for (size_t i = 1; i < before; i++) {
                json_t *volumes = ok(directory_ls, json_pack("{s:s}", "sr", sr));
                pid_t pid;

                for (size_t j = 0; j < json_array_size(volumes); j++) {
                        const char *copy =
                            json_string_value(json_object_get(json_array_get(volumes, j), "key"));

                        g_assert_cmpint(
                            json_integer_value(json_object_get(json_array_get(volumes, j), "virtual_size")),
                            ==, 8 * MIB);
                        if (strcmp(copy, key) == 0)
                                continue;
                        pid = start_method("Volume.destroy", at(sr, copy));
                        usleep((useconds_t)i * 100);
                        kill(pid, SIGKILL);
                        waitpid(pid, &status, 0);
                }
                json_decref(volumes);
        }
        /* Whole or not at all: whatever is still listed can be destroyed. */
        done(volume_stat, at(sr, key));
}

/* In a mount namespace of its own: fills a file system of 512 KiB. */
static void fill_disk(const char *location)
{
        g_autofree char *sr = NULL, *key = NULL, *source = NULL, *filler = g_strnfill(300 * 1024, 'x');
        json_t *volume;

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            g_mkdir(location, 0700) < 0 || mount("none", location, "tmpfs", 0, "size=512k") < 0)
                _exit(77);
        sr = make_sr("full");
        key = make_disk(sr, "source", MIB);
        source = image_path(sr, key);
        write_at(source, 0, filler);
        fails(volume_clone, at(sr, key), FAILURE_SR_NO_SPACE);
        g_assert_cmpuint(count(sr), ==, 1);
        done(volume_stat, at(sr, key));
        done(volume_destroy, at(sr, key));
        g_free(key);
        key = make_disk(sr, "after", MIB);
        volume = ok(directory_stat, json_pack("{s:s}", "sr", sr));
        g_assert_cmpint(json_integer_value(json_object_get(volume, "free_space")), >, 400 * 1024);
        json_decref(volume);
        _exit(0);
}

static void test_disk_full(void)
{
        g_autofree char *location = g_build_filename(scratch, "full", NULL);
        int status;
        pid_t pid;

        pid = fork();
        if (pid == 0)
                fill_disk(location);
        waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
                g_test_skip("needs the right to mount");
                return;
        }
        g_assert_true(WIFEXITED(status));
        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static void test_probe(void)
{
        g_autofree char *sr = make_sr("probe"), *none = g_build_filename(scratch, "none", NULL);
        json_t *results = ok(directory_probe, json_pack("{s:{s:s}}", "configuration", "location", sr));

        g_assert_cmpstr(
            json_string_value(json_object_get(json_object_get(json_array_get(results, 0), "sr"), "uuid")), ==,
            SR_UUID);
        json_decref(results);
        results = ok(directory_probe, json_pack("{s:{s:s}}", "configuration", "location", none));
        g_assert_null(json_object_get(json_array_get(results, 0), "sr"));
        json_decref(results);
        fails(directory_attach, json_pack("{s:{s:s}}", "configuration", "location", none),
              FAILURE_SR_GENERAL);
        /* The same again is no error; another SR in the same place is. */
        done(directory_create, json_pack("{s:s, s:{s:s}, s:s, s:s}", "uuid", SR_UUID, "configuration",
                                         "location", sr, "name", "", "description", ""));
        fails(directory_create,
              json_pack("{s:s, s:{s:s}, s:s, s:s}", "uuid", "other", "configuration", "location", sr, "name",
                        "", "description", ""),
              FAILURE_SR_GENERAL);
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
        directory_type = &directory_type_dir;
        scratch = g_dir_make_tmp("test-directory-XXXXXX", NULL);
        g_test_add_func("/directory/life", test_life);
        g_test_add_func("/directory/copies", test_copies);
        g_test_add_func("/directory/copy-while-written", test_copy_while_written);
        g_test_add_func("/directory/paths", test_paths);
        g_test_add_func("/directory/limits", test_limits);
        g_test_add_func("/directory/damaged", test_damaged);
        g_test_add_func("/directory/sweep", test_sweep);
        g_test_add_func("/directory/killed", test_killed);
        g_test_add_func("/directory/disk-full", test_disk_full);
        g_test_add_func("/directory/probe", test_probe);
        r = g_test_run();
        remove_tree(scratch);
        g_free(scratch);
        return r;
}
