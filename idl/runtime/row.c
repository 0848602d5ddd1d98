/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "codec.h"
#include "model.h"

/* Most records fit, so that the buffer is not moved while it is written. */
#define TEXT_FIRST_ROOM_BYTES 16384

static size_t row_size(const Class *class)
{
        return sizeof(Row) + class->n_fields * sizeof(Value);
}

static Row *row_alloc(const Class *class, const char *ref)
{
        Row *r = g_malloc(row_size(class));
        *r = (Row){ .refs = 1, .class = class, .ref = str_new(ref) };
        return r;
}

Row *row_new(const Class *class, const char *ref)
{
        Row *r = row_alloc(class, ref);
        for (size_t i = 0; i < class->n_fields; i++)
                row_values(r)[i] = value_ref(class->fields[i].type, class->fields[i].initial);
        return r;
}

Row *row_copy(const Row *from)
{
        Row *r = g_malloc(row_size(from->class));
        *r = (Row){ .refs = 1,
                    .class = from->class,
                    .ref = str_ref(from->ref),
                    .generation = from->generation,
                    .created = from->created };
        for (size_t i = 0; i < r->class->n_fields; i++)
                row_values(r)[i] = value_ref(r->class->fields[i].type, row_values(from)[i]);
        return r;
}

Row *row_ref(const Row *r)
{
        __atomic_fetch_add(&((Row *)r)->refs, 1, __ATOMIC_RELAXED);
        return (Row *)r;
}

void row_unref(const Row *row)
{
        Row *r = (Row *)row;
        if (!r)
                return;
        uint32_t before = __atomic_fetch_sub(&r->refs, 1, __ATOMIC_ACQ_REL);
        assert(before > 0);
        if (before > 1)
                return;
        for (size_t i = 0; i < r->class->n_fields; i++)
                value_unref(r->class->fields[i].type, row_values(r)[i]);
        str_unref(r->ref);
        str_unref(r->json);
        str_unref(r->xml);
        g_free(r);
}

/* The text in *slot, made first if need be. Two threads may both make it; the first one's stays. */
static const char *row_text(const Row *r, Str *slot, Dialect dialect, size_t *ret_len)
{
        Str text = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
        if (!text) {
                auto_buffer b = { 0 };
                buffer_reserve(&b, TEXT_FIRST_ROOM_BYTES);
                record_write(&b, dialect, r);
                Str made = str_new_len(b.data, b.len);
                if (__atomic_compare_exchange_n(slot, &text, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
                        text = made;
                else
                        str_unref(made);
        }
        *ret_len = str_len(text);
        return text;
}

const char *row_json(const Row *r, size_t *ret_len)
{
        return row_text(r, &((Row *)r)->json, DIALECT_JSON, ret_len);
}

const char *row_xml(const Row *r, size_t *ret_len)
{
        return row_text(r, &((Row *)r)->xml, DIALECT_XML, ret_len);
}
