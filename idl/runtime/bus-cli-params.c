/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-cli.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

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

json_t *bus_cli_implied(const BusParam *param)
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
                json_t *json = values[i] ? json_incref(values[i]) : bus_cli_implied(&method->params[i]);

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
                                                 : named               ? "%s has no parameter %s"
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
                json_t *value = values[i] ? json_incref(values[i]) : bus_cli_implied(param);

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
