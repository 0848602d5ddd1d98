/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every daemon's main does: options, configuration file, log, signals, readiness, watchdog. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "bus.h"
#include "loop.h"
#include "workers.h"

typedef struct Daemon {
        const char *name;      /* "xenopsd" */
        Loop *loop;
        Bus *bus;              /* NULL for the switch itself */
        Workers *workers;
        char *state_dir;       /* what must outlive a reboot: /var/lib/xapi/<name> unless --state */
        char *runtime_dir;     /* what need not: /run/xapi unless --runtime */
        char *switch_path;     /* /run/message-switch/sock unless --switch-path */
        GKeyFile *config;      /* /etc/xapi/<name>.conf unless --config; never NULL; [daemon] section */
} Daemon;

/* Parses argv (common options and `entries`, which may be NULL), reads the configuration, sets up the log (journal
 * when under systemd, else standard error), makes loop, workers and bus. Exits with a message when argv is wrong or
 * for --help and --version. */
Daemon *daemon_new(const char *name, const char *summary, const GOptionEntry *entries, int *argc, char ***argv);
/* Says READY=1 (once; sd_notify and, with --ready-fd N, one byte written there), then runs the loop until SIGTERM,
 * SIGINT or daemon_stop; feeds the watchdog from the loop. */
void daemon_run(Daemon *daemon);
void daemon_stop(Daemon *daemon);
void daemon_free(Daemon *daemon);
/* A setting: config file's [daemon] key, else the fallback. Returned owned. */
char *daemon_setting(Daemon *daemon, const char *key, const char *fallback);
int64_t daemon_setting_int(Daemon *daemon, const char *key, int64_t fallback, int64_t min, int64_t max);

/* Logging, with fields after the message's own: log_info("VM started", "XAPI_VM", uuid, NULL). Messages are literal. */
void log_debug(const char *message, ...) __attribute__((sentinel));
void log_info(const char *message, ...) __attribute__((sentinel));
void log_warning(const char *message, ...) __attribute__((sentinel));
void log_error(const char *message, ...) __attribute__((sentinel));
