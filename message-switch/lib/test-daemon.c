/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "daemon.h"

static char *folder;

static Daemon *daemon_of(const char *first, ...)
{
        g_autofree char *config = g_build_filename(folder, "config", NULL);
        g_autofree char *path = g_build_filename(folder, "sock", NULL);
        GPtrArray *list = g_ptr_array_new();
        const char *common[] = { "test",      "--config", config,          "--state", folder,
                                 "--runtime", folder,     "--switch-path", path };
        for (size_t i = 0; i < G_N_ELEMENTS(common); i++)
                g_ptr_array_add(list, (char *)common[i]);
        va_list more;
        va_start(more, first);
        for (const char *argument = first; argument; argument = va_arg(more, const char *))
                g_ptr_array_add(list, (char *)argument);
        va_end(more);
        int argc = (int)list->len;
        g_ptr_array_add(list, NULL);
        char **argv = (char **)list->pdata;
        Daemon *daemon = daemon_new("test", "A test", NULL, &argc, &argv);
        g_ptr_array_unref(list);
        return daemon;
}

static void test_settings(void)
{
        Daemon *daemon = daemon_of(NULL);
        g_autofree char *set = daemon_setting(daemon, "colour", "red");
        g_autofree char *unset = daemon_setting(daemon, "size", "small");
        g_assert_cmpstr(set, ==, "blue");
        g_assert_cmpstr(unset, ==, "small");
        g_assert_cmpint(daemon_setting_int(daemon, "number", 1, 0, 7), ==, 7);
        g_assert_cmpint(daemon_setting_int(daemon, "none", 1, 0, 7), ==, 1);
        g_assert_cmpstr(daemon->state_dir, ==, folder);
        daemon_free(daemon);
        daemon_free(NULL);
}

static void bad_number(void)
{
        Daemon *daemon = daemon_of(NULL);
        daemon_setting_int(daemon, "number", 1, 0, 6);
}

static void test_bad_arguments(void)
{
        if (g_test_subprocess()) {
                daemon_of("--frobnicate", NULL);
                return;
        }
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("test: Unknown option --frobnicate\n");
}

static void test_bad_setting(void)
{
        if (g_test_subprocess()) {
                bad_number();
                return;
        }
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("*Setting number: *");
}

static void test_version(void)
{
        if (g_test_subprocess()) {
                daemon_of("--version", NULL);
                return;
        }
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        g_test_trap_assert_stdout("test *.*\n");
}

/* Whatever a client put into it, a message is one line. */
static void test_log(void)
{
        if (g_test_subprocess()) {
                g_assert_true(log_setup("test", "info"));
                g_assert_false(log_setup("test", "loud"));
                log_debug("not shown", NULL);
                log_error("it\nbroke", "FIELD", "a\nb\x1b[1m", NULL);
                return;
        }
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        g_test_trap_assert_stderr("test: error: it?broke FIELD=a?b?[1m\n");
}

/* What systemd and whoever gave --ready-fd hear; a signal ends the run. */
static void test_run(void)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        g_autofree char *path = g_build_filename(folder, "notify", NULL);
        g_strlcpy(address.sun_path, path, sizeof address.sun_path);
        int notify = socket(AF_UNIX, SOCK_DGRAM, 0), ready[2];
        g_assert_cmpint(bind(notify, (struct sockaddr *)&address, sizeof address), ==, 0);
        g_assert_cmpint(pipe(ready), ==, 0);
        g_setenv("NOTIFY_SOCKET", path, TRUE);
        g_setenv("WATCHDOG_USEC", "2000", TRUE);
        g_autofree char *fd = g_strdup_printf("%d", ready[1]);
        Daemon *daemon = daemon_of("--log-level", "error", "--ready-fd", fd, NULL);
        kill(getpid(), SIGTERM); /* taken by the loop */
        daemon_run(daemon);
        char text[64] = "";
        g_assert_cmpint(read(ready[0], text, sizeof text), ==, 1);
        g_assert_cmpint(recv(notify, text, sizeof text, MSG_DONTWAIT), ==, (ssize_t)strlen("READY=1"));
        g_assert_cmpmem(text, 7, "READY=1", 7);
        do {
                ssize_t n = recv(notify, text, sizeof text - 1, MSG_DONTWAIT);
                g_assert_cmpint(n, >, 0);
                text[n] = '\0';
        } while (strcmp(text, "WATCHDOG=1") == 0);
        g_assert_cmpstr(text, ==, "STOPPING=1");
        daemon_free(daemon);
        g_unsetenv("NOTIFY_SOCKET");
        g_unsetenv("WATCHDOG_USEC");
        close(notify);
        close(ready[0]);
        g_unlink(path);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        folder = g_dir_make_tmp("daemon-XXXXXX", NULL);
        g_autofree char *config = g_build_filename(folder, "config", NULL);
        g_assert_true(g_file_set_contents(config, "[daemon]\ncolour=blue \nnumber=7\n", -1, NULL));
        g_test_add_func("/daemon/settings", test_settings);
        g_test_add_func("/daemon/bad-arguments", test_bad_arguments);
        g_test_add_func("/daemon/bad-setting", test_bad_setting);
        g_test_add_func("/daemon/version", test_version);
        g_test_add_func("/daemon/log", test_log);
        g_test_add_func("/daemon/run", test_run);
        int status = g_test_run();
        g_unlink(config);
        g_rmdir(folder);
        g_free(folder);
        return status;
}
