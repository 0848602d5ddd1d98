/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "persist.h"

#include <limits.h>
#include <math.h>

#include "codec.h"
#include "json-text.h"

#define PERSIST_DEPTH_MAX 16 /* sets, maps and records in one another; no field's type comes near */

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

void row_write_persistent(Buffer *b, const Row *row, const bool *wanted)
{
        bool first = true;
        buffer_append_literal(b, "{");
        for (size_t i = 0; i < row->class->n_fields; i++) {
                const Field *f = &row->class->fields[i];
                Value v = row_values(row)[i];
                if (!wanted[i] || v.i == f->initial.i || value_equal(f->type, v, f->initial))
                        continue;
                if (!first)
                        buffer_append_literal(b, ",");
                first = false;
                buffer_append(b, f->json_key, f->json_key_len);
                write_value(b, f->type, v);
        }
        buffer_append_literal(b, "}");
}

static bool read_fields(const Class *class, const json_t *tree, Row *row, XapiError **error)
{
        const char *name;
        json_t *member;
        json_object_foreach((json_t *)tree, name, member)
        {
                const Field *f = class_field(class, name);
                Value v;
                if (!f)
                        continue;
                if (!value_read(f->type, member, &v, error))
                        return false;
                Value *slot = &row_values(row)[field_index(class, f)];
                value_unref(f->type, *slot);
                *slot = v;
        }
        return true;
}

bool row_read_persistent(const Class *class, const char *ref, const char *text, size_t len, Row **ret,
                         XapiError **error)
{
        static const JsonLimits limits = { .depth = PERSIST_DEPTH_MAX, .values = UINT_MAX };
        json_t *tree = json_text_read(text, len, &limits, NULL);
        g_autoptr(XapiError) why = NULL;
        Row *row = row_new(class, ref);
        bool ok = json_is_object(tree) && read_fields(class, tree, row, &why);
        if (ok) {
                *ret = row;
        } else {
                g_autofree char *reason = why ? xapi_error_text(why) : g_strdup("this is no JSON object");
                row_unref(row);
                xapi_fail_internal(error, "The stored record of %s %s is damaged: %s", class->name, ref,
                                   reason);
        }
        json_decref(tree);
        return ok;
}
