/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of the XenAPI's types, in one 8-byte union; sets and maps are immutable once shared, and counted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

struct Class;
struct Enum;
typedef struct Row Row;
typedef struct Set Set;
typedef struct Map Map;

typedef enum TypeKind {
        TYPE_VOID,     /* no value; written as "" */
        TYPE_STRING,   /* s */
        TYPE_INT,      /* i */
        TYPE_FLOAT,    /* d */
        TYPE_BOOL,     /* i: 0 or 1 */
        TYPE_DATETIME, /* i: seconds since the epoch, UTC; 0 is "never" */
        TYPE_ENUM,     /* i: index into Enum.values */
        TYPE_REF,      /* s: "OpaqueRef:..." or whatever a client sent */
        TYPE_SET,      /* set */
        TYPE_MAP,      /* map */
        TYPE_OPTION,   /* set of zero or one */
        TYPE_RECORD,   /* row: a row of `class`, whole, with or without a place in the store */
} TypeKind;

typedef struct Type {
        TypeKind kind;
        const struct Enum *enumeration; /* TYPE_ENUM */
        const struct Class *class;      /* TYPE_REF, TYPE_RECORD */
        const struct Type *key;         /* TYPE_MAP */
        const struct Type *element;     /* TYPE_SET, TYPE_OPTION, TYPE_MAP (of the value) */
        const char *text;               /* as surface and idl write it: "(string -> VDI ref set) map" */
        Set *empty_set; /* the shared empty set of this type's values; NULL: made when asked for */
        Map *empty_map; /* the same of a TYPE_MAP */
} Type;

typedef union Value {
        int64_t i;
        double d;
        Str s;
        Set *set;
        Map *map;
        Row *row;
} Value;
_Static_assert(sizeof(Value) == 8, "rows are arrays of these");

/* Insertion order is kept. set_with adds no duplicate; a client that sets a whole set may have sent some, and they
 * stay. Counts of MEMORY_SHARED belong to objects that live for ever. */
#define MEMORY_SHARED UINT32_MAX

struct Set {
        uint32_t refs; /* atomic */
        uint32_t n;
        const Type *element;
        Value items[];
};

typedef struct MapEntry {
        Value key;
        Value value;
} MapEntry;

struct Map {
        uint32_t refs; /* atomic */
        uint32_t n;
        const Type *type; /* TYPE_MAP */
        MapEntry entries[];
};

/* Ownership of one value by its type: */
Value value_ref(const Type *type, Value v);
void value_unref(const Type *type, Value v);
bool value_equal(const Type *type, Value a, Value b); /* maps compare without regard to order, sets with */
Value value_zero(const Type *type); /* "", 0, first enum value, "OpaqueRef:NULL", empty... ; owned */

/* Sets. All functions that change return a new set and leave the old alone (borrowed); items are borrowed and
 * referenced by the new one. A NULL Set* or Map* is never stored: empty ones are shared objects. */
Set *set_empty(const Type *element);
Set *set_new(const Type *element, size_t n, const Value *items);   /* references items */
Set *set_of_strings(const Type *element, const char *const *strv); /* copies; NULL-terminated */
bool set_contains(const Set *s, Value item);
bool set_contains_str(const Set *s, const char *text); /* of strings or refs */
Set *set_with(const Set *s, Value item);               /* the same set referenced if item is in it */
Set *set_without(const Set *s, Value item);            /* the same set referenced if it is not */
Set *set_ref(Set *s);
void set_unref(Set *s);

Map *map_empty(const Type *type);
/* References keys and values; of equal keys the last one's value stays. */
Map *map_new(const Type *type, size_t n, const MapEntry *entries);
Map *map_new_distinct(const Type *type, size_t n, const MapEntry *entries); /* no two keys are equal */
/* "k", "v", ..., NULL; string -> string. */
Map *map_of_strings(const Type *type, ...) __attribute__((sentinel));
const Value *map_get(const Map *m, Value key);          /* NULL: no such key; borrowed */
const char *map_get_str(const Map *m, const char *key); /* string keys, string values; NULL: no such key */
Map *map_with(const Map *m, Value key, Value value);    /* adds or replaces */
Map *map_with_str(const Map *m, const char *key, const char *value);
Map *map_without(const Map *m, Value key);
Map *map_without_str(const Map *m, const char *key);
Map *map_ref(Map *m);
void map_unref(Map *m);

/* Slots of a mutable row. Each releases what was there. */
void slot_str(Str *slot, const char *text);
void slot_set(Set **slot, Set *taken);
void slot_map(Map **slot, Map *taken);
