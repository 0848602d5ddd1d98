/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every daemon's main does: options, configuration file, log, signals, readiness, watchdog. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "bus.h"
#include "loop.h"
#include "workers.h"

#define DAEMON_SWITCH_PATH "/run/message-switch/sock"

typedef struct Daemon {
        const char *name; /* "xenopsd" */
        Loop *loop;
        Bus *bus; /* NULL for the switch itself */
        Workers *workers;
        char *state_dir;   /* what must outlive a reboot: /var/lib/xapi/<name> unless --state */
        char *runtime_dir; /* what need not: /run/xapi unless --runtime */
        char *switch_path; /* DAEMON_SWITCH_PATH unless --switch-path */
        GKeyFile *config;  /* /etc/xapi/<name>.conf unless --config; never NULL; [daemon] section */
} Daemon;

/* Parses argv (common options and `entries`, which may be NULL), reads the configuration, sets up the log (journal
 * when under systemd, else standard error), makes loop, workers and bus. Exits with a message when argv is wrong or
 * for --help and --version. */
Daemon *daemon_new(const char *name, const char *summary, const GOptionEntry *entries, int *argc,
                   char ***argv);
/* The same for a process that is no client of the switch: bus is NULL. */
Daemon *daemon_new_without_bus(const char *name, const char *summary, const GOptionEntry *entries, int *argc,
                               char ***argv);
/* Says READY=1 (once; sd_notify and, with --ready-fd N, one byte written there), then runs the loop until SIGTERM,
 * SIGINT or daemon_stop; feeds the watchdog from the loop. */
void daemon_run(Daemon *daemon);
void daemon_stop(Daemon *daemon); /* any thread */
/* Ends every bus call (BUS_DISCONNECTED), waits for the workers, frees the rest. Service objects that were made with
 * daemon->bus are freed between daemon_close and daemon_free. */
void daemon_free(Daemon *daemon);
/* The first half of daemon_free: afterwards no worker runs and no bus function is called. May be left out. */
void daemon_close(Daemon *daemon);
/* A setting: config file's [daemon] key, else the fallback. Returned owned. */
char *daemon_setting(Daemon *daemon, const char *key, const char *fallback);
int64_t daemon_setting_int(Daemon *daemon, const char *key, int64_t fallback, int64_t min, int64_t max);

/* Threads for operations, unless the [daemon] section says otherwise with workers= and workers-reserve=. */
#define DAEMON_WORKERS         2048
#define DAEMON_WORKERS_RESERVE 64

/* Logging, with fields after the message's own: log_info("VM started", "XAPI_VM", uuid, NULL). Messages are literal; a
 * field's name is of A-Z, 0-9 and _. Any thread. */
void log_debug(const char *message, ...) __attribute__((sentinel));
void log_info(const char *message, ...) __attribute__((sentinel));
void log_warning(const char *message, ...) __attribute__((sentinel));
void log_error(const char *message, ...) __attribute__((sentinel));

/* Where log lines go and which: daemon_new calls it; a CLI or test may. `level` is "debug", "info", "warning" or "error";
 * false, and nothing changed, for another. `name` is borrowed for ever. */
bool log_setup(const char *name, const char *level);
