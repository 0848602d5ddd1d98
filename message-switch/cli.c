/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* message-cli: looks into the switch, and calls and serves queues by hand. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "daemon.h"

static const struct {
        const char *name, *summary;
        CliCommand run;
} commands[] = {
        { "list", "the queues, and whether each is served", cli_list },
        { "call", "QUEUE METHOD [PARAMS]: makes a call and prints its result", cli_call },
        { "serve", "QUEUE --program P: answers calls by running a program", cli_serve },
        { "tail", "what passed lately; with --follow, what passes", cli_tail },
        { "diagnostics", "connections, queues and counts, as JSON", cli_diagnostics },
        { "shutdown", "ends the switch", cli_shutdown },
};

CliStatus cli_fail(CliStatus status, const char *format, ...)
{
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        fprintf(stderr, "%s: %s\n", CLI_NAME, text);
        return status;
}

gboolean cli_parse(const char *parameters, const char *summary, const GOptionEntry *entries, int min, int max,
                   int *argc, char ***argv)
{
        g_autofree char *name = g_strdup_printf("%s %s", CLI_NAME, (*argv)[0]);
        g_autoptr(GOptionContext) context = g_option_context_new(parameters);
        g_autoptr(GError) error = NULL;
        g_option_context_set_summary(context, summary);
        if (entries)
                g_option_context_add_main_entries(context, entries, NULL);
        g_set_prgname(name);
        if (!g_option_context_parse(context, argc, argv, &error)) {
                cli_fail(CLI_USAGE, "%s", error->message);
                return FALSE;
        }
        if (*argc - 1 < min || *argc - 1 > max) {
                g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);
                fputs(help, stderr);
                return FALSE;
        }
        return TRUE;
}

static char *describe_commands(void)
{
        GString *text =
            g_string_new("Looks into the switch, and calls and serves queues by hand.\n\nCommands:\n");
        for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
                g_string_append_printf(text, "  %-12s %s\n", commands[i].name, commands[i].summary);
        g_string_append(
            text,
            "\nmessage-cli COMMAND --help tells more of each. Exit status: 0 done; 1 the service answered "
            "with an error; 2 wrong\nusage; 3 no reply: no switch, no such queue, a timeout, a server "
            "that died, a refusal.");
        return g_string_free(text, FALSE);
}

int main(int argc, char **argv)
{
        g_autofree char *path = NULL;
        gboolean version = FALSE;
        const GOptionEntry entries[] = {
                { "switch-path", 0, 0, G_OPTION_ARG_FILENAME, &path, "Socket of the switch", "PATH" },
                { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(GOptionContext) context = g_option_context_new("COMMAND ...");
        g_autofree char *summary = describe_commands();
        g_autoptr(GError) error = NULL;
        g_option_context_set_summary(context, summary);
        g_option_context_set_strict_posix(context, TRUE);
        g_option_context_add_main_entries(context, entries, NULL);
        if (!g_option_context_parse(context, &argc, &argv, &error))
                return cli_fail(CLI_USAGE, "%s", error->message);
        if (version) {
                printf("%s %s\n", CLI_NAME, XAPI_VERSION);
                return CLI_OK;
        }
        log_setup(CLI_NAME, "warning");
        for (size_t i = 0; argc > 1 && i < G_N_ELEMENTS(commands); i++)
                if (strcmp(argv[1], commands[i].name) == 0)
                        return commands[i].run(path ? path : DAEMON_SWITCH_PATH, argc - 1, argv + 1);
        return cli_fail(CLI_USAGE,
                        argc > 1 ? "there is no command %s; see --help" : "a command is missing; see --help",
                        argc > 1 ? argv[1] : "");
}
