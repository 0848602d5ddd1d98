/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-record.h"

#include "codec.h"

/* Most values of two versions of a row are the same object. */
static bool field_equal(const Field *field, Value a, Value b)
{
        return a.i == b.i || value_equal(field->type, a, b);
}

void record_write(Buffer *b, const ClassState *class, const Row *row)
{
        const Value *values = row_values(row);
        bool first = true;
        buffer_append_literal(b, "{");
        for (size_t i = 0; i < class->class->n_fields; i++) {
                const Field *field = &class->class->fields[i];
                if (class->kinds[i] != FIELD_DURABLE || field_equal(field, values[i], field->initial))
                        continue;
                if (!first)
                        buffer_append_literal(b, ",");
                first = false;
                buffer_append(b, field->json_key, field->json_key_len);
                value_write(b, DIALECT_JSON, field->type, values[i]);
        }
        buffer_append_literal(b, "}");
}

static bool record_parse_fields(const ClassState *class, const json_t *tree, Row *row, XapiError **error)
{
        const char *name;
        json_t *member;
        json_object_foreach((json_t *)tree, name, member) {
                const Field *field = class_field(class->class, name);
                if (field == NULL)
                        continue;
                Value value;
                if (!value_read(field->type, member, &value, error))
                        return false;
                Value *slot = &row_values(row)[field_index(class->class, field)];
                value_unref(field->type, *slot);
                *slot = value;
        }
        return true;
}

bool record_parse(const ClassState *class, const char *ref, const char *text, size_t len, Row **ret, XapiError **error)
{
        json_error_t where;
        json_t *tree = json_loadb(text, len, 0, &where);
        g_autoptr(XapiError) why = NULL;
        Row *row = row_new(class->class, ref);
        bool ok = json_is_object(tree) && record_parse_fields(class, tree, row, &why);
        if (ok) {
                *ret = row;
        } else {
                g_autofree char *reason = why != NULL ? xapi_error_text(why) : g_strdup(where.text);
                xapi_fail_internal(error, "The database holds a record of %s %s that cannot be read: %s",
                                   class->class->name, ref, reason);
                row_unref(row);
        }
        json_decref(tree);
        return ok;
}

bool record_differs(const ClassState *class, const Row *before, const Row *after)
{
        for (size_t i = 0; i < class->class->n_fields; i++)
                if (class->kinds[i] != FIELD_VOLATILE &&
                    !field_equal(&class->class->fields[i], row_values(before)[i], row_values(after)[i]))
                        return true;
        return false;
}

bool row_equal(const ClassState *class, const Row *a, const Row *b)
{
        for (size_t i = 0; i < class->class->n_fields; i++)
                if (!field_equal(&class->class->fields[i], row_values(a)[i], row_values(b)[i]))
                        return false;
        return true;
}
