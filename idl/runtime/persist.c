/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "persist.h"

#include <math.h>

#include "codec.h"

/* Seventeen digits give any double back; what JSON has no number for is a string, which value_read takes. */
static void write_float(Buffer *b, double d)
{
        if (isfinite(d))
                buffer_printf(b, "%.17g", d);
        else
                buffer_printf(b, "\"%g\"", d);
}

/* As value_write, but for the floats in it. */
static void write_value(Buffer *b, const Type *type, Value v)
{
        if (type->kind == TYPE_FLOAT) {
                write_float(b, v.d);
        } else if ((type->kind == TYPE_MAP) && type->element->kind == TYPE_FLOAT) {
                buffer_append_literal(b, "{");
                for (uint32_t i = 0; i < v.map->n; i++) {
                        auto_buffer key = { 0 };
                        value_write_db(&key, type->key, v.map->entries[i].key);
                        buffer_append_text(b, i ? "," : "");
                        json_write_string(b, buffer_terminate(&key));
                        buffer_append_literal(b, ":");
                        write_float(b, v.map->entries[i].value.d);
                }
                buffer_append_literal(b, "}");
        } else {
                value_write(b, DIALECT_JSON, type, v);
        }
}

void row_write_persistent(Buffer *b, const Row *row)
{
        bool first = true;
        buffer_append_literal(b, "{");
        for (size_t i = 0; i < row->class->n_fields; i++) {
                const Field *f = &row->class->fields[i];
                if (!f->persist)
                        continue;
                if (!first)
                        buffer_append_literal(b, ",");
                first = false;
                buffer_append(b, f->json_key, f->json_key_len);
                write_value(b, f->type, row_values(row)[i]);
        }
        buffer_append_literal(b, "}");
}

bool row_read_persistent(const Class *class, const char *ref, const char *text, size_t len, Row **ret,
                         XapiError **error)
{
        json_error_t where;
        json_t *tree = json_loadb(text, len, 0, &where);
        if (!json_is_object(tree)) {
                json_decref(tree);
                return xapi_fail_internal(error, "the stored record of %s %s is damaged", class->name, ref);
        }
        Row *row = row_new(class, ref);
        for (size_t i = 0; i < class->n_fields; i++) {
                const Field *f = &class->fields[i];
                const json_t *member = f->persist ? json_object_get(tree, f->name) : NULL;
                Value v;
                if (!member)
                        continue;
                if (!value_read(f->type, member, &v, error)) {
                        row_unref(row);
                        json_decref(tree);
                        return false;
                }
                value_unref(f->type, row_values(row)[i]);
                row_values(row)[i] = v;
        }
        json_decref(tree);
        *ret = row;
        return true;
}
