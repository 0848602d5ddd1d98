/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "config.h"

typedef struct DaemonOptions {
        char *config, *state, *runtime, *switch_path, *log_level;
        int ready_fd;
        gboolean version;
} DaemonOptions;

/* What others need not see of a Daemon. */
typedef struct DaemonPrivate {
        Daemon daemon;
        int ready_fd; /* -1: none, or written */
        bool closed;
        uv_signal_t terminate, interrupt;
        uv_timer_t watchdog;
} DaemonPrivate;

static void __attribute__((format(printf, 2, 3), noreturn))
daemon_die(const char *name, const char *format, ...)
{
        va_list arguments;
        fprintf(stderr, "%s: ", name);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        exit(EXIT_FAILURE);
}

static void daemon_parse(const char *name, const char *summary, const GOptionEntry *entries, int *argc,
                         char ***argv, DaemonOptions *ret)
{
        const GOptionEntry common[] = {
                { "config", 0, 0, G_OPTION_ARG_FILENAME, &ret->config, "Configuration file", "FILE" },
                { "state", 0, 0, G_OPTION_ARG_FILENAME, &ret->state, "Folder for what outlives a reboot",
                  "DIR" },
                { "runtime", 0, 0, G_OPTION_ARG_FILENAME, &ret->runtime, "Folder for what need not", "DIR" },
                { "switch-path", 0, 0, G_OPTION_ARG_FILENAME, &ret->switch_path, "Socket of the switch",
                  "PATH" },
                { "ready-fd", 0, 0, G_OPTION_ARG_INT, &ret->ready_fd, "Write a byte to FD when serving",
                  "FD" },
                { "log-level", 0, 0, G_OPTION_ARG_STRING, &ret->log_level, "debug, info, warning or error",
                  "LEVEL" },
                { "version", 0, 0, G_OPTION_ARG_NONE, &ret->version, "Print the version", NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(GOptionContext) context = g_option_context_new(NULL);
        g_option_context_set_summary(context, summary);
        if (entries)
                g_option_context_add_main_entries(context, entries, NULL);
        g_option_context_add_main_entries(context, common, NULL);
        g_autoptr(GError) error = NULL;
        if (!g_option_context_parse(context, argc, argv, &error))
                daemon_die(name, "%s", error->message);
        if (*argc > 1)
                daemon_die(name, "Unexpected argument: %s", (*argv)[1]);
        if (ret->version) {
                printf("%s %s\n", name, XAPI_VERSION);
                exit(EXIT_SUCCESS);
        }
}

/* A file that was named must be there; the usual one need not. */
static GKeyFile *daemon_load_config(const char *name, const char *given)
{
        g_autofree char *usual = g_strdup_printf("%s/%s.conf", XAPI_SYSCONFDIR, name);
        const char *path = given ? given : usual;
        g_autoptr(GKeyFile) config = g_key_file_new();
        g_autoptr(GError) error = NULL;
        if (!g_key_file_load_from_file(config, path, G_KEY_FILE_NONE, &error) &&
            (given || !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)))
                daemon_die(name, "%s: %s", path, error->message);
        return g_steal_pointer(&config);
}

static char *daemon_folder(const char *name, char *given, char *usual)
{
        char *path = given ? given : g_strdup(usual);
        g_free(usual);
        if (g_mkdir_with_parents(path, 0755) < 0)
                daemon_die(name, "%s: %s", path, g_strerror(errno));
        return path;
}

static void daemon_on_signal(uv_signal_t *handle, int number)
{
        log_info("Stopping", "SIGNAL", strsignal(number), NULL);
        daemon_stop(handle->data);
}

static void daemon_on_watchdog(uv_timer_t *timer)
{
        sd_notify(0, "WATCHDOG=1");
}

static void daemon_watch(DaemonPrivate *private)
{
        uv_loop_t *uv = loop_uv(private->daemon.loop);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error of its write */
        uv_signal_init(uv, &private->terminate);
        uv_signal_init(uv, &private->interrupt);
        uv_timer_init(uv, &private->watchdog);
        private->terminate.data = private->interrupt.data = private;
        uv_signal_start(&private->terminate, daemon_on_signal, SIGTERM);
        uv_signal_start(&private->interrupt, daemon_on_signal, SIGINT);
        uint64_t watchdog_usec;
        if (sd_watchdog_enabled(0, &watchdog_usec) > 0)
                uv_timer_start(&private->watchdog, daemon_on_watchdog, watchdog_usec / 2000,
                               watchdog_usec / 2000);
}

Daemon *daemon_new_without_bus(const char *name, const char *summary, const GOptionEntry *entries, int *argc,
                               char ***argv)
{
        DaemonOptions options = { .ready_fd = -1 };
        daemon_parse(name, summary, entries, argc, argv, &options);
        DaemonPrivate *private = g_new0(DaemonPrivate, 1);
        Daemon *daemon = &private->daemon;
        daemon->name = name;
        daemon->config = daemon_load_config(name, options.config);
        g_autofree char *level =
            options.log_level ? g_strdup(options.log_level) : daemon_setting(daemon, "log-level", "info");
        if (!log_setup(name, level))
                daemon_die(name, "No such log level: %s", level);
        daemon->state_dir =
            daemon_folder(name, options.state, g_build_filename(XAPI_LOCALSTATEDIR, name, NULL));
        daemon->runtime_dir = daemon_folder(name, options.runtime, g_strdup(XAPI_RUNTIMEDIR));
        daemon->switch_path = options.switch_path ? options.switch_path : g_strdup(DAEMON_SWITCH_PATH);
        private->ready_fd = options.ready_fd;
        daemon->loop = loop_new();
        daemon->workers = workers_new(
            (size_t)daemon_setting_int(daemon, "workers", DAEMON_WORKERS, 1, 100000),
            (size_t)daemon_setting_int(daemon, "workers-reserve", DAEMON_WORKERS_RESERVE, 0, 100000));
        daemon_watch(private);
        g_free(options.config);
        g_free(options.log_level);
        return daemon;
}

Daemon *daemon_new(const char *name, const char *summary, const GOptionEntry *entries, int *argc,
                   char ***argv)
{
        Daemon *daemon = daemon_new_without_bus(name, summary, entries, argc, argv);
        daemon->bus = bus_new(daemon->loop, daemon->switch_path, name);
        return daemon;
}

void daemon_run(Daemon *daemon)
{
        DaemonPrivate *private = (DaemonPrivate *)daemon;
        sd_notify(0, "READY=1");
        if (private->ready_fd >= 0) {
                if (write(private->ready_fd, "\n", 1) != 1)
                        log_warning("Cannot report readiness", "ERROR", g_strerror(errno), NULL);
                close(private->ready_fd);
                private->ready_fd = -1;
        }
        log_info("Serving", "VERSION", XAPI_VERSION, NULL);
        loop_run(daemon->loop);
        sd_notify(0, "STOPPING=1");
}

void daemon_stop(Daemon *daemon)
{
        loop_stop(daemon->loop);
}

/* From here on a signal kills: what is being waited for may never come, and that must be safe anyway. */
void daemon_close(Daemon *daemon)
{
        DaemonPrivate *private = (DaemonPrivate *)daemon;
        if (private->closed)
                return;
        private->closed = true;
        uv_close((uv_handle_t *)&private->terminate, NULL);
        uv_close((uv_handle_t *)&private->interrupt, NULL);
        uv_close((uv_handle_t *)&private->watchdog, NULL);
        if (daemon->bus)
                bus_close(daemon->bus);
        workers_free(daemon->workers);
        daemon->workers = NULL;
}

void daemon_free(Daemon *daemon)
{
        if (!daemon)
                return;
        daemon_close(daemon);
        bus_free(daemon->bus);
        loop_free(daemon->loop);
        g_key_file_free(daemon->config);
        g_free(daemon->state_dir);
        g_free(daemon->runtime_dir);
        g_free(daemon->switch_path);
        g_free(daemon);
}

char *daemon_setting(Daemon *daemon, const char *key, const char *fallback)
{
        char *value = g_key_file_get_string(daemon->config, "daemon", key, NULL);
        return value ? g_strstrip(value) : g_strdup(fallback);
}

int64_t daemon_setting_int(Daemon *daemon, const char *key, int64_t fallback, int64_t min, int64_t max)
{
        g_autofree char *text = daemon_setting(daemon, key, NULL);
        gint64 value;
        if (!text)
                return fallback;
        g_autoptr(GError) error = NULL;
        if (!g_ascii_string_to_signed(text, 10, min, max, &value, &error))
                daemon_die(daemon->name, "Setting %s: %s", key, error->message);
        return value;
}
