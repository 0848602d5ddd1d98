/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus-connection.h"
#include "config.h"

static void print_json(FILE *file, const json_t *json)
{
        json_dumpf(json, file, JSON_ENCODE_ANY | JSON_INDENT(2) | JSON_SORT_KEYS);
        fputc('\n', file);
}

static int print_reply(const BusReply *reply)
{
        if (reply->outcome != BUS_OK) {
                fprintf(stderr, "%s\n", bus_outcome_text(reply->outcome));
                return 1;
        }
        if (reply->error) {
                print_json(stderr, reply->error);
                return 1;
        }
        if (!json_is_null(reply->result))
                print_json(stdout, reply->result);
        return 0;
}

typedef struct Options {
        const char *switch_path, *queue;
        uint64_t timeout_usec;
} Options;

static int call(const Options *options, const BusInterface *interface, const BusMethod *method,
                json_t *params)
{
        char *name = bus_printf("%s-cli", interface->name);
        BusConnection connection = { .switch_path = options->switch_path, .name = name };
        BusCall wanted = {
                .queue = options->queue,
                .method = method->name,
                .params = params,
                .timeout_usec = options->timeout_usec,
        };
        BusReply reply = { 0 };

        bus_connection_open(&connection);
        bus_call_wait(connection.bus, &wanted, &reply);
        int status = print_reply(&reply);

        bus_reply_clear(&reply);
        bus_connection_close(&connection);
        free(name);
        return status;
}

static void print_method(FILE *file, const BusMethod *method)
{
        fprintf(file, "  %s", method->name);
        for (size_t i = 0; i < method->n_params; i++) {
                json_t *json = bus_cli_implied(&method->params[i]);

                if (!json)
                        fprintf(file, " --%s %s", method->params[i].name, method->params[i].type->name);
                json_decref(json);
        }
        if (method->result->kind != BUS_UNIT)
                fprintf(file, " -> %s", method->result->name);
        if (method->with_fd)
                fprintf(file, " with a descriptor, which is closed here");
        fprintf(file, "\n      %s\n", method->description);
}

static int help(const BusInterface *interface, const char *program, const BusMethod *method)
{
        if (method) {
                print_method(stdout, method);
                return 0;
        }
        printf("Usage: %s [--switch-path PATH] [--queue NAME] [--timeout SECONDS] METHOD [--PARAMETER "
               "VALUE...]\n\n%s\n\n",
               program, interface->description);
        for (size_t i = 0; i < interface->n_methods; i++)
                print_method(stdout, &interface->methods[i]);
        return 0;
}

static bool is_flag(const char *argument)
{
        return strcmp(argument, "--help") == 0 || strcmp(argument, "--version") == 0;
}

/* Index of the first argument that is no option with a value, -1: wrong. */
static int parse_options(int argc, char **argv, Options *options)
{
        int i = 1;

        for (; i < argc && strncmp(argv[i], "--", 2) == 0 && !is_flag(argv[i]); i += 2) {
                char *end = NULL;

                if (i + 1 == argc)
                        return -1;
                if (strcmp(argv[i], "--switch-path") == 0)
                        options->switch_path = argv[i + 1];
                else if (strcmp(argv[i], "--queue") == 0)
                        options->queue = argv[i + 1];
                else if (strcmp(argv[i], "--timeout") == 0)
                        options->timeout_usec = (uint64_t)strtoul(argv[i + 1], &end, 10) * 1000000;
                else
                        return -1;
                if (end && *end != '\0')
                        return -1;
        }
        return i;
}

int bus_cli_main(const BusInterface *interface, int argc, char **argv)
{
        Options options = { .switch_path = BUS_CLI_SWITCH_PATH, .queue = interface->queue };
        int at = parse_options(argc, argv, &options);

        if (at < 0) {
                fprintf(stderr,
                        "%s: options are --switch-path PATH, --queue NAME, --timeout SECONDS, --help, "
                        "--version\n",
                        argv[0]);
                return 2;
        }
        if (at == argc || strcmp(argv[at], "--help") == 0)
                return help(interface, argv[0], NULL);
        if (strcmp(argv[at], "--version") == 0) {
                printf("%s %s\n", argv[0], XAPI_VERSION);
                return 0;
        }
        const BusMethod *method = bus_cli_method(interface, argv[at]);

        if (!method) {
                fprintf(stderr, "%s: no method %s; --help lists them\n", argv[0], argv[at]);
                return 2;
        }
        if (at + 1 < argc && strcmp(argv[at + 1], "--help") == 0)
                return help(interface, argv[0], method);
        char *reason = NULL;
        json_t *params = bus_cli_params(method, argc - at - 1, argv + at + 1, &reason);

        if (!params) {
                fprintf(stderr, "%s: %s\n", argv[0], reason);
                free(reason);
                return 2;
        }
        int status = call(&options, interface, method, params);

        json_decref(params);
        return status;
}
