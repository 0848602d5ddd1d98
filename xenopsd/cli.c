/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xenops-cli: shows and drives xenopsd. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "cli.h"
#include "config.h"
#include "idl/runtime/bus-cli.h"
#include "idl/runtime/bus-connection.h"

void cli_print(const BusType *type, const void *value)
{
        json_t *json = bus_encode(type, value);
        json_dumpf(json, stdout, JSON_ENCODE_ANY | JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
}

static bool task_result(const XenopsTask *task, XenopsError **error)
{
        if (task->state.tag != XENOPS_TASK_STATE_FAILED)
                return true;
        *error = bus_decode_error(&xenops_interface, task->state.failed);
        return false;
}

bool cli_wait_task(const Cli *cli, char *id, XenopsError **error)
{
        static const int64_t seconds = 30;
        int64_t last = 0;
        XenopsTask task = { 0 };
        bool good = xenops_updates_last_id(cli->bus, 0, CLI_DEBUG_INFO, &last, error);
        while (good && (good = xenops_task_stat(cli->bus, 0, CLI_DEBUG_INFO, id, &task, error)) &&
               task.state.tag == XENOPS_TASK_STATE_PENDING) {
                XenopsUpdates updates = { 0 };
                xenops_task_clear(&task);
                good = xenops_updates_get(cli->bus, 0, CLI_DEBUG_INFO, &last, &seconds, &updates, error);
                last = updates.next;
                xenops_updates_clear(&updates);
        }
        if (good) {
                XenopsError *ignored = NULL;
                good = task_result(&task, error);
                if (!xenops_task_destroy(cli->bus, 0, CLI_DEBUG_INFO, id, &ignored))
                        xenops_error_free(ignored);
        }
        xenops_task_clear(&task);
        free(id);
        return good;
}

static const CliCommand *find_command(const char *name)
{
        for (const CliCommand *command = cli_vm_commands; command->name; command++)
                if (strcmp(command->name, name) == 0)
                        return command;
        for (const CliCommand *command = cli_debug_commands; command->name; command++)
                if (strcmp(command->name, name) == 0)
                        return command;
        return NULL;
}

static void describe(GString *text, const CliCommand *commands)
{
        for (const CliCommand *command = commands; command->name; command++)
                g_string_append_printf(text, "  %s %s\n      %s\n", command->name, command->arguments,
                                       command->description);
}

static char *description(void)
{
        GString *text = g_string_new("Commands:\n");
        describe(text, cli_vm_commands);
        describe(text, cli_debug_commands);
        g_string_append(text, "  call METHOD ...\n      Any method of the interface; call alone lists them.");
        return g_string_free(text, FALSE);
}

static int run(Cli *cli, const CliCommand *command, const char *switch_path)
{
        BusConnection connection = { .switch_path = switch_path, .name = "xenops-cli" };
        XenopsError *error = NULL;
        bus_connection_open(&connection);
        cli->bus = connection.bus;
        bool good = command->run(cli, &error);
        bus_connection_close(&connection);
        if (!good) {
                char *text = xenops_error_text(error);
                fprintf(stderr, "xenops-cli: %s\n", text);
                free(text);
                xenops_error_free(error);
        }
        return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* `call` has a command line of its own, wherever --switch-path stands. */
static int call(int argc, char **argv)
{
        int n = 0;
        char **rest = g_new0(char *, argc + 1);
        bool dropped = false;
        for (int i = 0; i < argc; i++) {
                if (!dropped && strcmp(argv[i], "call") == 0)
                        dropped = true;
                else
                        rest[n++] = argv[i];
        }
        int status = bus_cli_main(&xenops_interface, n, rest);
        g_free(rest);
        return status;
}

static bool is_call(int argc, char **argv)
{
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "call") == 0)
                        return true;
                if (strcmp(argv[i], "--switch-path") == 0)
                        i++;
                else if (argv[i][0] != '-')
                        return false;
        }
        return false;
}

static void cli_clear(Cli *cli)
{
        char *texts[] = { cli->disk,         cli->vm,      cli->step,  cli->fail,
                          cli->acknowledges, cli->answers, cli->tools, cli->balloons };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                g_free(texts[i]);
}

int main(int argc, char **argv)
{
        Cli cli = { .timeout = -1, .latency = -1, .after = -1, .delay = -1, .memory_mib = 128, .vcpus = 1 };
        gboolean version = FALSE;
        g_auto(GStrv) words = NULL;
        g_autofree char *switch_path = NULL;
        const GOptionEntry entries[] = {
                { "switch-path", 0, 0, G_OPTION_ARG_FILENAME, &switch_path, "Socket of the switch", "PATH" },
                { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Say the version", NULL },
                { "paused", 0, 0, G_OPTION_ARG_NONE, &cli.paused, "start: leave the domain paused", NULL },
                { "timeout", 0, 0, G_OPTION_ARG_DOUBLE, &cli.timeout,
                  "shutdown, reboot: ask the guest and wait; none: at once", "SECONDS" },
                { "disk", 0, 0, G_OPTION_ARG_STRING, &cli.disk, "suspend, resume: SR/VDI, or a path",
                  "DISK" },
                { "memory", 0, 0, G_OPTION_ARG_INT, &cli.memory_mib, "create", "MIB" },
                { "vcpus", 0, 0, G_OPTION_ARG_INT, &cli.vcpus, "create", "N" },
                { "hvm", 0, 0, G_OPTION_ARG_NONE, &cli.hvm, "create: with emulated devices", NULL },
                { "vm", 0, 0, G_OPTION_ARG_STRING, &cli.vm, "inject, behave, forget: one VM only", "ID" },
                { "step", 0, 0, G_OPTION_ARG_STRING, &cli.step, "inject: one step only", "STEP" },
                { "latency", 0, 0, G_OPTION_ARG_DOUBLE, &cli.latency, "inject", "SECONDS" },
                { "fail", 0, 0, G_OPTION_ARG_STRING, &cli.fail, "inject", "TEXT" },
                { "count", 0, 0, G_OPTION_ARG_INT, &cli.count, "inject: so many times", "N" },
                { "acknowledges", 0, 0, G_OPTION_ARG_STRING, &cli.acknowledges, "behave", "true|false" },
                { "answers", 0, 0, G_OPTION_ARG_STRING, &cli.answers, "behave", "true|false" },
                { "tools", 0, 0, G_OPTION_ARG_STRING, &cli.tools, "behave", "true|false" },
                { "balloons", 0, 0, G_OPTION_ARG_STRING, &cli.balloons, "behave", "true|false" },
                { "delay", 0, 0, G_OPTION_ARG_DOUBLE, &cli.delay, "behave: until a guest has done it",
                  "SECONDS" },
                { "after", 0, 0, G_OPTION_ARG_DOUBLE, &cli.after, "guest", "SECONDS" },
                { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &words, NULL, NULL },
                { NULL },
        };
        if (is_call(argc, argv))
                return call(argc, argv);
        g_autoptr(GError) error = NULL;
        g_autoptr(GOptionContext) context = g_option_context_new("COMMAND ... - show and drive xenopsd");
        g_autofree char *text = description();
        g_option_context_set_description(context, text);
        g_option_context_add_main_entries(context, entries, NULL);
        if (!g_option_context_parse(context, &argc, &argv, &error)) {
                fprintf(stderr, "xenops-cli: %s\n", error->message);
                return 2;
        }
        if (version) {
                puts("xenops-cli " XAPI_VERSION);
                return EXIT_SUCCESS;
        }
        const CliCommand *command = words ? find_command(words[0]) : NULL;
        int n_words = words ? (int)g_strv_length(words) - 1 : 0;
        if (!command || n_words < command->n_words_min ||
            (command->n_words_max >= 0 && n_words > command->n_words_max)) {
                fprintf(stderr, "xenops-cli: %s\n",
                        command ? "wrong number of arguments" : "no such command; see --help");
                return 2;
        }
        cli.words = words + 1;
        cli.n_words = n_words;
        int status = run(&cli, command, switch_path ? switch_path : BUS_CLI_SWITCH_PATH);
        cli_clear(&cli);
        return status;
}
