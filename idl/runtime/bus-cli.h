/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any method of an interface from a command line: the sub-command `call` of the daemons' CLIs. */
#pragma once

#include "bus-codec.h"

#define BUS_CLI_SWITCH_PATH "/run/message-switch/sock"

/* argv[0] is the program's name for messages. Then, in any order: --switch-path PATH, --queue NAME, --timeout SECONDS;
 * then METHOD and its parameters, each `--name VALUE` or, without a name, the next one that is not given yet.
 * A VALUE is JSON where the type is structured. Without METHOD, or with --help after it, says what there is; --version
 * in its place, the version.
 * Prints the result as JSON. Returns the exit status: 0, 1 the call failed, 2 the command line is wrong. */
int bus_cli_main(const BusInterface *interface, int argc, char **argv);

/* The same in parts, for CLIs that do more with them. */

/* By name in any case; '.', '-' and '_' are the same; the namespace may be left out. NULL: none. */
const BusMethod *bus_cli_method(const BusInterface *interface, const char *name);
/* The params array of the rest of a command line. NULL, and *ret_reason owned: it is wrong. */
json_t *bus_cli_params(const BusMethod *method, int argc, char **argv, char **ret_reason);
/* What nobody types: null, and the text that goes along for logs. Returns owned; NULL: it must be given. */
json_t *bus_cli_implied(const BusParam *param);
