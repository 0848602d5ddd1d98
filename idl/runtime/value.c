/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "value.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include <glib.h>

#include "model.h"

Value value_ref(const Type *type, Value v)
{
        switch (type->kind) {
        case TYPE_STRING:
        case TYPE_REF:
                str_ref(v.s);
                break;
        case TYPE_SET:
        case TYPE_OPTION:
                set_ref(v.set);
                break;
        case TYPE_MAP:
                map_ref(v.map);
                break;
        case TYPE_RECORD:
                if (v.row)
                        row_ref(v.row);
                break;
        default:
                break;
        }
        return v;
}

void value_unref(const Type *type, Value v)
{
        switch (type->kind) {
        case TYPE_STRING:
        case TYPE_REF:
                str_unref(v.s);
                break;
        case TYPE_SET:
        case TYPE_OPTION:
                set_unref(v.set);
                break;
        case TYPE_MAP:
                map_unref(v.map);
                break;
        case TYPE_RECORD:
                if (v.row)
                        row_unref(v.row);
                break;
        default:
                break;
        }
}

static bool set_equal(const Set *a, const Set *b)
{
        if (a == b)
                return true;
        if (a->n != b->n)
                return false;
        for (uint32_t i = 0; i < a->n; i++)
                if (!value_equal(a->element, a->items[i], b->items[i]))
                        return false;
        return true;
}

static bool map_equal(const Map *a, const Map *b)
{
        if (a == b)
                return true;
        if (a->n != b->n)
                return false;
        for (uint32_t i = 0; i < a->n; i++) {
                const MapEntry *e = &a->entries[i];
                /* Versions of one map mostly keep its order. */
                const Value *other = value_equal(a->type->key, e->key, b->entries[i].key)
                                         ? &b->entries[i].value
                                         : map_get(b, e->key);
                if (!other || !value_equal(a->type->element, e->value, *other))
                        return false;
        }
        return true;
}

static bool row_equal(const Row *a, const Row *b)
{
        if (a == b)
                return true;
        if (!a || !b || a->class != b->class)
                return false;
        for (size_t i = 0; i < a->class->n_fields; i++)
                if (!value_equal(a->class->fields[i].type, row_values(a)[i], row_values(b)[i]))
                        return false;
        return true;
}

bool value_equal(const Type *type, Value a, Value b)
{
        switch (type->kind) {
        case TYPE_STRING:
        case TYPE_REF:
                return a.s == b.s || (str_len(a.s) == str_len(b.s) && memcmp(a.s, b.s, str_len(a.s)) == 0);
        case TYPE_FLOAT:
                return a.d == b.d || (isnan(a.d) && isnan(b.d));
        case TYPE_SET:
        case TYPE_OPTION:
                return set_equal(a.set, b.set);
        case TYPE_MAP:
                return map_equal(a.map, b.map);
        case TYPE_RECORD:
                return row_equal(a.row, b.row);
        case TYPE_VOID:
                return true;
        default:
                return a.i == b.i;
        }
}

Value value_zero(const Type *type)
{
        switch (type->kind) {
        case TYPE_STRING:
                return (Value){ .s = str_empty() };
        case TYPE_REF:
                return (Value){ .s = str_new(NULL_REF) };
        case TYPE_FLOAT:
                return (Value){ .d = 0 };
        case TYPE_SET:
        case TYPE_OPTION:
                return (Value){ .set = set_empty(type->element) };
        case TYPE_MAP:
                return (Value){ .map = map_empty(type) };
        case TYPE_RECORD:
                return (Value){ .row = type->class ? row_new(type->class, "") : NULL };
        default:
                return (Value){ .i = 0 };
        }
}

void slot_str(Str *slot, const char *text)
{
        str_set(slot, text);
}

void slot_set(Set **slot, Set *taken)
{
        set_unref(*slot);
        *slot = taken;
}

void slot_map(Map **slot, Map *taken)
{
        map_unref(*slot);
        *slot = taken;
}
