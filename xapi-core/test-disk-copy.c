/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "disk-copy.h"
#include "model.h"

#define MIB (INT64_C(1) << 20)

typedef struct Files {
        int from, to;
} Files;

static int temporary(void)
{
        g_autofree char *path = NULL;
        int fd = g_file_open_tmp("test-disk-copy-XXXXXX", &path, NULL);

        g_assert_cmpint(fd, >=, 0);
        g_unlink(path);
        return fd;
}

static void set_up(Files *f, gconstpointer data)
{
        f->from = temporary();
        f->to = temporary();
}

static void tear_down(Files *f, gconstpointer data)
{
        close(f->from);
        close(f->to);
}

static void put(int fd, int64_t at, const char *text)
{
        g_assert_cmpint(pwrite(fd, text, strlen(text), at), ==, (ssize_t)strlen(text));
}

static void check_text(int fd, int64_t at, const char *text)
{
        char got[64] = "";

        g_assert_cmpint(pread(fd, got, strlen(text), at), ==, (ssize_t)strlen(text));
        g_assert_cmpstr(got, ==, text);
}

static void check_zero(int fd, int64_t at)
{
        char got = 1;

        g_assert_cmpint(pread(fd, &got, 1, at), ==, 1);
        g_assert_cmpint(got, ==, 0);
}

static int copy(Files *f, int to, int64_t bytes, bool fresh, bool (*go_on)(void *data, int64_t done),
                void *data)
{
        DiskStream *source = disk_stream_new_plain(dup(f->from)), *target = disk_stream_new_plain(dup(to));
        DiskRing ring;
        int r;

        disk_ring_init(&ring);
        r = disk_copy_bytes(source, target, &ring, bytes, fresh, go_on, data);
        disk_stream_free(source);
        disk_stream_free(target);
        disk_ring_clear(&ring);
        return r;
}

static bool always(void *data, int64_t done)
{
        return true;
}

static void test_holes_stay(Files *f, gconstpointer data)
{
        struct stat st;

        g_assert_cmpint(ftruncate(f->from, 64 * MIB), ==, 0);
        g_assert_cmpint(ftruncate(f->to, 64 * MIB), ==, 0);
        put(f->from, 0, "first");
        put(f->from, 40 * MIB - 2, "across");
        put(f->from, 64 * MIB - 4, "last");
        g_assert_cmpint(copy(f, f->to, 64 * MIB, true, always, NULL), ==, 0);
        check_text(f->to, 0, "first");
        check_text(f->to, 40 * MIB - 2, "across");
        check_text(f->to, 64 * MIB - 4, "last");
        check_zero(f->to, 20 * MIB);
        g_assert_cmpint(fstat(f->to, &st), ==, 0);
        g_assert_cmpint(st.st_size, ==, 64 * MIB);
        g_assert_cmpint(st.st_blocks * 512, <, 16 * MIB);
}

/* What was there is no more, also where the source has nothing. */
static void test_old_data_goes(Files *f, gconstpointer data)
{
        g_assert_cmpint(ftruncate(f->from, 3 * MIB), ==, 0);
        put(f->from, MIB, "new");
        for (int64_t at = 0; at < 4 * MIB; at += MIB / 2)
                put(f->to, at, "old");
        g_assert_cmpint(copy(f, f->to, 3 * MIB, false, always, NULL), ==, 0);
        check_zero(f->to, 0);
        check_zero(f->to, 5 * MIB / 2);
        check_text(f->to, MIB, "new");
        check_text(f->to, 3 * MIB, "old");
}

static void test_short_source(Files *f, gconstpointer data)
{
        put(f->from, 0, "short");
        put(f->to, 100, "old");
        g_assert_cmpint(ftruncate(f->to, 1000), ==, 0);
        g_assert_cmpint(copy(f, f->to, 1000, false, always, NULL), ==, 0);
        check_text(f->to, 0, "short");
        check_zero(f->to, 100);
        check_zero(f->to, 999);
}

static void test_nothing(Files *f, gconstpointer data)
{
        g_assert_cmpint(copy(f, f->to, 0, true, always, NULL), ==, 0);
}

static bool three_times(void *data, int64_t done)
{
        return ++*(int *)data <= 3;
}

static void test_cancelled(Files *f, gconstpointer data)
{
        int asked = 0;

        g_autofree char *filled = g_malloc(9 * MIB);

        memset(filled, 'x', 9 * MIB);
        g_assert_cmpint(pwrite(f->from, filled, 9 * MIB, 0), ==, 9 * MIB);
        g_assert_cmpint(copy(f, f->to, 9 * MIB, false, three_times, &asked), ==, -ECANCELED);
        g_assert_cmpint(asked, ==, 4);
}

static void test_target_fails(Files *f, gconstpointer data)
{
        int full = open("/dev/full", O_RDWR);

        put(f->from, 0, "data");
        g_assert_cmpint(full, >=, 0);
        g_assert_cmpint(copy(f, full, MIB, true, always, NULL), ==, -ENOSPC);
        close(full);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        model_init();
        g_test_add("/disk-copy/holes-stay", Files, NULL, set_up, test_holes_stay, tear_down);
        g_test_add("/disk-copy/old-data-goes", Files, NULL, set_up, test_old_data_goes, tear_down);
        g_test_add("/disk-copy/short-source", Files, NULL, set_up, test_short_source, tear_down);
        g_test_add("/disk-copy/nothing", Files, NULL, set_up, test_nothing, tear_down);
        g_test_add("/disk-copy/cancelled", Files, NULL, set_up, test_cancelled, tear_down);
        g_test_add("/disk-copy/target-fails", Files, NULL, set_up, test_target_fails, tear_down);
        return g_test_run();
}
