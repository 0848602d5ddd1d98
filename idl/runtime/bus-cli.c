/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-cli.h"

#include <ctype.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message-switch/lib/bus.h"

/* --- the command line as parameters --- */

static int fold(char c)
{
        return c == '.' || c == '-' ? '_' : tolower((unsigned char)c);
}

static bool same_name(const char *a, const char *b)
{
        while (*a && fold(*a) == fold(*b))
                a++, b++;
        return *a == '\0' && *b == '\0';
}

const BusMethod *bus_cli_method(const BusInterface *interface, const char *name)
{
        for (size_t i = 0; i < interface->n_methods; i++)
                if (same_name(interface->methods[i].name, name))
                        return &interface->methods[i];
        for (size_t i = 0; i < interface->n_methods; i++) {
                const char *dot = strchr(interface->methods[i].name, '.');

                if (dot && same_name(dot + 1, name))
                        return &interface->methods[i];
        }
        return NULL;
}

/* Text where text (or a number, which may be read from text) is wanted, else JSON, else the name of a tag. */
static json_t *parse_value(const BusType *type, const char *text)
{
        if (type->kind == BUS_OPTION)
                type = type->element;
        if (type->kind == BUS_STRING || type->kind == BUS_INT || type->kind == BUS_FLOAT)
                return json_string(text);
        json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

        return json ? json : json_string(text);
}

/* What nobody types: null, and the text that goes along for logs. */
static json_t *implied(const BusParam *param)
{
        if (param->type->kind == BUS_UNIT)
                return json_null();
        if (strcmp(param->name, "dbg") == 0 || strcmp(param->name, "debug_info") == 0)
                return json_string("cli");
        return NULL;
}

/* Index of the first parameter that is neither given nor implied; n_params: none. */
static size_t next_open(const BusMethod *method, json_t *const *values)
{
        size_t i = 0;

        for (; i < method->n_params; i++) {
                json_t *json = values[i] ? json_incref(values[i]) : implied(&method->params[i]);

                json_decref(json);
                if (!json)
                        break;
        }
        return i;
}

static size_t find(const BusMethod *method, const char *name)
{
        size_t i = 0;

        while (i < method->n_params && !same_name(method->params[i].name, name))
                i++;
        return i;
}

static bool fill(const BusMethod *method, int argc, char **argv, json_t **values, char **ret_reason)
{
        for (int i = 0; i < argc; i++) {
                bool named = strncmp(argv[i], "--", 2) == 0;
                size_t at = named ? find(method, argv[i] + 2) : next_open(method, values);

                if (at == method->n_params || (named && i + 1 == argc)) {
                        *ret_reason = bus_printf(at < method->n_params ? "%s: %s has no value"
                                                 : named ? "%s has no parameter %s"
                                                         : "%s: one parameter too many: %s",
                                                 method->name, argv[i]);
                        return false;
                }
                i += named;
                json_decref(values[at]);
                values[at] = parse_value(method->params[at].type, argv[i]);
                if (!values[at]) {
                        *ret_reason = bus_printf("%s: %s is no UTF-8", method->name, method->params[at].name);
                        return false;
                }
        }
        return true;
}

static json_t *assemble(const BusMethod *method, json_t *const *values)
{
        json_t *params = json_array(), *named = NULL;

        for (size_t i = 0; i < method->n_params; i++) {
                const BusParam *param = &method->params[i];
                json_t *value = values[i] ? json_incref(values[i]) : implied(param);

                if (!param->positional && !named)
                        json_array_insert_new(params, 0, named = json_object());
                if (!param->positional && value)
                        json_object_set_new(named, param->name, value);
                else if (param->positional && param->type->kind == BUS_OPTION)
                        json_array_append_new(params, value ? json_pack("[o]", value) : json_array());
                else if (param->positional && value)
                        json_array_append_new(params, value);
        }
        return params;
}

json_t *bus_cli_params(const BusMethod *method, int argc, char **argv, char **ret_reason)
{
        json_t **values = bus_alloc(method->n_params, sizeof(json_t *)), *params = NULL, *good = NULL;
        BusReason reason;

        if (fill(method, argc, argv, values, ret_reason)) {
                void *args = bus_alloc(1, method->args_size);

                params = assemble(method, values);
                if (bus_decode_params(method, params, args, &reason)) {
                        good = bus_encode_params(method, args);
                        bus_args_clear(method, args);
                } else {
                        *ret_reason = bus_printf("%s: %s", method->name, reason.text);
                }
                free(args);
        }
        for (size_t i = 0; i < method->n_params; i++)
                json_decref(values[i]);
        free(values);
        json_decref(params);
        return good;
}

/* --- the call --- */

/* The loop and all that belongs to it live on a thread of their own, since calls are waited for on this one. */
typedef struct Connection {
        const char *switch_path, *name;
        Loop *loop;
        Bus *bus;
        pthread_t thread;
        sem_t ready;
} Connection;

static void *run_loop(void *data)
{
        Connection *c = data;

        c->loop = loop_new();
        c->bus = bus_new(c->loop, c->switch_path, c->name);
        sem_post(&c->ready);
        loop_run(c->loop);
        bus_free(c->bus);
        loop_free(c->loop);
        return NULL;
}

static void connection_open(Connection *c)
{
        sem_init(&c->ready, 0, 0);
        if (pthread_create(&c->thread, NULL, run_loop, c) != 0)
                abort();
        while (sem_wait(&c->ready) != 0)
                ;
}

static void connection_close(Connection *c)
{
        loop_stop(c->loop);
        pthread_join(c->thread, NULL);
        sem_destroy(&c->ready);
}

static void print_json(FILE *file, const json_t *json)
{
        json_dumpf(json, file, JSON_ENCODE_ANY | JSON_INDENT(2) | JSON_SORT_KEYS);
        fputc('\n', file);
}

static int print_reply(const BusReply *reply)
{
        const json_t *error = json_object_get(reply->body, "error");

        if (reply->outcome != BUS_OK) {
                fprintf(stderr, "%s\n", bus_outcome_text(reply->outcome));
                return 1;
        }
        if (error && !json_is_null(error)) {
                print_json(stderr, error);
                return 1;
        }
        const json_t *result = json_object_get(reply->body, "result");

        if (result && !json_is_null(result))
                print_json(stdout, result);
        return 0;
}

typedef struct Options {
        const char *switch_path, *queue;
        uint64_t timeout_usec;
} Options;

static int call(const Options *options, const BusInterface *interface, const BusMethod *method, json_t *params)
{
        char *name = bus_printf("%s-cli", interface->name);
        Connection connection = {.switch_path = options->switch_path, .name = name};
        BusCall wanted = {
                .queue = options->queue,
                .method = method->name,
                .params = params,
                .timeout_usec = options->timeout_usec,
        };
        BusReply reply = {0};

        connection_open(&connection);
        bus_call_wait(connection.bus, &wanted, &reply);
        int status = print_reply(&reply);

        bus_reply_clear(&reply);
        connection_close(&connection);
        free(name);
        return status;
}

static void print_method(FILE *file, const BusMethod *method)
{
        fprintf(file, "  %s", method->name);
        for (size_t i = 0; i < method->n_params; i++) {
                json_t *json = implied(&method->params[i]);

                if (!json)
                        fprintf(file, " --%s %s", method->params[i].name, method->params[i].type->name);
                json_decref(json);
        }
        if (method->result->kind != BUS_UNIT)
                fprintf(file, " -> %s", method->result->name);
        fprintf(file, "\n      %s\n", method->description);
}

static int help(const BusInterface *interface, const char *program, const BusMethod *method)
{
        if (method) {
                print_method(stdout, method);
                return 0;
        }
        printf("Usage: %s [--switch-path PATH] [--queue NAME] [--timeout SECONDS] METHOD [--PARAMETER VALUE...]\n\n%s\n\n",
               program, interface->description);
        for (size_t i = 0; i < interface->n_methods; i++)
                print_method(stdout, &interface->methods[i]);
        return 0;
}

/* Index of the first argument that is no option, -1: wrong. */
static int parse_options(int argc, char **argv, Options *options)
{
        int i = 1;

        for (; i < argc && strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i], "--help") != 0; i += 2) {
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
        Options options = {.switch_path = BUS_CLI_SWITCH_PATH, .queue = interface->queue};
        int at = parse_options(argc, argv, &options);

        if (at < 0) {
                fprintf(stderr, "%s: options are --switch-path PATH, --queue NAME, --timeout SECONDS, --help\n", argv[0]);
                return 2;
        }
        if (at == argc || strcmp(argv[at], "--help") == 0)
                return help(interface, argv[0], NULL);
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
