/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The runner against executables that mean harm. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "message-switch/lib/loop.h"
#include "script.h"

#define LONG_USEC (120u * 1000000u)

static char *scratch;

static char *make_script(const char *name, const char *body)
{
        char *path = g_build_filename(scratch, name, NULL);
        g_autofree char *text = g_strdup_printf("#!/bin/sh\n%s\n", body);

        g_assert_true(g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0755, NULL));
        return path;
}

static int run_with(const char *name, const char *body, Script script, ScriptResult *ret)
{
        static const char *const none[] = { NULL };
        g_autofree char *path = make_script(name, body);

        script.path = path;
        if (script.arguments == NULL)
                script.arguments = none;
        if (script.deadline_usec == 0)
                script.deadline_usec = clock_usec() + LONG_USEC;
        return script_run(&script, ret);
}

static void test_plain(void)
{
        static const char *const arguments[] = { "--json", "b c", NULL };
        ScriptResult result;

        g_assert_cmpint(run_with("plain", "printf '%s|%s|%s|' \"$1\" \"$2\" \"$HOME\"; cat; pwd; exit 3",
                                 (Script){ .arguments = arguments, .input = "in", .input_len = 2 }, &result),
                        ==, 0);
        g_assert_cmpint(result.end, ==, SCRIPT_EXITED);
        g_assert_cmpint(result.status, ==, 3);
        g_assert_cmpstr(buffer_terminate(&result.output), ==, "--json|b c||in/\n");
        buffer_clear(&result.output);
}

static void test_no_start(void)
{
        static const char *const none[] = { NULL };
        g_autofree char *path = make_script("unstartable", "");
        ScriptResult result;

        g_chmod(path, 0644);
        g_assert_cmpint(script_run(&(Script){ .path = path, .arguments = none }, &result), ==, -EACCES);
        g_assert_cmpint(script_run(&(Script){ .path = "/nonexistent", .arguments = none }, &result), ==,
                        -ENOENT);
        g_chmod(path, 0755);
        g_assert_true(g_file_set_contents(path, "neither", -1, NULL));
        g_chmod(path, 0755);
        g_assert_cmpint(script_run(&(Script){ .path = path, .arguments = none }, &result), ==, -ENOEXEC);
}

static void test_descriptors(void)
{
        ScriptResult result;
        int leaks[2];

        g_assert_cmpint(pipe(leaks), ==, 0);
        g_assert_cmpint(run_with("descriptors", "ls /proc/self/fd; ps -o sid= -p $$ | tr -d ' '; echo $$",
                                 (Script){ 0 }, &result),
                        ==, 0);
        close(leaks[0]);
        close(leaks[1]);
        buffer_terminate(&result.output);
        /* 3 is the folder that ls reads. */
        g_assert_true(g_str_has_prefix(result.output.data, "0\n1\n2\n3\n"));
        g_auto(GStrv) lines = g_strsplit(result.output.data, "\n", -1);
        g_assert_cmpstr(lines[4], ==, lines[5]);
        buffer_clear(&result.output);
}

static void test_never_ends(void)
{
        ScriptResult result;

        g_assert_cmpint(run_with("never", "trap '' TERM INT HUP; while :; do sleep 1000; done",
                                 (Script){ .deadline_usec = clock_usec() + 100000 }, &result),
                        ==, 0);
        g_assert_cmpint(result.end, ==, SCRIPT_TIMED_OUT);
        buffer_clear(&result.output);
}

static bool cancelled(void *data)
{
        int *asked = data;

        return ++*asked > 2;
}

static void test_cancelled(void)
{
        ScriptResult result;
        int asked = 0;

        g_assert_cmpint(
            run_with("cancel", "sleep 1000", (Script){ .cancelled = cancelled, .data = &asked }, &result), ==,
            0);
        g_assert_cmpint(result.end, ==, SCRIPT_CANCELLED);
        buffer_clear(&result.output);
}

static void test_output_limit(void)
{
        g_autofree char *at_limit = g_strdup_printf("head -c %u /dev/zero", SCRIPT_OUTPUT_MAX);
        g_autofree char *past_limit = g_strdup_printf("head -c %u /dev/zero", SCRIPT_OUTPUT_MAX + 1);
        ScriptResult result;

        g_assert_cmpint(run_with("limit", at_limit, (Script){ 0 }, &result), ==, 0);
        g_assert_cmpint(result.end, ==, SCRIPT_EXITED);
        g_assert_cmpuint(result.output.len, ==, SCRIPT_OUTPUT_MAX);
        buffer_clear(&result.output);
        g_assert_cmpint(run_with("limit", past_limit, (Script){ 0 }, &result), ==, 0);
        g_assert_cmpint(result.end, ==, SCRIPT_FLOODED);
        buffer_clear(&result.output);
        g_assert_cmpint(run_with("flood", "cat /dev/zero", (Script){ 0 }, &result), ==, 0);
        g_assert_cmpint(result.end, ==, SCRIPT_FLOODED);
        buffer_clear(&result.output);
}

static void test_errors_flood(void)
{
        ScriptResult result;

        g_assert_cmpint(
            run_with("errors", "head -c 50000000 /dev/urandom >&2; echo done", (Script){ 0 }, &result), ==,
            0);
        g_assert_cmpint(result.end, ==, SCRIPT_EXITED);
        g_assert_cmpstr(buffer_terminate(&result.output), ==, "done\n");
        buffer_clear(&result.output);
}

static void test_signal(void)
{
        ScriptResult result;

        g_assert_cmpint(run_with("signal", "kill -SEGV $$", (Script){ 0 }, &result), ==, 0);
        g_assert_cmpint(result.end, ==, SCRIPT_SIGNALLED);
        g_assert_cmpint(result.status, ==, SIGSEGV);
        buffer_clear(&result.output);
}

/* More than fits into any buffer, for one that does not read, and for one that reads while it writes. */
static void test_large_input(void)
{
        g_autofree char *input = g_strnfill(8 << 20, 'x');
        ScriptResult result;

        g_assert_cmpint(
            run_with("deaf", "exec 0<&-; echo ok", (Script){ .input = input, .input_len = 8 << 20 }, &result),
            ==, 0);
        g_assert_cmpint(result.end, ==, SCRIPT_EXITED);
        buffer_clear(&result.output);
        g_assert_cmpint(run_with("echo", "cat", (Script){ .input = input, .input_len = 8 << 20 }, &result),
                        ==, 0);
        g_assert_cmpuint(result.output.len, ==, 8 << 20);
        g_assert_cmpmem(result.output.data, result.output.len, input, 8 << 20);
        buffer_clear(&result.output);
}

static bool gone(pid_t pid)
{
        for (int i = 0; i < 1000; i++) {
                if (kill(pid, 0) < 0)
                        return true;
                usleep(10000);
        }
        return false;
}

/* What it leaves running is killed; what has left its session is not waited for, though it holds the output open. */
static void test_descendants(void)
{
        ScriptResult result;
        pid_t kept, escaped;

        g_assert_cmpint(run_with("descendants", "sleep 1000 & echo $!; setsid sleep 1000 & echo $!",
                                 (Script){ 0 }, &result),
                        ==, 0);
        g_assert_cmpint(result.end, ==, SCRIPT_EXITED);
        g_assert_cmpint(sscanf(buffer_terminate(&result.output), "%d\n%d", &kept, &escaped), ==, 2);
        g_assert_true(gone(kept));
        kill(escaped, SIGKILL);
        buffer_clear(&result.output);
}

static gpointer run_many(gpointer data)
{
        static const char *const none[] = { NULL };
        g_autofree char *path = g_build_filename(scratch, "shared", NULL);

        for (int i = 0; i < 50; i++) {
                Script script = { .path = path, .arguments = none, .input = data, .input_len = strlen(data) };
                ScriptResult result;

                script.deadline_usec = clock_usec() + LONG_USEC;
                g_assert_cmpint(script_run(&script, &result), ==, 0);
                g_assert_cmpstr(buffer_terminate(&result.output), ==, data);
                buffer_clear(&result.output);
        }
        return NULL;
}

static void test_threads(void)
{
        static char *names[] = { "one", "two", "three", "four" };
        g_autofree char *path = make_script("shared", "cat");
        GThread *threads[G_N_ELEMENTS(names)];

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                threads[i] = g_thread_new(names[i], run_many, names[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                g_thread_join(threads[i]);
}

int main(int argc, char **argv)
{
        g_autofree char *clean = NULL;
        int r;

        g_test_init(&argc, &argv, NULL);
        signal(SIGPIPE, SIG_IGN);
        scratch = g_dir_make_tmp("test-script-XXXXXX", NULL);
        g_test_add_func("/script/plain", test_plain);
        g_test_add_func("/script/no-start", test_no_start);
        g_test_add_func("/script/descriptors", test_descriptors);
        g_test_add_func("/script/never-ends", test_never_ends);
        g_test_add_func("/script/cancelled", test_cancelled);
        g_test_add_func("/script/output-limit", test_output_limit);
        g_test_add_func("/script/errors-flood", test_errors_flood);
        g_test_add_func("/script/signal", test_signal);
        g_test_add_func("/script/large-input", test_large_input);
        g_test_add_func("/script/descendants", test_descendants);
        g_test_add_func("/script/threads", test_threads);
        r = g_test_run();
        clean = g_strdup_printf("rm -rf '%s'", scratch);
        g_assert_cmpint(system(clean), ==, 0);
        g_free(scratch);
        return r;
}
