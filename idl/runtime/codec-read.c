/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

/* What was sent, as upstream's errors quote it: I(5), S(x), [S(a),N], {k:B(true)}; cut at CODEC_QUOTE_MAX_BYTES. */
static void quote_tree(Buffer *b, const json_t *tree)
{
        if (b->len > CODEC_QUOTE_MAX_BYTES)
                return;
        const char *key;
        json_t *item;
        size_t i;
        switch (json_typeof(tree)) {
        case JSON_INTEGER:
                buffer_printf(b, "I(%lld)", (long long)json_integer_value(tree));
                break;
        case JSON_REAL:
                buffer_printf(b, "F(%g)", json_real_value(tree));
                break;
        case JSON_TRUE:
        case JSON_FALSE:
                buffer_append_text(b, json_is_true(tree) ? "B(true)" : "B(false)");
                break;
        case JSON_NULL:
                buffer_append_literal(b, "N");
                break;
        case JSON_STRING:
                buffer_append_literal(b, "S(");
                buffer_append(b, json_string_value(tree),
                              MIN(json_string_length(tree), CODEC_QUOTE_MAX_BYTES));
                buffer_append_literal(b, ")");
                break;
        case JSON_ARRAY:
                buffer_append_literal(b, "[");
                json_array_foreach(tree, i, item)
                {
                        if (b->len > CODEC_QUOTE_MAX_BYTES)
                                return;
                        if (i)
                                buffer_append_literal(b, ",");
                        quote_tree(b, item);
                }
                buffer_append_literal(b, "]");
                break;
        case JSON_OBJECT:
                buffer_append_literal(b, "{");
                i = 0;
                json_object_foreach((json_t *)tree, key, item)
                {
                        if (b->len > CODEC_QUOTE_MAX_BYTES)
                                return;
                        buffer_append_text(b, i++ ? "," : "");
                        buffer_append(b, key, MIN(strlen(key), CODEC_QUOTE_MAX_BYTES));
                        buffer_append_literal(b, ":");
                        quote_tree(b, item);
                }
                buffer_append_literal(b, "}");
                break;
        }
}

static bool fail_quoting(XapiError **error, const char *expected, const char *verb, const json_t *tree)
{
        auto_buffer quoted = { 0 };
        quote_tree(&quoted, tree);
        if (quoted.len > CODEC_QUOTE_MAX_BYTES) {
                /* Cut between characters: continuation bytes of UTF-8 begin with 10. */
                quoted.len = CODEC_QUOTE_MAX_BYTES;
                while (quoted.len > 0 && ((unsigned char)quoted.data[quoted.len] & 0xc0) == 0x80)
                        quoted.len--;
                buffer_append_literal(&quoted, "...");
        }
        return xapi_fail_internal(error, "Failure(\"%s, %s '%s'\")", expected, verb,
                                  buffer_terminate(&quoted));
}

static bool fail_text(XapiError **error, const char *text)
{
        return xapi_fail_internal(error, "Failure(\"%s\")", text);
}

/* Its own text where that is a string without a NUL byte inside. */
static const char *plain_text(const json_t *tree)
{
        const char *text = json_string_value(tree);
        return text && strlen(text) == json_string_length(tree) ? text : NULL;
}

static int digit_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return 16;
}

/* An integer as OCaml writes it: sign, then 0x, 0o, 0b or 0u, then digits and underscores. Decimal ones must fit an
 * int64; the others may use all 64 bits. */
static bool parse_int(const char *text, int64_t *ret)
{
        bool negative = *text == '-';
        if (*text == '-' || *text == '+')
                text++;
        uint64_t base = 10, max = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
        if (*text == '0' && text[1] && strchr("xXoObBuU", text[1])) {
                char letter = text[1] | 0x20;
                base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
                max = UINT64_MAX;
                text += 2;
        }
        if (*text == '_' || *text == '\0')
                return false;
        uint64_t value = 0;
        for (; *text; text++) {
                if (*text == '_')
                        continue;
                uint64_t digit = (uint64_t)digit_value(*text);
                if (digit >= base || value > (max - digit) / base)
                        return false;
                value = value * base + digit;
        }
        *ret = (int64_t)(negative ? -value : value);
        return true;
}

static bool parse_float(const char *text, double *ret)
{
        char plain[64];
        size_t n = 0;
        if (*text == '\0' || *text == '_')
                return false;
        for (; *text; text++) {
                if (*text == '_')
                        continue;
                if (n == sizeof(plain) - 1 || g_ascii_isspace(*text) || *text == '(')
                        return false;
                plain[n++] = *text;
        }
        plain[n] = '\0';
        char *end;
        *ret = g_ascii_strtod(plain, &end);
        return end != plain && *end == '\0';
}

static int enum_index_any_case(const Enum *e, const char *text)
{
        int exact = enum_index(e, text);
        if (exact >= 0)
                return exact;
        for (size_t i = 0; i < e->n; i++)
                if (g_ascii_strcasecmp(e->values[i], text) == 0)
                        return (int)i;
        return -1;
}

static bool read_string(const json_t *tree, Value *ret, XapiError **error)
{
        if (!json_is_string(tree))
                return fail_quoting(error, "Expected string", "got", tree);
        const char *text = plain_text(tree);
        if (!text)
                return fail_text(error, "a string holds a NUL byte");
        ret->s = str_new_len(text, json_string_length(tree));
        return true;
}

static bool read_int(const json_t *tree, Value *ret, XapiError **error)
{
        if (json_is_integer(tree)) {
                ret->i = json_integer_value(tree);
                return true;
        }
        if (!json_is_string(tree))
                return fail_quoting(error, "Expected int64", "got", tree);
        const char *text = plain_text(tree);
        return (text && parse_int(text, &ret->i)) || fail_text(error, "Int64.of_string");
}

static bool read_float(const json_t *tree, Value *ret, XapiError **error)
{
        if (json_is_number(tree)) {
                ret->d = json_number_value(tree);
                return true;
        }
        if (!json_is_string(tree))
                return fail_quoting(error, "Expected float", "got", tree);
        const char *text = plain_text(tree);
        return (text && parse_float(text, &ret->d)) || fail_text(error, "float_of_string");
}

static bool read_datetime(const json_t *tree, Value *ret, XapiError **error)
{
        if (!json_is_string(tree))
                return fail_quoting(error, "Expected DateTime", "got", tree);
        const char *text = plain_text(tree);
        return (text && datetime_parse(text, &ret->i)) ||
               fail_quoting(error, "Expected DateTime", "got", tree);
}

static bool read_enum(const Type *type, const json_t *tree, Value *ret, XapiError **error)
{
        const char *text = plain_text(tree);
        int index = text ? enum_index_any_case(type->enumeration, text) : -1;
        if (index < 0)
                return fail_text(error, "Unknown tag/contents");
        ret->i = index;
        return true;
}

static bool read_set(const Type *type, const json_t *tree, Value *ret, XapiError **error)
{
        if (type->kind == TYPE_OPTION && json_is_null(tree)) {
                ret->set = set_empty(type->element);
                return true;
        }
        if (!json_is_array(tree))
                return fail_quoting(error, "Expecting Rpc.Enum", "but found", tree);
        size_t n = json_array_size(tree);
        if (type->kind == TYPE_OPTION && n > 1)
                return fail_quoting(error, "Expecting Rpc.Enum of at most one", "but found", tree);
        g_autofree Value *items = g_new(Value, n);
        size_t read = 0;
        while (read < n && value_read(type->element, json_array_get(tree, read), &items[read], error))
                read++;
        if (read == n)
                ret->set = set_new(type->element, n, items);
        for (size_t i = 0; i < read; i++)
                value_unref(type->element, items[i]);
        return read == n;
}

static bool read_key(const Type *type, const char *text, Value *ret, XapiError **error)
{
        if (type->kind == TYPE_STRING || type->kind == TYPE_REF) {
                ret->s = str_new(text);
                return true;
        }
        json_t *tree = json_string_nocheck(text);
        bool ok = value_read(type, tree, ret, error);
        json_decref(tree);
        return ok;
}

static bool read_map(const Type *type, const json_t *tree, Value *ret, XapiError **error)
{
        if (!json_is_object(tree) && type->key->kind == TYPE_ENUM)
                return fail_text(error, "Unmarshalling error");
        if (!json_is_object(tree))
                return fail_quoting(error, "Expecting Rpc.Dict", "but found", tree);
        size_t n = json_object_size(tree), read = 0;
        g_autofree MapEntry *entries = g_new(MapEntry, n);
        const char *key;
        json_t *item;
        bool ok = true;
        json_object_foreach((json_t *)tree, key, item)
        {
                ok = read_key(type->key, key, &entries[read].key, error);
                if (!ok)
                        break;
                ok = value_read(type->element, item, &entries[read].value, error);
                if (!ok) {
                        value_unref(type->key, entries[read].key);
                        break;
                }
                read++;
        }
        if (ok)
                ret->map = map_new(type, n, entries);
        for (size_t i = 0; i < read; i++) {
                value_unref(type->key, entries[i].key);
                value_unref(type->element, entries[i].value);
        }
        return ok;
}

/* Reads a member into its place in the row. */
static bool read_member(Row *row, const Field *f, const json_t *tree, XapiError **error)
{
        Value v;
        if (!value_read(f->type, tree, &v, error))
                return false;
        Value *slot = &row_values(row)[field_index(row->class, f)];
        value_unref(f->type, *slot);
        *slot = v;
        return true;
}

static bool read_record(const Type *type, const json_t *tree, Value *ret, XapiError **error)
{
        if (!json_is_object(tree))
                return fail_text(error, "bad __structure");
        if (!type->class)
                return fail_text(error, "a record of no known class");
        Row *row = row_new(type->class, "");
        for (size_t i = 0; i < type->class->n_fields; i++) {
                const Field *f = &type->class->fields[i];
                const json_t *member = f->internal ? NULL : json_object_get(tree, f->name);
                if (member && !read_member(row, f, member, error)) {
                        row_unref(row);
                        return false;
                }
        }
        ret->row = row;
        return true;
}

bool value_read(const Type *type, const json_t *tree, Value *ret, XapiError **error)
{
        switch (type->kind) {
        case TYPE_VOID:
                ret->i = 0;
                return true;
        case TYPE_STRING:
        case TYPE_REF:
                return read_string(tree, ret, error);
        case TYPE_INT:
                return read_int(tree, ret, error);
        case TYPE_FLOAT:
                return read_float(tree, ret, error);
        case TYPE_BOOL:
                if (!json_is_boolean(tree))
                        return fail_quoting(error, "Expected bool", "got", tree);
                ret->i = json_is_true(tree);
                return true;
        case TYPE_DATETIME:
                return read_datetime(tree, ret, error);
        case TYPE_ENUM:
                return read_enum(type, tree, ret, error);
        case TYPE_SET:
        case TYPE_OPTION:
                return read_set(type, tree, ret, error);
        case TYPE_MAP:
                return read_map(type, tree, ret, error);
        case TYPE_RECORD:
                return read_record(type, tree, ret, error);
        }
        assert(false);
        return false;
}

bool record_read(const Message *ctor, const json_t *tree, Row **ret, XapiError **error)
{
        assert(ctor->tag == MESSAGE_CTOR);
        if (!json_is_object(tree))
                return fail_text(error, "bad __structure");
        for (const char *const *name = ctor->ctor_required; *name; name++)
                if (!json_object_get(tree, *name))
                        return xapi_fail_internal(error, "Server_helpers.Dispatcher_FieldNotFound(\"%s\")",
                                                  *name);
        Row *row = row_new(ctor->class, "");
        const char *const *const lists[] = { ctor->ctor_required, ctor->ctor_optional };
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
                for (const char *const *name = lists[i]; *name; name++) {
                        const json_t *member = json_object_get(tree, *name);
                        if (member && !read_member(row, class_field(ctor->class, *name), member, error)) {
                                row_unref(row);
                                return false;
                        }
                }
        *ret = row;
        return true;
}
