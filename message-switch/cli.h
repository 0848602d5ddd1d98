/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands of message-cli. */
#pragma once

#include <glib.h>

/* What message-cli exits with. */
typedef enum CliStatus {
        CLI_OK = 0,
        CLI_ERROR = 1, /* the service answered with an error */
        CLI_USAGE = 2,
        CLI_NO_REPLY = 3, /* the call ended without a reply, or the switch is not there or refused */
} CliStatus;

#define CLI_NAME "message-cli"

/* A command has argv[0] as its own name; `path` is the switch's socket. */
typedef CliStatus (*CliCommand)(const char *path, int argc, char **argv);

CliStatus cli_list(const char *path, int argc, char **argv);
CliStatus cli_diagnostics(const char *path, int argc, char **argv);
CliStatus cli_tail(const char *path, int argc, char **argv);
CliStatus cli_shutdown(const char *path, int argc, char **argv);
CliStatus cli_call(const char *path, int argc, char **argv);
CliStatus cli_serve(const char *path, int argc, char **argv);

/* Parses a command's options; afterwards argv[1] to argv[argc - 1] are its parameters, from `min` to `max` of them. False:
 * wrong, and said so. */
gboolean cli_parse(const char *parameters, const char *summary, const GOptionEntry *entries, int min, int max,
                   int *argc, char ***argv);
/* Prints to standard error. Returns the status. */
CliStatus cli_fail(CliStatus status, const char *format, ...) G_GNUC_PRINTF(2, 3);
