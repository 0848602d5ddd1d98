/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codec.h"

#define FLOAT_TEXT_BYTES 40 /* more than any int, float with 16 digits, or date needs */

static void xml_write_bytes(Buffer *b, const char *text, size_t len)
{
        size_t from = 0;
        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char)text[i];
                const char *instead;
                if (c == '<')
                        instead = "&lt;";
                else if (c == '>')
                        instead = "&gt;";
                else if (c == '&')
                        instead = "&amp;";
                else if (c == '"')
                        instead = "&quot;";
                else if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
                        instead = "";
                else
                        continue;
                buffer_append(b, text + from, i - from);
                buffer_append_text(b, instead);
                from = i + 1;
        }
        buffer_append(b, text + from, len - from);
}

void xml_write_text(Buffer *b, const char *text)
{
        xml_write_bytes(b, text, strlen(text));
}

static void xml_write_float(Buffer *b, double d)
{
        buffer_printf(b, "<double>%.16g</double>", d);
}

static const char *enum_text(const Type *type, Value v)
{
        assert(v.i >= 0 && (size_t)v.i < type->enumeration->n);
        return type->enumeration->values[v.i];
}

/* A scalar as bare text: what XML holds between tags, and what map keys and queries are. False: not a scalar. */
static bool scalar_text(const Type *type, Value v, char buffer[FLOAT_TEXT_BYTES], const char **ret,
                        size_t *ret_len)
{
        switch (type->kind) {
        case TYPE_STRING:
        case TYPE_REF:
                *ret = v.s;
                *ret_len = str_len(v.s);
                return true;
        case TYPE_ENUM:
                *ret = enum_text(type, v);
                break;
        case TYPE_INT:
                snprintf(buffer, FLOAT_TEXT_BYTES, "%lld", (long long)v.i);
                *ret = buffer;
                break;
        case TYPE_FLOAT:
                snprintf(buffer, FLOAT_TEXT_BYTES, "%.16g", v.d);
                *ret = buffer;
                break;
        case TYPE_BOOL:
                *ret = v.i ? "true" : "false";
                break;
        case TYPE_DATETIME:
                datetime_format(v.i, buffer);
                *ret = buffer;
                break;
        case TYPE_VOID:
                *ret = "";
                break;
        default:
                return false;
        }
        *ret_len = strlen(*ret);
        return true;
}

static void key_text(const Type *type, Value v, char buffer[FLOAT_TEXT_BYTES], const char **ret,
                     size_t *ret_len)
{
        bool scalar = scalar_text(type, v, buffer, ret, ret_len);
        assert(scalar);
}

/* A record in a value is as a rule a row of the store, which keeps its text. */
static void row_write(Buffer *b, Dialect dialect, const Row *row)
{
        size_t len;
        if (!row) {
                record_write(b, dialect, row);
                return;
        }
        const char *text = dialect == DIALECT_JSON ? row_json(row, &len) : row_xml(row, &len);
        buffer_append(b, text, len);
}

static void json_write_value(Buffer *b, const Type *type, Value v)
{
        char scratch[FLOAT_TEXT_BYTES];
        const char *text;
        size_t len;
        switch (type->kind) {
        case TYPE_INT:
                buffer_append_int(b, v.i);
                break;
        case TYPE_FLOAT:
                json_write_float(b, v.d);
                break;
        case TYPE_BOOL:
                buffer_append_text(b, v.i ? "true" : "false");
                break;
        case TYPE_SET:
        case TYPE_OPTION:
                buffer_append_literal(b, "[");
                for (uint32_t i = 0; i < v.set->n; i++) {
                        if (i)
                                buffer_append_literal(b, ",");
                        json_write_value(b, type->element, v.set->items[i]);
                }
                buffer_append_literal(b, "]");
                break;
        case TYPE_MAP:
                buffer_append_literal(b, "{");
                for (uint32_t i = 0; i < v.map->n; i++) {
                        if (i)
                                buffer_append_literal(b, ",");
                        key_text(type->key, v.map->entries[i].key, scratch, &text, &len);
                        json_write_bytes(b, text, len);
                        buffer_append_literal(b, ":");
                        json_write_value(b, type->element, v.map->entries[i].value);
                }
                buffer_append_literal(b, "}");
                break;
        case TYPE_RECORD:
                row_write(b, DIALECT_JSON, v.row);
                break;
        default:
                key_text(type, v, scratch, &text, &len);
                json_write_bytes(b, text, len);
        }
}

static void xml_write_value(Buffer *b, const Type *type, Value v)
{
        char scratch[FLOAT_TEXT_BYTES];
        const char *text;
        size_t len;
        if (type->kind == TYPE_RECORD) {
                row_write(b, DIALECT_XML, v.row);
                return;
        }
        buffer_append_literal(b, "<value>");
        switch (type->kind) {
        case TYPE_FLOAT:
                xml_write_float(b, v.d);
                break;
        case TYPE_BOOL:
                buffer_append_text(b, v.i ? "<boolean>1</boolean>" : "<boolean>0</boolean>");
                break;
        case TYPE_DATETIME:
                key_text(type, v, scratch, &text, &len);
                buffer_append_literal(b, "<dateTime.iso8601>");
                buffer_append(b, text, len);
                buffer_append_literal(b, "</dateTime.iso8601>");
                break;
        case TYPE_SET:
        case TYPE_OPTION:
                buffer_append_literal(b, "<array><data>");
                for (uint32_t i = 0; i < v.set->n; i++)
                        xml_write_value(b, type->element, v.set->items[i]);
                buffer_append_literal(b, "</data></array>");
                break;
        case TYPE_MAP:
                buffer_append_literal(b, "<struct>");
                for (uint32_t i = 0; i < v.map->n; i++) {
                        key_text(type->key, v.map->entries[i].key, scratch, &text, &len);
                        buffer_append_literal(b, "<member><name>");
                        xml_write_bytes(b, text, len);
                        buffer_append_literal(b, "</name>");
                        xml_write_value(b, type->element, v.map->entries[i].value);
                        buffer_append_literal(b, "</member>");
                }
                buffer_append_literal(b, "</struct>");
                break;
        default:
                key_text(type, v, scratch, &text, &len);
                xml_write_bytes(b, text, len);
        }
        buffer_append_literal(b, "</value>");
}

void value_write(Buffer *b, Dialect dialect, const Type *type, Value v)
{
        if (dialect == DIALECT_JSON)
                json_write_value(b, type, v);
        else
                xml_write_value(b, type, v);
}

static void record_write_json(Buffer *b, const Row *row)
{
        bool first = true;
        buffer_append_literal(b, "{");
        for (size_t i = 0; row && i < row->class->n_fields; i++) {
                const Field *f = &row->class->fields[i];
                if (f->internal)
                        continue;
                if (!first)
                        buffer_append_literal(b, ",");
                first = false;
                buffer_append(b, f->json_key, f->json_key_len);
                json_write_value(b, f->type, row_values(row)[i]);
        }
        buffer_append_literal(b, "}");
}

static void record_write_xml(Buffer *b, const Row *row)
{
        buffer_append_literal(b, "<value><struct>");
        for (size_t i = 0; row && i < row->class->n_fields; i++) {
                const Field *f = &row->class->fields[i];
                if (f->internal)
                        continue;
                buffer_append(b, f->xml_open, f->xml_open_len);
                xml_write_value(b, f->type, row_values(row)[i]);
                buffer_append_literal(b, "</member>");
        }
        buffer_append_literal(b, "</struct></value>");
}

void record_write(Buffer *b, Dialect dialect, const Row *row)
{
        if (dialect == DIALECT_JSON)
                record_write_json(b, row);
        else
                record_write_xml(b, row);
}

static void sexpr_write_text(Buffer *b, const char *text, size_t len)
{
        buffer_append_literal(b, "'");
        for (size_t i = 0; i < len; i++) {
                if (text[i] == '\'' || text[i] == '\\')
                        buffer_append_literal(b, "\\");
                buffer_append(b, text + i, 1);
        }
        buffer_append_literal(b, "'");
}

/* Inside a set or map: scalars are quoted there. */
static void sexpr_write(Buffer *b, const Type *type, Value v)
{
        char scratch[FLOAT_TEXT_BYTES];
        const char *text;
        size_t len;
        if (scalar_text(type, v, scratch, &text, &len))
                sexpr_write_text(b, text, len);
        else
                value_write_db(b, type, v);
}

void value_write_db(Buffer *b, const Type *type, Value v)
{
        char scratch[FLOAT_TEXT_BYTES];
        const char *text;
        size_t len;
        if (scalar_text(type, v, scratch, &text, &len)) {
                buffer_append(b, text, len);
                return;
        }
        buffer_append_literal(b, "(");
        if (type->kind == TYPE_SET || type->kind == TYPE_OPTION) {
                for (uint32_t i = 0; i < v.set->n; i++) {
                        if (i)
                                buffer_append_literal(b, " ");
                        sexpr_write(b, type->element, v.set->items[i]);
                }
        } else if (type->kind == TYPE_MAP) {
                for (uint32_t i = 0; i < v.map->n; i++) {
                        buffer_append_text(b, i ? " (" : "(");
                        sexpr_write(b, type->key, v.map->entries[i].key);
                        buffer_append_literal(b, " ");
                        sexpr_write(b, type->element, v.map->entries[i].value);
                        buffer_append_literal(b, ")");
                }
        }
        buffer_append_literal(b, ")");
}
