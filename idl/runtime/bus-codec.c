/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-codec.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- writing --- */

/* Length of the UTF-8 sequence at s (of n bytes), 0 if there is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s, size_t n)
{
        if (s[0] < 0x80)
                return 1;
        size_t len = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
                     : (s[0] & 0xf0) == 0xe0        ? 3
                     : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                                    : 0;

        if (len == 0 || n < len)
                return 0;
        for (size_t i = 1; i < len; i++)
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
        if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
            (s[0] == 0xf4 && s[1] > 0x8f))
                return 0;
        return len;
}

static char *utf8_repair(const char *text)
{
        static const char replacement[] = "\xef\xbf\xbd";
        size_t n = strlen(text), out = 0;
        char *repaired = bus_alloc(n * 3 + 1, 1);

        for (size_t i = 0; i < n;) {
                size_t len = utf8_length((const unsigned char *)text + i, n - i);

                memcpy(repaired + out, len ? text + i : replacement, len ? len : 3);
                out += len ? len : 3;
                i += len ? len : 1;
        }
        return repaired;
}

static json_t *encode_string(const char *text)
{
        json_t *json = json_string(text ? text : "");

        if (json)
                return json;
        char *repaired = utf8_repair(text);

        json = json_string(repaired);
        free(repaired);
        assert(json);
        return json;
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
                        char *repaired = utf8_repair(key);

                        json_object_set(object, repaired, value);
                        free(repaired);
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

/* --- reading --- */

static bool fail(BusReason *reason, const char *what)
{
        snprintf(reason->text, sizeof(reason->text), "%s", what);
        return false;
}

static bool fail_expected(BusReason *reason, const BusType *type, const char *shape)
{
        snprintf(reason->text, sizeof(reason->text), "expected %s (%s)", type->name, shape);
        return false;
}

/* Puts where it happened before what happened. Returns false. */
static bool fail_at(BusReason *reason, const char *where)
{
        char inner[sizeof(reason->text)];

        memcpy(inner, reason->text, sizeof(inner));
        bool first = inner[0] != '.';

        snprintf(reason->text, sizeof(reason->text), ".%.64s%s%.180s", where, first ? ": " : "", inner);
        return false;
}

static bool decode_int(const json_t *json, int64_t *ret, BusReason *reason)
{
        if (json_is_integer(json)) {
                *ret = json_integer_value(json);
                return true;
        }
        const char *text = json_string_value(json);
        char *end;

        if (!text || text[0] == '\0' || strchr(" \t\n\r\f\v", text[0]))
                return fail(reason, "expected an integer");
        errno = 0;
        long long i = strtoll(text, &end, 10);

        if (errno || *end != '\0')
                return fail(reason, "expected an integer");
        *ret = i;
        return true;
}

static bool decode_float(const json_t *json, double *ret, BusReason *reason)
{
        if (json_is_number(json)) {
                *ret = json_number_value(json);
                return true;
        }
        const char *text = json_string_value(json);
        char *end;

        if (!text || text[0] == '\0' || strchr(" \t\n\r\f\v", text[0]))
                return fail(reason, "expected a number");
        *ret = strtod(text, &end);
        return *end == '\0' ? true : fail(reason, "expected a number");
}

static bool decode_string(const json_t *json, char **ret, BusReason *reason)
{
        const char *text = json_string_value(json);

        if (!text)
                return fail(reason, "expected a string");
        if (strlen(text) != json_string_length(json))
                return fail(reason, "a string has a NUL in it");
        *ret = bus_strdup(text);
        return true;
}

static bool decode_some(const BusType *type, const json_t *json, void *ret, BusReason *reason)
{
        if (type->element->kind == BUS_STRING || type->element->kind == BUS_ANY)
                return bus_decode(type->element, json, ret, reason);
        void *inner = bus_alloc(1, type->element->size);

        if (!bus_decode(type->element, json, inner, reason)) {
                free(inner);
                return false;
        }
        *(void **)ret = inner;
        return true;
}

static bool decode_option(const BusType *type, const json_t *json, void *ret, BusReason *reason)
{
        if (json_is_null(json) || (json_is_array(json) && json_array_size(json) == 0))
                return true;
        if (!json_is_array(json) || json_array_size(json) != 1)
                return fail(reason, "expected [] or [value]");
        return decode_some(type, json_array_get(json, 0), ret, reason);
}

/* By exact name, else by name in any case. */
static const json_t *member(const json_t *object, const char *name)
{
        const json_t *value = json_object_get(object, name);

        if (value)
                return value;
        json_t *mutable = (json_t *)object; /* iteration changes nothing */

        for (void *i = json_object_iter(mutable); i; i = json_object_iter_next(mutable, i))
                if (strcasecmp(json_object_iter_key(i), name) == 0)
                        return json_object_iter_value(i);
        return NULL;
}

static void decode_default(const BusType *type, const char *text, void *ret)
{
        BusReason reason;

        if (type->kind == BUS_OPTION && strcmp(text, "null") == 0)
                return;
        json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
        bool good = json && (type->kind == BUS_OPTION ? decode_some : bus_decode)(type, json, ret, &reason);

        assert(good); /* the generator has seen to it, and a test */
        (void)good;
        json_decref(json);
}

static bool decode_member(const json_t *object, const char *name, const BusType *type,
                          const char *default_json, void *ret, BusReason *reason)
{
        const json_t *value = member(object, name);
        bool good;

        if (type->kind == BUS_OPTION) {
                if (!value && !default_json)
                        return true;
                good = value && (json_is_null(value) || decode_some(type, value, ret, reason));
        } else if (type->kind == BUS_UNIT) {
                return true;
        } else if (value) {
                good = bus_decode(type, value, ret, reason);
        } else {
                good = fail(reason, "is missing");
        }
        if (good)
                return true;
        if (!default_json)
                return fail_at(reason, name);
        decode_default(type, default_json, ret);
        return true;
}

static bool decode_record(const BusType *type, const json_t *json, void *ret, BusReason *reason)
{
        if (!json_is_object(json))
                return fail_expected(reason, type, "an object");
        for (size_t i = 0; i < type->n_fields; i++) {
                const BusField *field = &type->fields[i];

                if (!field->local && !decode_member(json, field->name, field->type, field->default_json,
                                                    (char *)ret + field->offset, reason))
                        return false;
        }
        return true;
}

static bool decode_tuple(const BusType *type, const json_t *json, void *ret, BusReason *reason)
{
        if (!json_is_array(json) || json_array_size(json) != type->n_fields)
                return fail_expected(reason, type, "an array of its members");
        for (size_t i = 0; i < type->n_fields; i++)
                if (!bus_decode(type->fields[i].type, json_array_get(json, i),
                                (char *)ret + type->fields[i].offset, reason))
                        return fail_at(reason, type->fields[i].name);
        return true;
}

static bool decode_list(const BusType *type, const json_t *json, BusList *ret, BusReason *reason)
{
        if (!json_is_array(json))
                return fail_expected(reason, type, "an array");
        size_t n = json_array_size(json);

        ret->items = n ? bus_alloc(n, type->stride) : NULL;
        for (; ret->n < n; ret->n++)
                if (!bus_decode(type->element, json_array_get(json, ret->n),
                                (char *)ret->items + ret->n * type->stride, reason))
                        return fail_at(reason, "[]");
        return true;
}

static bool decode_dict(const BusType *type, const json_t *json, BusList *ret, BusReason *reason)
{
        if (!json_is_object(json))
                return fail_expected(reason, type, "an object");
        json_t *mutable = (json_t *)json; /* iteration changes nothing */
        size_t n = json_object_size(json);

        ret->items = n ? bus_alloc(n, type->stride) : NULL;
        for (void *i = json_object_iter(mutable); i; i = json_object_iter_next(mutable, i)) {
                char *item = (char *)ret->items + ret->n * type->stride;
                const char *key = json_object_iter_key(i);

                if (!bus_decode(type->element, json_object_iter_value(i), item + type->value_offset, reason))
                        return fail_at(reason, key);
                *(char **)item = bus_strdup(key);
                ret->n++;
        }
        return true;
}

static bool decode_variant(const BusType *type, const json_t *json, void *ret, BusReason *reason)
{
        const json_t *name = json_is_array(json) ? json_array_get(json, 0) : json;
        const json_t *payload =
            json_is_array(json) && json_array_size(json) == 2 ? json_array_get(json, 1) : NULL;

        if (!json_is_string(name) || (json_is_array(json) && json_array_size(json) > 2))
                return fail_expected(reason, type, "a tag");
        int tag = bus_tag_index(type, json_string_value(name));

        if (tag < 0 && type->default_tag < 0)
                return fail_expected(reason, type, "a tag that is known");
        if (tag < 0) {
                *(int *)ret = type->default_tag;
                return true;
        }
        *(int *)ret = tag;
        const BusType *carried = type->tags[tag].type;
        json_t *null = json_null();

        if (!carried)
                return !payload || json_is_null(payload) ? true : fail_expected(reason, type, "a tag alone");
        if (!bus_decode(carried, payload ? payload : null, (char *)ret + type->payload_offset, reason))
                return fail_at(reason, type->tags[tag].name);
        return true;
}

static bool decode(const BusType *type, const json_t *json, void *ret, BusReason *reason)
{
        switch (type->kind) {
        case BUS_UNIT:
                return json_is_null(json) ? true : fail(reason, "expected null");
        case BUS_BOOL:
                *(bool *)ret = json_is_true(json);
                return json_is_boolean(json) ? true : fail(reason, "expected true or false");
        case BUS_INT:
                return decode_int(json, ret, reason);
        case BUS_FLOAT:
                return decode_float(json, ret, reason);
        case BUS_STRING:
                return decode_string(json, ret, reason);
        case BUS_ANY:
                *(json_t **)ret = json_is_null(json) ? NULL : json_incref((json_t *)json);
                return true;
        case BUS_OPTION:
                return decode_option(type, json, ret, reason);
        case BUS_LIST:
                return decode_list(type, json, ret, reason);
        case BUS_DICT:
                return decode_dict(type, json, ret, reason);
        case BUS_RECORD:
                return decode_record(type, json, ret, reason);
        case BUS_TUPLE:
                return decode_tuple(type, json, ret, reason);
        case BUS_ENUM:
        case BUS_VARIANT:
                return decode_variant(type, json, ret, reason);
        }
        abort();
}

bool bus_decode(const BusType *type, const json_t *json, void *ret, BusReason *reason)
{
        memset(ret, 0, type->size);
        if (!decode(type, json, ret, reason)) {
                bus_value_clear(type, ret);
                return false;
        }
        return true;
}

/* --- calls --- */

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

bool bus_decode_params(const BusMethod *method, const json_t *params, void *ret_args, BusReason *reason)
{
        const json_t *named = NULL;
        size_t next = 0;

        memset(ret_args, 0, method->args_size);
        for (size_t i = 0; i < method->n_params; i++)
                if (!method->params[i].positional && !named) {
                        named = json_array_get(params, next++);
                        if (!json_is_object(named))
                                return fail(reason, "expected an object of named parameters");
                }
        for (size_t i = 0; i < method->n_params; i++) {
                const BusParam *param = &method->params[i];
                void *ret = (char *)ret_args + param->offset;
                const json_t *value = param->positional ? json_array_get(params, next++) : named;
                bool good =
                    param->positional
                        ? (value || fail(reason, "is missing")) && bus_decode(param->type, value, ret, reason)
                        : decode_member(named, param->name, param->type, NULL, ret, reason);

                if (!good) {
                        if (param->positional)
                                fail_at(reason, param->name);
                        bus_args_clear(method, ret_args);
                        return false;
                }
        }
        return true;
}

void bus_args_clear(const BusMethod *method, void *args)
{
        for (size_t i = 0; i < method->n_params; i++)
                bus_value_clear(method->params[i].type, (char *)args + method->params[i].offset);
}
