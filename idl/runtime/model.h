/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The data model as tables: what the generator emits, and what every generic layer walks. */
#pragma once

#include "value.h"

#define NULL_REF "OpaqueRef:NULL"

/* Roles as bits, in the order of surface.json: a message's mask holds every role that may call it. */
enum {
        ROLE_POOL_ADMIN = 1 << 0,
        ROLE_POOL_OPERATOR = 1 << 1,
        ROLE_VM_POWER_ADMIN = 1 << 2,
        ROLE_VM_ADMIN = 1 << 3,
        ROLE_VM_OPERATOR = 1 << 4,
        ROLE_CLIENT_CERT = 1 << 5,
        ROLE_READ_ONLY = 1 << 6,
        ROLE_LOCAL_ROOT = 1 << 7, /* local-root-only: no role has it, only the local super-user */
};

typedef struct Enum {
        const char *name;
        size_t n;
        const char *const *values;
} Enum;
int enum_index(const Enum *e, const char *text); /* -1: no such value */

typedef enum FieldQualifier { FIELD_RO, FIELD_STATIC_RO, FIELD_RW } FieldQualifier;

/* Which keys of a map have a role of their own: "folder", or a prefix ended by '*'. */
typedef struct KeyRole {
        const char *key;
        uint32_t roles;
} KeyRole;

typedef struct Field {
        const char *name;    /* on the wire: name_label */
        const char *db_name; /* in queries: name__label */
        const char *description;
        const Type *type;
        FieldQualifier qualifier;
        bool persist;  /* false: never reaches the disk */
        bool internal; /* not in records */
        bool ignore_foreign_key;
        bool has_default;
        Value initial; /* the default where there is one, else the type's zero; filled in by model_init */
        const char *default_json; /* of `initial`, as JSON; NULL: none */
        /* Two-ended relation that the store keeps: this field is one end, `other_class.other_field` the other. */
        const struct Class *other_class; /* NULL: none */
        int other_field;
        size_t n_key_roles;
        const KeyRole *key_roles;
        const char *json_key; /* "\"name_label\":" */
        const char *xml_open; /* "<member><name>name_label</name>" */
        size_t json_key_len, xml_open_len;
} Field;

typedef enum MessageTag {
        MESSAGE_CUSTOM,
        MESSAGE_FIELD_GET,
        MESSAGE_FIELD_SET,
        MESSAGE_FIELD_ADD,
        MESSAGE_FIELD_REMOVE,
        MESSAGE_GET_ALL,
        MESSAGE_GET_ALL_RECORDS,
        MESSAGE_GET_ALL_RECORDS_WHERE,
        MESSAGE_GET_ALL_WHERE,
        MESSAGE_GET_BY_UUID,
        MESSAGE_GET_BY_LABEL,
        MESSAGE_GET_RECORD,
        MESSAGE_CTOR,
        MESSAGE_DTOR,
} MessageTag;

typedef struct Param {
        const char *name;
        const Type *type;
        const char *default_json; /* NULL: must be given */
        Value initial;            /* of default_json; filled in by model_init */
} Param;

typedef struct Message {
        const char *name; /* "VM.start" */
        const char *description;
        const struct Class *class;
        MessageTag tag;
        const struct Field *field; /* for the field tags */
        size_t n_params;           /* without session_id */
        size_t n_required;         /* params without defaults */
        const Param *params;
        const Type *result;
        uint32_t roles; /* ROLE_ bits of those who may call it */
        bool session;   /* takes a session_id first */
        bool async;
        bool pool_internal;
        bool hidden;
        bool removed;
        bool secret;    /* parameters are never logged */
        bool emergency; /* allowed in emergency mode */
        size_t n_key_roles;
        const KeyRole *key_roles;
        const char *const *ctor_required; /* MESSAGE_CTOR: names of fields, NULL-terminated */
        const char *const *ctor_optional;
        int handler; /* slot in the class's generated handler struct (VmHandlers): custom messages,
                                    * constructors, destructors, and the setters of the few fields whose change has
                                    * an effect, which the generic layer answers where none is written; -1: none */
        int index;   /* place in model_messages */
} Message;

typedef struct Class {
        const char *name;       /* "VM" */
        const char *event_name; /* "vm" */
        const char *description;
        int index; /* place in model_classes */
        size_t n_fields;
        const Field *fields; /* alphabetical, as records are written */
        bool in_database;
        bool persist;
        bool events;
        int uuid_field, name_label_field; /* -1: none */
} Class;

typedef struct ErrorCode {
        const char *code;
        const char *const *params; /* their names, NULL-terminated; NULL: not known */
        const char *description;
} ErrorCode;

/* A path with a handler of its own (http.idl). */
typedef struct HttpAction {
        const char *name; /* "get_export" */
        const char *method;
        const char *path;
        uint32_t roles; /* 0: decided by the handler itself */
        bool open;      /* no role is asked for before the handler runs */
} HttpAction;

/* What the server itself says as objects of the class message. */
typedef struct MessageType {
        const char *name;
        int priority;
} MessageType;

extern const Class *const model_classes[]; /* alphabetical (C order) */
extern const size_t model_n_classes;
extern const Message model_messages[]; /* sorted by name, for bsearch */
extern const size_t model_n_messages;
extern const Enum *const model_enums[];
extern const size_t model_n_enums;
extern const ErrorCode model_errors[]; /* sorted by code */
extern const size_t model_n_errors;
extern const HttpAction model_http_actions[];
extern const size_t model_n_http_actions;
extern const MessageType model_message_types[]; /* sorted by name */
extern const size_t model_n_message_types;
extern const char *const model_roles[]; /* names, in the order of the ROLE_ bits */
extern const size_t model_n_roles;
extern const int model_api_version[2]; /* major, minor */

void model_init(void);                      /* once per process, before anything else here: parses defaults */
const Class *model_class(const char *name); /* exact case; NULL: none */
const Message *model_message(const char *name); /* "VM.start" or "VM_start"; NULL: none */
const ErrorCode *model_error(const char *code); /* NULL: none */
int model_message_priority(const char *name);   /* of a message type; -1: none */
const Field *class_field(const Class *c, const char *name);
static inline size_t field_index(const Class *c, const Field *f)
{
        return (size_t)(f - c->fields);
}

/* One version of one object. Generated structs (VmRow...) begin with it and have one 8-byte member a field, in the
 * order of Class.fields, so that row_values(row)[i] is that member. Immutable once published by the store. */
struct Row {
        uint32_t refs; /* atomic */
        uint32_t padding;
        const Class *class;
        Str ref;
        uint64_t generation; /* of the last published change */
        uint64_t created;    /* generation of its creation */
        Str json, xml;       /* cached text of the record, atomic, made on demand; NULL: not yet */
};
static inline Value *row_values(const Row *r)
{
        return (Value *)(r + 1);
}
Row *row_new(const Class *class, const char *ref); /* all fields at Field.initial; mutable until published */
Row *row_copy(const Row *r);                       /* mutable, no cached text, same ref */
Row *row_ref(const Row *r);
void row_unref(const Row *r);
/* The record as text: get_record's result. Made once a row; thread-safe; borrowed as long as the row. */
const char *row_json(const Row *r, size_t *ret_len);
const char *row_xml(const Row *r, size_t *ret_len); /* <value><struct>...</struct></value> */
