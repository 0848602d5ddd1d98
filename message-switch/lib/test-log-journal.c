/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-journal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#define MANY 10000 /* more than a socket holds that nobody reads */

typedef struct World {
        char *folder, *path;
        int fd; /* the journal's end */
        LogJournal *journal;
} World;

static int serve(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        g_assert_cmpint(fd, >=, 0);
        g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
        g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        return fd;
}

static void set_up(World *w, gconstpointer data)
{
        w->folder = g_dir_make_tmp("test-journal-XXXXXX", NULL);
        w->path = g_build_filename(w->folder, "socket", NULL);
        w->fd = serve(w->path);
        w->journal = log_journal_new(w->path);
        g_assert_nonnull(w->journal);
}

static void tear_down(World *w, gconstpointer data)
{
        log_journal_free(w->journal);
        close(w->fd);
        g_unlink(w->path);
        g_rmdir(w->folder);
        g_free(w->path);
        g_free(w->folder);
}

static void say(World *w, const char *message)
{
        log_journal_send(w->journal, &(LogField){ "MESSAGE", message }, 1);
}

/* False: nothing has come. */
static bool hear(World *w, GString *ret)
{
        static char bytes[64 << 10];
        ssize_t n = recv(w->fd, bytes, sizeof(bytes), 0);

        if (n < 0) {
                g_assert_cmpint(errno, ==, EAGAIN);
                return false;
        }
        g_string_truncate(ret, 0);
        g_string_append_len(ret, bytes, n);
        return true;
}

static bool ends(const GString *heard, const char *end)
{
        size_t n = strlen(end);

        return heard->len >= n && memcmp(heard->str + heard->len - n, end, n) == 0;
}

static void check_heard(World *w, const char *expected, size_t n)
{
        g_autoptr(GString) heard = g_string_new("");

        g_assert_true(hear(w, heard));
        g_assert_cmpmem(heard->str, heard->len, expected, n);
}

static void test_fields(World *w, gconstpointer data)
{
        static const char expected[] = "MESSAGE\n\x4\0\0\0\0\0\0\0a\nb=\nXAPI_VM\n\0\0\0\0\0\0\0\0\n";

        log_journal_send(w->journal, (LogField[]){ { "MESSAGE", "a\nb=" }, { "XAPI_VM", "" } }, 2);
        check_heard(w, expected, sizeof(expected) - 1);
}

static size_t heard_length(World *w, size_t n_bytes, const char *end)
{
        g_autoptr(GString) text = g_string_new(""), heard = g_string_new("");

        while (text->len < n_bytes)
                g_string_append_c(text, 'x');
        g_string_append(text, end);
        say(w, text->str);
        g_assert_true(hear(w, heard));
        return heard->len - strlen("MESSAGE\n") - sizeof(uint64_t) - strlen("\n");
}

static void test_long_values(World *w, gconstpointer data)
{
        const size_t max = LOG_VALUE_MAX;

        g_assert_cmpuint(heard_length(w, max, ""), ==, max);
        g_assert_cmpuint(heard_length(w, max + 1, ""), ==, max);
        g_assert_cmpuint(heard_length(w, max - 2, "\xe2\x82\xac"), ==, max - 2);
        g_assert_cmpuint(heard_length(w, max - 3, "\xe2\x82\xac"), ==, max);
}

/* Were it to wait, this would not end. */
static void test_nobody_reads(World *w, gconstpointer data)
{
        g_autoptr(GString) heard = g_string_new("");
        g_autofree char *lost = NULL;
        size_t n = 0;

        for (size_t i = 0; i < MANY; i++)
                say(w, "flood");
        while (hear(w, heard))
                n++;
        g_assert_cmpuint(n, >, 0);
        g_assert_cmpuint(n, <, MANY);
        say(w, "after");
        g_assert_true(hear(w, heard));
        lost = g_strdup_printf("%zu\n", MANY - n);
        g_assert_true(ends(heard, lost));
        g_assert_true(hear(w, heard));
        g_assert_true(ends(heard, "after\n"));
        g_assert_false(hear(w, heard));
}

static void test_nobody_serves(World *w, gconstpointer data)
{
        g_autoptr(GString) heard = g_string_new("");

        close(w->fd);
        say(w, "one");
        g_unlink(w->path);
        say(w, "two");
        w->fd = serve(w->path);
        say(w, "three");
        g_assert_true(hear(w, heard));
        g_assert_true(ends(heard, "2\n"));
        g_assert_true(hear(w, heard));
        g_assert_true(ends(heard, "three\n"));
}

static void add(const char *name, void (*function)(World *w, gconstpointer data))
{
        g_test_add(name, World, NULL, set_up, function, tear_down);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        add("/log-journal/fields", test_fields);
        add("/log-journal/long-values", test_long_values);
        add("/log-journal/nobody-reads", test_nobody_reads);
        add("/log-journal/nobody-serves", test_nobody_serves);
        return g_test_run();
}
