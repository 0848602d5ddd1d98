/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ledger.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

static char *folder, *path;

static void set_up(void)
{
        folder = g_dir_make_tmp("ledger-XXXXXX", NULL);
        path = g_build_filename(folder, "sub", "ledger", NULL);
}

static void tear_down(void)
{
        g_autofree char *sub = g_path_get_dirname(path);
        g_unlink(path);
        g_rmdir(sub);
        g_rmdir(folder);
        g_free(path);
        g_free(folder);
}

/* What somebody else put there, or could, is not believed. */
static void test_folder_of_others(void)
{
        set_up();
        g_autofree char *sub = g_path_get_dirname(path), *away = g_build_filename(folder, "away", NULL),
                        *error = NULL;
        g_assert_cmpint(g_mkdir(sub, 0700), ==, 0);
        for (size_t i = 0; i < 2; i++) {
                g_assert_cmpint(g_chmod(sub, i ? 0720 : 0702), ==, 0);
                g_assert_null(ledger_open(path, &error));
                g_assert_true(g_str_has_suffix(error, "not this user's alone"));
                g_clear_pointer(&error, g_free);
        }
        g_assert_cmpint(g_chmod(sub, 0700), ==, 0);
        if (geteuid() == 0) {
                g_assert_cmpint(chown(sub, 1, 0), ==, 0);
                g_assert_null(ledger_open(path, &error));
                g_clear_pointer(&error, g_free);
                g_assert_cmpint(chown(sub, 0, 0), ==, 0);
        }
        g_assert_cmpint(symlink("/etc/passwd", path), ==, 0);
        g_assert_null(ledger_open(path, &error));
        g_clear_pointer(&error, g_free);
        g_assert_cmpint(g_unlink(path), ==, 0);
        g_assert_cmpint(g_rename(sub, away), ==, 0);
        g_assert_cmpint(symlink(away, sub), ==, 0);
        g_assert_null(ledger_open(path, &error));
        g_clear_pointer(&error, g_free);
        g_unlink(sub);
        g_rmdir(away);
        tear_down();
}

static Ledger *reopen(Ledger *ledger)
{
        char *error = NULL;
        ledger_close(ledger);
        Ledger *again = ledger_open(path, &error);
        g_assert_cmpstr(error, ==, NULL);
        return again;
}

static void assert_has(Ledger *ledger, const char *key, const char *text)
{
        g_autofree char *got = NULL;
        g_assert_cmpint(ledger_get(ledger, key, &got), ==, text ? 0 : -ENOENT);
        g_assert_cmpstr(got, ==, text);
}

static void test_kept(void)
{
        set_up();
        Ledger *ledger = reopen(NULL);
        g_assert_cmpint(ledger_put(ledger, "a/1", "one"), ==, 0);
        g_assert_cmpint(ledger_put(ledger, "a/2", "two words"), ==, 0);
        g_assert_cmpint(ledger_put(ledger, "b", "x"), ==, 0);
        g_assert_cmpint(ledger_put(ledger, "a/1", "other"), ==, 0);
        g_assert_cmpint(ledger_remove(ledger, "b"), ==, 0);
        g_assert_cmpint(ledger_remove(ledger, "none"), ==, 0);
        for (int i = 0; i < 2; i++) {
                assert_has(ledger, "a/1", "other");
                assert_has(ledger, "a/2", "two words");
                assert_has(ledger, "b", NULL);
                g_auto(GStrv) keys = ledger_keys(ledger, "a/");
                g_assert_cmpuint(g_strv_length(keys), ==, 2);
                ledger = reopen(ledger);
        }
        ledger_close(ledger);
        tear_down();
}

static void test_limits(void)
{
        set_up();
        Ledger *ledger = reopen(NULL);
        g_autofree char *key = g_strnfill(LEDGER_KEY_MAX, 'k'), *longer = g_strnfill(LEDGER_KEY_MAX + 1, 'k');
        g_autofree char *text = g_strnfill(LEDGER_TEXT_MAX, 't'),
                        *more = g_strnfill(LEDGER_TEXT_MAX + 1, 't');
        g_assert_cmpint(ledger_put(ledger, key, text), ==, 0);
        g_assert_cmpint(ledger_put(ledger, longer, "x"), ==, -EINVAL);
        g_assert_cmpint(ledger_put(ledger, "x", more), ==, -EINVAL);
        g_assert_cmpint(ledger_put(ledger, "x", ""), ==, -EINVAL);
        g_assert_cmpint(ledger_put(ledger, "", "x"), ==, -EINVAL);
        g_assert_cmpint(ledger_put(ledger, "a b", "x"), ==, -EINVAL);
        g_assert_cmpint(ledger_put(ledger, "x", "a\nb"), ==, -EINVAL);
        ledger = reopen(ledger);
        assert_has(ledger, key, text);
        ledger_close(ledger);
        tear_down();
}

/* The file as it stands after any prefix of its bytes: every line that is whole holds. */
static void test_torn(void)
{
        set_up();
        Ledger *ledger = reopen(NULL);
        struct stat empty, st;
        g_stat(path, &empty);
        ledger_put(ledger, "a", "one");
        g_stat(path, &st);
        ledger_put(ledger, "a", "two");
        ledger_put(ledger, "b", "x");
        g_autofree char *bytes = NULL;
        gsize len;
        ledger_close(ledger);
        g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
        for (gsize n = 0; n <= len; n++) {
                g_assert_true(g_file_set_contents(path, bytes, (gssize)n, NULL));
                ledger = reopen(NULL);
                gsize line = (gsize)(st.st_size - empty.st_size);
                gsize whole = n < (gsize)empty.st_size ? 0 : (n - (gsize)empty.st_size) / line;
                assert_has(ledger, "a", n == len || whole >= 2 ? "two" : whole == 1 ? "one" : NULL);
                assert_has(ledger, "b", n == len ? "x" : NULL);
                /* And it can be written to as ever. */
                g_assert_cmpint(ledger_put(ledger, "c", "after"), ==, 0);
                ledger = reopen(ledger);
                assert_has(ledger, "c", "after");
                ledger_close(ledger);
        }
        tear_down();
}

static void test_damaged(void)
{
        set_up();
        Ledger *ledger = reopen(NULL);
        ledger_put(ledger, "a", "one");
        ledger_put(ledger, "b", "two");
        ledger_close(ledger);
        g_autofree char *bytes = NULL;
        gsize len;
        g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
        for (gsize i = 0; i < len; i++) {
                bytes[i] ^= 4;
                g_assert_true(g_file_set_contents(path, bytes, (gssize)len, NULL));
                bytes[i] ^= 4;
                ledger = reopen(NULL);
                char *text = NULL;
                if (ledger_get(ledger, "a", &text) == 0)
                        g_assert_cmpstr(text, ==, "one");
                g_clear_pointer(&text, g_free);
                if (ledger_get(ledger, "b", &text) == 0)
                        g_assert_cmpstr(text, ==, "two");
                g_free(text);
                ledger_close(ledger);
        }
        tear_down();
}

static void test_written_anew(void)
{
        set_up();
        Ledger *ledger = reopen(NULL);
        g_autofree char *text = g_strnfill(1000, 'x');
        struct stat st;
        ledger_put(ledger, "first", "1");
        ledger_put(ledger, "second", "2");
        for (int i = 0; i < 20000; i++)
                g_assert_cmpint(ledger_put(ledger, "many", text), ==, 0);
        g_stat(path, &st);
        g_assert_cmpint(st.st_size, <, 2 * LEDGER_GARBAGE_MIN);
        for (int i = 0; i < 2; i++) {
                assert_has(ledger, "first", "1");
                assert_has(ledger, "second", "2");
                assert_has(ledger, "many", text);
                ledger = reopen(ledger);
        }
        ledger_close(ledger);
        tear_down();
}

/* A write that fails in the middle changes nothing. */
static void test_cut_short(void)
{
        set_up();
        Ledger *ledger = reopen(NULL);
        g_autofree char *text = g_strnfill(100000, 'x');
        struct rlimit old, limited;
        ledger_put(ledger, "a", "one");
        getrlimit(RLIMIT_FSIZE, &old);
        limited = (struct rlimit){ 50000, old.rlim_max };
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limited);
        g_assert_cmpint(ledger_put(ledger, "a", text), ==, -EFBIG);
        assert_has(ledger, "a", "one");
        g_assert_cmpint(ledger_put(ledger, "b", "two"), ==, 0);
        setrlimit(RLIMIT_FSIZE, &old);
        ledger = reopen(ledger);
        assert_has(ledger, "a", "one");
        assert_has(ledger, "b", "two");
        ledger_close(ledger);
        tear_down();
}

/* On a full disk nothing can be put, and what is there stays; all can be removed. */
static void test_full(void)
{
        set_up();
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("ledger", folder, "tmpfs", 0, "size=1m") < 0) {
                g_test_skip("a small disk cannot be mounted here");
                tear_down();
                return;
        }
        Ledger *ledger = reopen(NULL);
        g_autofree char *text = g_strnfill(400, 'x');
        char key[16];
        int n = 0, r;
        do
                g_snprintf(key, sizeof key, "k%d", n++);
        while ((r = ledger_put(ledger, key, text)) == 0);
        g_assert_cmpint(r, ==, -ENOSPC);
        g_assert_cmpint(n, >, 1000);
        for (int i = 0; i < 1000; i++) {
                g_snprintf(key, sizeof key, "k%d", i);
                g_assert_cmpint(ledger_remove(ledger, key), ==, 0);
        }
        ledger = reopen(ledger);
        g_auto(GStrv) keys = ledger_keys(ledger, "k");
        g_assert_cmpint((int)g_strv_length(keys), ==, n - 1 - 1000);
        ledger_close(ledger);
        umount2(folder, MNT_DETACH);
        tear_down();
}

static void test_one_process(void)
{
        char *error = NULL;
        set_up();
        Ledger *ledger = reopen(NULL);
        g_assert_null(ledger_open(path, &error));
        g_assert_nonnull(error);
        g_free(error);
        ledger_close(ledger);
        tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ledger/folder-of-others", test_folder_of_others);
        g_test_add_func("/ledger/kept", test_kept);
        g_test_add_func("/ledger/limits", test_limits);
        g_test_add_func("/ledger/torn", test_torn);
        g_test_add_func("/ledger/damaged", test_damaged);
        g_test_add_func("/ledger/written-anew", test_written_anew);
        g_test_add_func("/ledger/cut-short", test_cut_short);
        g_test_add_func("/ledger/full", test_full);
        g_test_add_func("/ledger/one-process", test_one_process);
        return g_test_run();
}
