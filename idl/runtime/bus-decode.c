/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bus-codec.h"
#include "json-text.h"

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

/* What C's strings can hold, and what can be written as JSON again. `what` begins the reason where it is not. */
static bool text_good(const char *text, size_t len, const char *what, BusReason *reason)
{
        bool nul = memchr(text, '\0', len), utf8 = json_text_is_utf8(text, len);

        if (nul || !utf8)
                snprintf(reason->text, sizeof(reason->text), "%s %s", what,
                         nul ? "has a NUL in it" : "is not UTF-8");
        return !nul && utf8;
}

static bool string_good(const json_t *json, BusReason *reason)
{
        return text_good(json_string_value(json), json_string_length(json), "a string", reason);
}

/* The string's text; NULL: it is none, or holds what no number and no tag does. */
static const char *plain_text(const json_t *json)
{
        const char *text = json_string_value(json);

        return text && strlen(text) == json_string_length(json) ? text : NULL;
}

static bool decode_int(const json_t *json, int64_t *ret, BusReason *reason)
{
        if (json_is_integer(json)) {
                *ret = json_integer_value(json);
                return true;
        }
        const char *text = plain_text(json);
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
        const char *text = plain_text(json);
        char *end;

        if (!text || text[0] == '\0' || strchr(" \t\n\r\f\v", text[0]))
                return fail(reason, "expected a number");
        *ret = strtod(text, &end);
        return *end == '\0' ? true : fail(reason, "expected a number");
}

static bool decode_string(const json_t *json, char **ret, BusReason *reason)
{
        if (!json_is_string(json))
                return fail(reason, "expected a string");
        if (!string_good(json, reason))
                return false;
        *ret = bus_strdup(json_string_value(json));
        return true;
}

/* Passed on as it is; but for its texts, which are held to what those of strings are. */
static bool any_good(const json_t *json, BusReason *reason)
{
        json_t *mutable = (json_t *)json; /* iteration changes nothing */

        for (size_t i = 0; i < json_array_size(json); i++)
                if (!any_good(json_array_get(json, i), reason))
                        return false;
        for (void *i = json_object_iter(mutable); i; i = json_object_iter_next(mutable, i))
                if (!text_good(json_object_iter_key(i), json_object_iter_key_len(i), "a key", reason) ||
                    !any_good(json_object_iter_value(i), reason))
                        return false;
        return !json_is_string(json) || string_good(json, reason);
}

static bool decode_any(const json_t *json, json_t **ret, BusReason *reason)
{
        if (!any_good(json, reason))
                return false;
        *ret = json_is_null(json) ? NULL : json_incref((json_t *)json);
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
                if (json_object_iter_key_len(i) == strlen(name) &&
                    strcasecmp(json_object_iter_key(i), name) == 0)
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

                if (!text_good(key, json_object_iter_key_len(i), "a key", reason))
                        return false;
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
        const char *text = plain_text(name);
        int tag = text ? bus_tag_index(type, text) : -1;

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
                return decode_any(json, ret, reason);
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
