/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of xenops-cli. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "xenops.h"

#define CLI_DEBUG_INFO "xenops-cli"

/* What the command line said; which of it a command looks at is the command's business. */
typedef struct Cli {
        Bus *bus;
        char **words; /* without the command's name; NULL-terminated; borrowed */
        int n_words;
        gboolean paused, hvm;
        double timeout, latency, after, delay; /* seconds; negative: not given */
        int memory_mib, vcpus, count;
        char *disk, *vm, *step, *fail, *acknowledges, *answers, *tools, *balloons;
} Cli;

typedef struct CliCommand {
        const char *name, *arguments, *description;
        int n_words_min, n_words_max; /* -1: any number */
        bool (*run)(const Cli *cli, XenopsError **error);
} CliCommand;

/* Ended by an entry without a name. */
extern const CliCommand cli_vm_commands[], cli_debug_commands[];

/* Waits for the end of a task, then forgets it; takes the id. */
bool cli_wait_task(const Cli *cli, char *task, XenopsError **error);
/* Prints a value as JSON. */
void cli_print(const BusType *type, const void *value);
