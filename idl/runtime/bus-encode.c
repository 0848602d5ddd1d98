/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include <glib.h>

#include "bus-codec.h"

static json_t *encode_string(const char *text)
{
        json_t *json = json_string(text ? text : "");

        if (json)
                return json;
        g_autofree char *repaired = g_utf8_make_valid(text, -1);
        return json_string(repaired);
}

static json_t *encode_float(double d)
{
        if (isfinite(d))
                return json_real(d);
        return json_string(isnan(d) ? "nan" : d > 0 ? "inf" : "-inf");
}

static const void *option_value(const BusType *type, const void *value)
{
        const void *inner = *(void *const *)value;

        if (!inner)
                return NULL;
        return type->element->kind == BUS_STRING || type->element->kind == BUS_ANY ? value : inner;
}

static json_t *encode_option(const BusType *type, const void *value)
{
        json_t *json = json_array();
        const void *inner = option_value(type, value);

        if (inner)
                json_array_append_new(json, bus_encode(type->element, inner));
        return json;
}

/* A member of an object: what is none is left out. */
static void encode_member(json_t *object, const char *name, const BusType *type, const void *value)
{
        if (type->kind == BUS_OPTION) {
                value = option_value(type, value);
                type = type->element;
                if (!value)
                        return;
        }
        json_object_set_new(object, name, bus_encode(type, value));
}

static json_t *encode_record(const BusType *type, const void *value)
{
        json_t *object = json_object();

        for (size_t i = 0; i < type->n_fields; i++) {
                const BusField *field = &type->fields[i];

                if (!field->local)
                        encode_member(object, field->name, field->type, (const char *)value + field->offset);
        }
        return object;
}

static json_t *encode_tuple(const BusType *type, const void *value)
{
        json_t *array = json_array();

        for (size_t i = 0; i < type->n_fields; i++)
                json_array_append_new(
                    array, bus_encode(type->fields[i].type, (const char *)value + type->fields[i].offset));
        return array;
}

static json_t *encode_list(const BusType *type, const BusList *list)
{
        json_t *array = json_array();

        for (size_t i = 0; i < list->n; i++)
                json_array_append_new(
                    array, bus_encode(type->element, (const char *)list->items + i * type->stride));
        return array;
}

static json_t *encode_dict(const BusType *type, const BusList *list)
{
        json_t *object = json_object();

        for (size_t i = 0; i < list->n; i++) {
                const char *item = (const char *)list->items + i * type->stride;
                const char *key = *(char *const *)item;
                json_t *value = bus_encode(type->element, item + type->value_offset);

                if (json_object_set(object, key ? key : "", value) < 0) {
                        g_autofree char *repaired = g_utf8_make_valid(key, -1);

                        json_object_set(object, repaired, value);
                }
                json_decref(value);
        }
        return object;
}

static json_t *encode_variant(const BusType *type, const void *value)
{
        int tag = *(const int *)value;

        assert(tag >= 0 && (size_t)tag < type->n_tags && !type->tags[tag].local);
        const BusTag *t = &type->tags[tag];
        json_t *name = json_string(t->name);

        if (!t->type)
                return name;
        json_t *payload = bus_encode(t->type, (const char *)value + type->payload_offset);

        if (json_is_null(payload)) {
                json_decref(payload);
                return name;
        }
        json_t *array = json_array();

        json_array_append_new(array, name);
        json_array_append_new(array, payload);
        return array;
}

json_t *bus_encode(const BusType *type, const void *value)
{
        switch (type->kind) {
        case BUS_UNIT:
                return json_null();
        case BUS_BOOL:
                return json_boolean(*(const bool *)value);
        case BUS_INT:
                return json_integer(*(const int64_t *)value);
        case BUS_FLOAT:
                return encode_float(*(const double *)value);
        case BUS_STRING:
                return encode_string(*(char *const *)value);
        case BUS_ANY: {
                json_t *any = *(json_t *const *)value;

                return any ? json_incref(any) : json_null();
        }
        case BUS_OPTION:
                return encode_option(type, value);
        case BUS_LIST:
                return encode_list(type, value);
        case BUS_DICT:
                return encode_dict(type, value);
        case BUS_RECORD:
                return encode_record(type, value);
        case BUS_TUPLE:
                return encode_tuple(type, value);
        case BUS_ENUM:
        case BUS_VARIANT:
                return encode_variant(type, value);
        }
        abort();
}

json_t *bus_encode_params(const BusMethod *method, const void *args)
{
        json_t *params = json_array(), *named = NULL;

        for (size_t i = 0; i < method->n_params; i++) {
                const BusParam *param = &method->params[i];
                const void *value = (const char *)args + param->offset;

                if (param->positional) {
                        json_array_append_new(params, bus_encode(param->type, value));
                        continue;
                }
                if (!named)
                        json_array_insert_new(params, 0, named = json_object());
                encode_member(named, param->name, param->type, value);
        }
        return params;
}
