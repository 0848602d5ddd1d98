/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "system-bus.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "loop.h"

static GDBusConnection *connect_within(uint64_t usec, GError **error)
{
        g_autoptr(GMainContext) context = g_main_context_new();
        GDBusConnection *bus;

        g_main_context_push_thread_default(context);
        bus = system_bus_connect(clock_usec() + usec, error);
        g_main_context_pop_thread_default(context);
        return bus;
}

/* Nobody answers who connects. */
static void test_silent(void)
{
        g_autofree char *folder = g_dir_make_tmp("bus-XXXXXX", NULL);
        g_autoptr(GError) error = NULL;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        g_autofree char *text = NULL;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
        g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
        g_assert_cmpint(listen(fd, 1), ==, 0);
        text = g_strdup_printf("unix:path=%s", address.sun_path);
        g_setenv("DBUS_SYSTEM_BUS_ADDRESS", text, TRUE);
        g_assert_null(connect_within(100 * 1000, &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
        g_clear_error(&error);
        g_assert_null(connect_within(0, &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
        close(fd);
        g_unlink(address.sun_path);
        g_rmdir(folder);
}

static void test_absent(void)
{
        g_autoptr(GError) error = NULL;

        g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/socket", TRUE);
        g_assert_null(connect_within(60 * 1000000, &error));
        g_assert_nonnull(error);
        g_assert_false(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/system-bus/silent", test_silent);
        g_test_add_func("/system-bus/absent", test_absent);
        return g_test_run();
}
