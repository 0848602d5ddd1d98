/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "codec.h"

/* Both "VM.start" and "VM_start" to their message. Not changed after model_init. */
static GHashTable *messages_by_name;

/* The type's zero where there is no default, or (host.create has one such) where it is not of the type. */
static Value parse_default(const Type *type, const char *json)
{
        if (!json)
                return value_zero(type);
        json_t *tree = json_loads(json, JSON_DECODE_ANY, NULL);
        assert(tree);
        Value v;
        g_autoptr(XapiError) error = NULL;
        if (!value_read(type, tree, &v, &error))
                v = value_zero(type);
        json_decref(tree);
        return v;
}

void model_init(void)
{
        if (messages_by_name)
                return;
        for (size_t i = 0; i < model_n_classes; i++) {
                const Class *c = model_classes[i];
                for (size_t j = 0; j < c->n_fields; j++) {
                        Field *f = (Field *)&c->fields[j]; /* the generated arrays are writable for this */
                        f->initial = parse_default(f->type, f->default_json);
                }
        }
        GHashTable *by_name = g_hash_table_new(g_str_hash, g_str_equal);
        for (size_t i = 0; i < model_n_messages; i++) {
                const Message *m = &model_messages[i];
                for (size_t j = 0; j < m->n_params; j++) {
                        Param *p = (Param *)&m->params[j];
                        /* Arrays are shared between messages with the same parameters. A parameter that must be
                         * given has no initial value: it would be a row for a constructor's record. */
                        if (p->default_json && p->initial.i == 0)
                                p->initial = parse_default(p->type, p->default_json);
                }
                char *flat = g_strdup(m->name);
                *strchr(flat, '.') = '_';
                g_hash_table_insert(by_name, (char *)m->name, (gpointer)m);
                g_hash_table_insert(by_name, flat, (gpointer)m);
        }
        messages_by_name = by_name;
}

static int compare_class(const void *name, const void *class)
{
        return strcmp(name, (*(const Class *const *)class)->name);
}

const Class *model_class(const char *name)
{
        const Class *const *found =
            bsearch(name, model_classes, model_n_classes, sizeof(*model_classes), compare_class);
        return found ? *found : NULL;
}

const Message *model_message(const char *name)
{
        assert(messages_by_name);
        return g_hash_table_lookup(messages_by_name, name);
}

static int compare_field(const void *name, const void *field)
{
        return strcmp(name, ((const Field *)field)->name);
}

const Field *class_field(const Class *c, const char *name)
{
        return bsearch(name, c->fields, c->n_fields, sizeof(*c->fields), compare_field);
}

static int compare_error(const void *code, const void *error)
{
        return strcmp(code, ((const ErrorCode *)error)->code);
}

const ErrorCode *model_error(const char *code)
{
        return bsearch(code, model_errors, model_n_errors, sizeof(*model_errors), compare_error);
}

static int compare_message_type(const void *name, const void *type)
{
        return strcmp(name, ((const MessageType *)type)->name);
}

int model_message_priority(const char *name)
{
        const MessageType *t = bsearch(name, model_message_types, model_n_message_types, sizeof(MessageType),
                                       compare_message_type);
        return t ? t->priority : -1;
}

int enum_index(const Enum *e, const char *text)
{
        for (size_t i = 0; i < e->n; i++)
                if (strcmp(e->values[i], text) == 0)
                        return (int)i;
        return -1;
}
