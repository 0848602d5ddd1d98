/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-type.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const BusType bus_type_unit = { .kind = BUS_UNIT, .name = "unit", .size = 0 };
const BusType bus_type_bool = { .kind = BUS_BOOL, .name = "bool", .size = sizeof(bool) };
const BusType bus_type_int = { .kind = BUS_INT, .name = "int", .size = sizeof(int64_t) };
const BusType bus_type_float = { .kind = BUS_FLOAT, .name = "float", .size = sizeof(double) };
const BusType bus_type_string = { .kind = BUS_STRING, .name = "string", .size = sizeof(char *) };
const BusType bus_type_any = { .kind = BUS_ANY, .name = "any", .size = sizeof(json_t *) };

static const BusField failure_fields[] = {
        { .name = "outcome", .type = &bus_type_int, .offset = offsetof(BusFailure, outcome) },
        { .name = "text", .type = &bus_type_string, .offset = offsetof(BusFailure, text) },
};
const BusType bus_type_failure = {
        .kind = BUS_RECORD,
        .name = "failure",
        .size = sizeof(BusFailure),
        .n_fields = 2,
        .fields = failure_fields,
};

void *bus_alloc(size_t n, size_t size)
{
        void *p = calloc(n ? n : 1, size ? size : 1);

        if (!p)
                abort();
        return p;
}

char *bus_strdup(const char *text)
{
        if (!text)
                return NULL;
        size_t size = strlen(text) + 1;

        return memcpy(bus_alloc(size, 1), text, size);
}

char *bus_printf(const char *format, ...)
{
        char *text = NULL;
        va_list ap;

        va_start(ap, format);
        int r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                abort();
        return text;
}

static bool option_is_inline(const BusType *type)
{
        return type->element->kind == BUS_STRING || type->element->kind == BUS_ANY;
}

static void clear_list(const BusType *type, BusList *list)
{
        for (size_t i = 0; i < list->n; i++) {
                char *item = (char *)list->items + i * type->stride;

                if (type->kind == BUS_DICT)
                        free(*(char **)item);
                bus_value_clear(type->element, item + type->value_offset);
        }
        free(list->items);
}

static void clear_option(const BusType *type, void *value)
{
        if (option_is_inline(type))
                bus_value_clear(type->element, value);
        else
                bus_value_free(type->element, *(void **)value);
}

void bus_value_clear(const BusType *type, void *value)
{
        switch (type->kind) {
        case BUS_UNIT:
        case BUS_BOOL:
        case BUS_INT:
        case BUS_FLOAT:
        case BUS_ENUM:
                break;
        case BUS_STRING:
                free(*(char **)value);
                break;
        case BUS_ANY:
                json_decref(*(json_t **)value);
                break;
        case BUS_OPTION:
                clear_option(type, value);
                break;
        case BUS_LIST:
        case BUS_DICT:
                clear_list(type, value);
                break;
        case BUS_RECORD:
        case BUS_TUPLE:
                for (size_t i = 0; i < type->n_fields; i++)
                        bus_value_clear(type->fields[i].type, (char *)value + type->fields[i].offset);
                break;
        case BUS_VARIANT: {
                int tag = *(int *)value;

                assert(tag >= 0 && (size_t)tag < type->n_tags);
                if (type->tags[tag].type)
                        bus_value_clear(type->tags[tag].type, (char *)value + type->payload_offset);
                break;
        }
        }
        memset(value, 0, type->size);
}

static void copy_list(const BusType *type, BusList *ret, const BusList *list)
{
        ret->n = list->n;
        ret->items = list->n ? bus_alloc(list->n, type->stride) : NULL;
        for (size_t i = 0; i < list->n; i++) {
                char *to = (char *)ret->items + i * type->stride;
                const char *from = (const char *)list->items + i * type->stride;

                if (type->kind == BUS_DICT)
                        *(char **)to = bus_strdup(*(char *const *)from);
                bus_value_copy(type->element, to + type->value_offset, from + type->value_offset);
        }
}

static void copy_option(const BusType *type, void *ret, const void *value)
{
        const void *inner = *(void *const *)value;

        if (option_is_inline(type))
                bus_value_copy(type->element, ret, value);
        else
                *(void **)ret = inner ? bus_value_dup(type->element, inner) : NULL;
}

void bus_value_copy(const BusType *type, void *ret, const void *value)
{
        memset(ret, 0, type->size);
        switch (type->kind) {
        case BUS_UNIT:
        case BUS_BOOL:
        case BUS_INT:
        case BUS_FLOAT:
        case BUS_ENUM:
                memcpy(ret, value, type->size);
                break;
        case BUS_STRING:
                *(char **)ret = bus_strdup(*(char *const *)value);
                break;
        case BUS_ANY:
                *(json_t **)ret = json_incref(*(json_t *const *)value);
                break;
        case BUS_OPTION:
                copy_option(type, ret, value);
                break;
        case BUS_LIST:
        case BUS_DICT:
                copy_list(type, ret, value);
                break;
        case BUS_RECORD:
        case BUS_TUPLE:
                for (size_t i = 0; i < type->n_fields; i++)
                        bus_value_copy(type->fields[i].type, (char *)ret + type->fields[i].offset,
                                       (const char *)value + type->fields[i].offset);
                break;
        case BUS_VARIANT: {
                int tag = *(const int *)value;

                assert(tag >= 0 && (size_t)tag < type->n_tags);
                *(int *)ret = tag;
                if (type->tags[tag].type)
                        bus_value_copy(type->tags[tag].type, (char *)ret + type->payload_offset,
                                       (const char *)value + type->payload_offset);
                break;
        }
        }
}

void *bus_value_dup(const BusType *type, const void *value)
{
        void *copy = bus_alloc(1, type->size);

        bus_value_copy(type, copy, value);
        return copy;
}

void bus_value_free(const BusType *type, void *value)
{
        if (!value)
                return;
        bus_value_clear(type, value);
        free(value);
}

int bus_tag_index(const BusType *type, const char *name)
{
        for (size_t i = 0; i < type->n_tags; i++)
                if (!type->tags[i].local && strcasecmp(type->tags[i].name, name) == 0)
                        return (int)i;
        return -1;
}

void *bus_list_add(BusList *list, size_t item_size)
{
        void *items = reallocarray(list->items, list->n + 1, item_size);

        if (!items)
                abort();
        list->items = items;
        return memset((char *)list->items + list->n++ * item_size, 0, item_size);
}

static BusPair *dict_find(const BusDict *dict, const char *key)
{
        for (size_t i = 0; i < dict->n; i++)
                if (strcmp(dict->items[i].key, key) == 0)
                        return &dict->items[i];
        return NULL;
}

const char *bus_dict_get(const BusDict *dict, const char *key)
{
        const BusPair *pair = dict_find(dict, key);

        return pair ? pair->value ? pair->value : "" : NULL;
}

void bus_dict_set(BusDict *dict, const char *key, const char *value)
{
        BusPair *pair = dict_find(dict, key);
        char *copy = bus_strdup(value);

        if (!pair) {
                pair = BUS_LIST_ADD(dict);
                pair->key = bus_strdup(key);
        }
        free(pair->value);
        pair->value = copy;
}

void bus_dict_copy(BusDict *ret, const BusDict *dict)
{
        *ret = (BusDict){ .items = dict->n ? bus_alloc(dict->n, sizeof(BusPair)) : NULL };
        for (; ret->n < dict->n; ret->n++)
                ret->items[ret->n] =
                    (BusPair){ bus_strdup(dict->items[ret->n].key), bus_strdup(dict->items[ret->n].value) };
}

void bus_dict_remove(BusDict *dict, const char *key)
{
        BusPair *pair = dict_find(dict, key);

        if (!pair)
                return;
        free(pair->key);
        free(pair->value);
        memmove(pair, pair + 1, (size_t)(dict->items + dict->n - pair - 1) * sizeof(BusPair));
        dict->n--;
}

void bus_dict_clear(BusDict *dict)
{
        for (size_t i = 0; i < dict->n; i++) {
                free(dict->items[i].key);
                free(dict->items[i].value);
        }
        free(dict->items);
        *dict = (BusDict){ 0 };
}

void bus_strings_add(BusStrings *strings, const char *text)
{
        char **item = BUS_LIST_ADD(strings);

        *item = bus_strdup(text);
}

void bus_strings_clear(BusStrings *strings)
{
        for (size_t i = 0; i < strings->n; i++)
                free(strings->items[i]);
        free(strings->items);
        *strings = (BusStrings){ 0 };
}

static int compare_method(const void *key, const void *method)
{
        return strcmp(key, ((const BusMethod *)method)->name);
}

const BusMethod *bus_interface_method(const BusInterface *interface, const char *name)
{
        return bsearch(name, interface->methods, interface->n_methods, sizeof(BusMethod), compare_method);
}
