/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "journal.h"

static char *path;

static void set(Journal *journal, const char *key, int number)
{
        json_t *value = json_integer(number);

        g_assert_cmpint(journal_set(journal, key, value), ==, 0);
        json_decref(value);
}

static void collect(const char *key, const json_t *value, void *data)
{
        g_string_append_printf(data, "%s=%d ", key, (int)json_integer_value(value));
}

static void expect(Journal *journal, const char *expected)
{
        g_autoptr(GString) found = g_string_new(NULL);

        journal_each(journal, collect, found);
        g_assert_cmpstr(found->str, ==, expected);
}

static Journal *open_journal(void)
{
        Journal *journal;

        g_assert_cmpint(journal_open(path, &journal), ==, 0);
        return journal;
}

static void test_again(void)
{
        Journal *journal = open_journal();

        set(journal, "a", 1);
        set(journal, "b\n\"", 2);
        set(journal, "a", 3);
        g_assert_cmpint(journal_set(journal, "b\n\"", NULL), ==, 0);
        g_assert_cmpint(journal_set(journal, "never", NULL), ==, 0);
        journal_close(journal);
        journal = open_journal();
        expect(journal, "a=3 ");
        journal_close(journal);
}

static void append_bytes(const char *bytes)
{
        int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

        g_assert_cmpint(write(fd, bytes, strlen(bytes)), ==, (ssize_t)strlen(bytes));
        close(fd);
}

static void test_torn(void)
{
        static const char *const tails[] = { "[",  "[\"x\",", "[\"x\",4]",     "[\"x\",{]\n",
                                             "\n", "[1,2]\n", "[\"\xff\",1]\n" };

        for (size_t i = 0; i < G_N_ELEMENTS(tails); i++) {
                Journal *journal;

                append_bytes(tails[i]);
                journal = open_journal();
                expect(journal, "a=3 ");
                set(journal, "y", 5);
                journal_close(journal);
                journal = open_journal();
                g_assert_cmpint(journal_set(journal, "y", NULL), ==, 0);
                expect(journal, "a=3 ");
                journal_close(journal);
        }
}

static void test_rewrite(void)
{
        Journal *journal = open_journal();
        size_t before;

        for (int i = 0; i <= 2; i++)
                set(journal, "a", i);
        before = journal_lines(journal);
        for (size_t i = before; i < JOURNAL_SLACK + 2; i++)
                set(journal, "a", 7);
        g_assert_cmpuint(journal_lines(journal), ==, JOURNAL_SLACK + 2);
        set(journal, "a", 8);
        g_assert_cmpuint(journal_lines(journal), ==, 1);
        set(journal, "c", 9);
        journal_close(journal);
        journal = open_journal();
        g_assert_cmpuint(journal_lines(journal), ==, 2);
        g_assert_cmpint(journal_set(journal, "c", NULL), ==, 0);
        expect(journal, "a=8 ");
        journal_close(journal);
}

/* A change that does not fit leaves nothing behind. */
static void test_full(void)
{
        g_autofree char *text = g_strnfill(65536, 'x');
        json_t *value = json_string(text);
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                Journal *journal = open_journal();

                signal(SIGXFSZ, SIG_IGN);
                setrlimit(RLIMIT_FSIZE, &(struct rlimit){ .rlim_cur = 32768, .rlim_max = 32768 });
                if (journal_set(journal, "big", value) != -ENOSPC)
                        _exit(1);
                set(journal, "a", 10);
                journal_close(journal);
                _exit(0);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status));
        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
        Journal *journal = open_journal();
        expect(journal, "a=10 ");
        journal_close(journal);
        json_decref(value);
}

int main(int argc, char **argv)
{
        g_autofree char *folder = NULL;
        int r;

        g_test_init(&argc, &argv, NULL);
        folder = g_dir_make_tmp("test-journal-XXXXXX", NULL);
        path = g_build_filename(folder, "journal", NULL);
        g_test_add_func("/journal/again", test_again);
        g_test_add_func("/journal/torn", test_torn);
        g_test_add_func("/journal/rewrite", test_rewrite);
        g_test_add_func("/journal/full", test_full);
        r = g_test_run();
        g_unlink(path);
        g_rmdir(folder);
        g_free(path);
        return r;
}
