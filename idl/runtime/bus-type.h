/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Types of the bus interfaces as tables: what idl/generate-bus.py emits, and what codec, stubs and CLIs walk. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* How a type looks in C; the generated structs are laid out so. A zeroed value is legal for every type (empty string,
 * empty list, first tag, none), may be encoded, and may be cleared. */
typedef enum BusKind {
        BUS_UNIT,   /* nothing at all; size 0 */
        BUS_BOOL,   /* bool */
        BUS_INT,    /* int64_t */
        BUS_FLOAT,  /* double */
        BUS_STRING, /* char *, owned (free); NULL is "" */
        BUS_ANY,    /* json_t *, owned; NULL is null */
        BUS_OPTION, /* of a string or any: the pointer itself, NULL is none; of another: owned pointer to the value */
        BUS_LIST,    /* BusList */
        BUS_DICT,    /* BusList whose items begin with char *key */
        BUS_RECORD,  /* struct; an object on the wire */
        BUS_TUPLE,   /* struct; an array on the wire */
        BUS_ENUM,    /* int: index of the tag */
        BUS_VARIANT, /* struct: int tag, then a union of what the tags carry */
} BusKind;

typedef struct BusType BusType;

typedef struct BusField {
        const char *name;
        const BusType *type;
        size_t offset;
        const char *default_json; /* NULL: required, unless an option */
        bool local;               /* not on the wire */
} BusField;

typedef struct BusTag {
        const char *name;
        const BusType *type; /* NULL: carries nothing */
        bool local;          /* not on the wire */
} BusTag;

struct BusType {
        BusKind kind;
        const char *name;       /* as in the .idl, for messages */
        size_t size;            /* bytes of the C value */
        const BusType *element; /* option, list, dict */
        size_t stride;          /* list, dict: bytes of an item */
        size_t value_offset;    /* dict: of the value in the item */
        size_t n_fields;        /* record, tuple */
        const BusField *fields;
        size_t n_tags; /* enum, variant */
        const BusTag *tags;
        size_t payload_offset; /* variant: of the union */
        int default_tag;       /* enum, variant: what an unknown tag becomes; -1: an error */
};

typedef struct BusList {
        size_t n;
        void *items;
} BusList;

typedef struct BusStrings {
        size_t n;
        char **items;
} BusStrings;

typedef struct BusInts {
        size_t n;
        int64_t *items;
} BusInts;

typedef struct BusPair {
        char *key;
        char *value;
} BusPair;

/* string -> string */
typedef struct BusDict {
        size_t n;
        BusPair *items;
} BusDict;

extern const BusType bus_type_unit, bus_type_bool, bus_type_int, bus_type_float, bus_type_string,
    bus_type_any;

/* Frees what the value owns and zeroes it. */
void bus_value_clear(const BusType *type, void *value);
/* Deep copy; *ret is overwritten. */
void bus_value_copy(const BusType *type, void *ret, const void *value);
/* Deep copy on the heap: free with bus_value_free. */
void *bus_value_dup(const BusType *type, const void *value);
void bus_value_free(const BusType *type, void *value); /* NULL is legal */
/* Case-insensitive; -1: no such tag. */
int bus_tag_index(const BusType *type, const char *name);

const char *bus_dict_get(const BusDict *dict, const char *key); /* NULL: not there */
/* Replaces or appends; copies both. */
void bus_dict_set(BusDict *dict, const char *key, const char *value);
void bus_dict_copy(BusDict *ret, const BusDict *dict); /* deep; *ret is overwritten */
void bus_dict_remove(BusDict *dict, const char *key);
void bus_dict_clear(BusDict *dict);
void bus_strings_add(BusStrings *strings, const char *text); /* copies */
void bus_strings_clear(BusStrings *strings);

/* Appends a zeroed item to a list of any generated type and returns it: XenopsDisk *d = BUS_LIST_ADD(&list). */
#define BUS_LIST_ADD(list)                                                                                   \
        ((__typeof__((list)->items))bus_list_add((BusList *)(void *)(list), sizeof(*(list)->items)))
void *bus_list_add(BusList *list, size_t item_size);

/* Memory that is never NULL: running out of it ends the process. */
void *bus_alloc(size_t n, size_t size); /* zeroed */
char *bus_strdup(const char *text);     /* NULL gives NULL */
char *bus_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Methods and interfaces. */
typedef struct BusParam {
        const char *name;
        const BusType *type;
        size_t offset;   /* in the arguments' struct; of no meaning for unit */
        bool positional; /* else a member of the one object that comes first */
} BusParam;

struct ServiceCall;

typedef struct BusMethod {
        const char *name; /* on the wire: "VM.start" */
        const char *description;
        size_t n_params;
        const BusParam *params;
        size_t args_size;
        const BusType *result;
        bool with_fd; /* a descriptor comes with the result */
        /* Calls the function of a service struct: 1 it succeeded, 0 it failed, -1 it is not there. */
        int (*invoke)(const void *functions, void *data, const struct ServiceCall *call, void *args,
                      void *ret_result, void **error);
} BusMethod;

typedef struct BusInterface {
        const char *name;
        const char *queue; /* NULL: not served on the bus */
        const char *description;
        const BusType *error;
        size_t failure_offset; /* of the BusFailure in the error's struct */
        int failure_tag;       /* error is a variant: the tag that says so; -1: a record */
        int internal_tag;      /* carries a string; -1: none */
        int unimplemented_tag; /* carries a string; -1: none */
        size_t n_methods;
        const BusMethod *methods; /* sorted by name */
} BusInterface;

/* In an error: the call itself went wrong, there was no answer of the interface's. */
typedef struct BusFailure {
        int64_t outcome; /* BusOutcome; never BUS_OK where the failure is meant */
        char *text;
} BusFailure;

extern const BusType bus_type_failure;

const BusMethod *bus_interface_method(const BusInterface *interface, const char *name); /* NULL: none */
