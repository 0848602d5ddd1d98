/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli.h"
#include "control-client.h"

static ControlClient *ask(const char *path, const char *what, const json_t *options)
{
        g_autofree char *error = NULL;
        ControlClient *client = control_client_new(path, CLI_NAME, &error);
        if (!client)
                cli_fail(CLI_NO_REPLY, "%s", error);
        else
                control_client_ask(client, what, options);
        return client;
}

static json_t *next(ControlClient *client)
{
        g_autofree char *error = NULL;
        json_t *answer = control_client_next(client, &error);
        if (!answer)
                cli_fail(CLI_NO_REPLY, "%s", error);
        return answer;
}

static json_t *ask_once(const char *path, const char *what)
{
        ControlClient *client = ask(path, what, NULL);
        json_t *answer = client ? next(client) : NULL;
        control_client_free(client);
        return answer;
}

CliStatus cli_list(const char *path, int argc, char **argv)
{
        if (!cli_parse(NULL, "Prints the queues that were ever served, and whether they are now.", NULL, 0, 0,
                       &argc, &argv))
                return CLI_USAGE;
        json_t *answer = ask_once(path, "list");
        if (!answer)
                return CLI_NO_REPLY;
        size_t i;
        json_t *queue;
        json_array_foreach(json_object_get(answer, "queues"), i, queue)
        {
                printf("%-40s %s\n", json_string_value(json_object_get(queue, "name")),
                       json_is_true(json_object_get(queue, "served")) ? "served" : "away");
        }
        json_decref(answer);
        return CLI_OK;
}

CliStatus cli_diagnostics(const char *path, int argc, char **argv)
{
        if (!cli_parse(NULL, "Prints connections, queues and counts as JSON.", NULL, 0, 0, &argc, &argv))
                return CLI_USAGE;
        json_t *answer = ask_once(path, "diagnostics");
        if (!answer)
                return CLI_NO_REPLY;
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(answer);
        return CLI_OK;
}

CliStatus cli_shutdown(const char *path, int argc, char **argv)
{
        if (!cli_parse(NULL, "Ends the switch; what runs it may start it again.", NULL, 0, 0, &argc, &argv))
                return CLI_USAGE;
        json_t *answer = ask_once(path, "shutdown");
        json_decref(answer);
        return answer ? CLI_OK : CLI_NO_REPLY;
}

static const char *text_of(const json_t *event, const char *key)
{
        const char *text = json_string_value(json_object_get(event, key));
        return text ? text : "";
}

/* 12:00:00.000000 call xapi-core > xenopsd org.xen.xapi.xenops.classic 120 bytes */
static void print_event(const json_t *event)
{
        json_int_t usec = json_integer_value(json_object_get(event, "time_usec"));
        time_t seconds = (time_t)(usec / 1000000);
        struct tm parts;
        char clock[16];
        strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&seconds, &parts));
        printf("%s.%06d %-5s %s > %s %s %d bytes", clock, (int)(usec % 1000000), text_of(event, "kind"),
               text_of(event, "from"), text_of(event, "to"), text_of(event, "queue"),
               (int)json_integer_value(json_object_get(event, "bytes")));
        int fds = (int)json_integer_value(json_object_get(event, "fds"));
        if (fds)
                printf(" %d fds", fds);
        if (json_object_get(event, "outcome"))
                printf(" (%s)", text_of(event, "outcome"));
        if (json_object_get(event, "body"))
                printf(" %s", text_of(event, "body"));
        putchar('\n');
}

static void print_events(const json_t *answer, gboolean as_json)
{
        size_t i;
        json_t *event;
        json_array_foreach(json_object_get(answer, "events"), i, event)
        {
                if (!as_json) {
                        print_event(event);
                        continue;
                }
                json_dumpf(event, stdout, JSON_COMPACT);
                putchar('\n');
        }
        json_int_t lost = json_integer_value(json_object_get(answer, "lost"));
        if (lost)
                fprintf(stderr, "%s: %d events were left out before this\n", CLI_NAME, (int)lost);
        fflush(stdout);
}

CliStatus cli_tail(const char *path, int argc, char **argv)
{
        gboolean follow = FALSE, bodies = FALSE, as_json = FALSE;
        const GOptionEntry entries[] = {
                { "follow", 'f', 0, G_OPTION_ARG_NONE, &follow, "Go on with what passes from now on", NULL },
                { "bodies", 0, 0, G_OPTION_ARG_NONE, &bodies, "With --follow: show bodies, secrets included",
                  NULL },
                { "json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print one JSON object a line", NULL },
                G_OPTION_ENTRY_NULL,
        };
        if (!cli_parse(NULL, "Prints what passed through the switch lately.", entries, 0, 0, &argc, &argv))
                return CLI_USAGE;
        json_t *options = json_pack("{s:b, s:b}", "follow", follow, "bodies", bodies);
        ControlClient *client = ask(path, "tail", options);
        json_decref(options);
        if (!client)
                return CLI_NO_REPLY;
        json_t *answer;
        do {
                answer = next(client);
                if (answer)
                        print_events(answer, as_json);
                json_decref(answer);
        } while (answer && follow && !ferror(stdout));
        control_client_free(client);
        return answer ? CLI_OK : CLI_NO_REPLY;
}
