/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random values of every type of the model, written and read again: JSON, XML, and rows as the store keeps them. */
#include <expat.h>
#include <math.h>
#include <string.h>

#include "codec.h"
#include "persist.h"
#include "xenapi.h"

#define ROUNDS_A_TYPE 20

static Str random_text(void)
{
        static const char *const pieces[] = { "a",      "Z",          "0",   " ",  "\"",  "\\", "<",
                                              ">",      "&",          "'",   "\n", "\t",  "/",  "\u00e9",
                                              "\u20ac", "\U0001f600", "]]>", "{",  "\177" };
        g_autoptr(GString) text = g_string_new(NULL);
        for (int n = g_test_rand_int_range(0, 12); n > 0; n--)
                g_string_append(text, pieces[g_test_rand_int_range(0, G_N_ELEMENTS(pieces))]);
        return str_new_len(text->str, text->len);
}

/* As many as are printed: longer numbers are rounded on the wire. */
static const char *sixteen_digits(void)
{
        static char text[40];
        g_snprintf(text, sizeof(text), "%d.%07d%07de%d", g_test_rand_int_range(-9, 10),
                   g_test_rand_int_range(0, 10000000), g_test_rand_int_range(0, 10000000),
                   g_test_rand_int_range(-290, 290));
        return text;
}

static double random_float(void)
{
        switch (g_test_rand_int_range(0, 4)) {
        case 0:
                return g_test_rand_int_range(-1000, 1000);
        case 1:
                return g_test_rand_int_range(-1000, 1000) / 64.0;
        case 2:
                return g_ascii_strtod(sixteen_digits(), NULL);
        default:
                return g_test_rand_int_range(0, 2) ? INFINITY : NAN;
        }
}

static Value random_value(const Type *type, int depth);

static Row *random_row(const Class *class, int depth)
{
        Row *row = row_new(class, "OpaqueRef:r");
        for (size_t i = 0; i < class->n_fields; i++) {
                const Field *f = &class->fields[i];
                if (f->internal || (f->type->kind == TYPE_RECORD && !f->type->class))
                        continue;
                value_unref(f->type, row_values(row)[i]);
                row_values(row)[i] = random_value(f->type, depth + 1);
        }
        return row;
}

static Value random_set(const Type *type, int depth, int max)
{
        Value items[5];
        size_t n = (size_t)g_test_rand_int_range(0, max + 1);
        for (size_t i = 0; i < n; i++)
                items[i] = random_value(type->element, depth + 1);
        Set *s = set_new(type->element, n, items);
        for (size_t i = 0; i < n; i++)
                value_unref(type->element, items[i]);
        return (Value){ .set = s };
}

static Value random_map(const Type *type, int depth)
{
        MapEntry entries[5];
        size_t n = (size_t)g_test_rand_int_range(0, G_N_ELEMENTS(entries) + 1);
        for (size_t i = 0; i < n; i++)
                entries[i] =
                    (MapEntry){ random_value(type->key, depth + 1), random_value(type->element, depth + 1) };
        Map *m = map_new(type, n, entries);
        for (size_t i = 0; i < n; i++) {
                value_unref(type->key, entries[i].key);
                value_unref(type->element, entries[i].value);
        }
        return (Value){ .map = m };
}

static Value random_value(const Type *type, int depth)
{
        g_assert_cmpint(depth, <, 10);
        switch (type->kind) {
        case TYPE_VOID:
                return (Value){ 0 };
        case TYPE_STRING:
        case TYPE_REF:
                return (Value){ .s = random_text() };
        case TYPE_INT:
                return (
                    Value){ .i = (int64_t)((uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int()) };
        case TYPE_FLOAT:
                return (Value){ .d = random_float() };
        case TYPE_BOOL:
                return (Value){ .i = g_test_rand_int_range(0, 2) };
        case TYPE_DATETIME:
                return (Value){ .i = g_test_rand_int_range(0, INT32_MAX) };
        case TYPE_ENUM:
                return (Value){ .i = g_test_rand_int_range(0, (int)type->enumeration->n) };
        case TYPE_SET:
                return random_set(type, depth, 5);
        case TYPE_OPTION:
                return random_set(type, depth, 1);
        case TYPE_MAP:
                return random_map(type, depth);
        case TYPE_RECORD:
                return (Value){ .row = random_row(type->class, depth) };
        }
        g_assert_not_reached();
}

/* XML to the tree that codec.h describes, of the writer's own output only. */
typedef struct Reader {
        GPtrArray *stack; /* of json_t: the value under construction, innermost last */
        GPtrArray *names; /* of GString: a struct member's */
        GString *text;
        bool typed, in_name;
        json_t *result;
} Reader;

static void on_start(void *data, const char *tag, const char **attributes)
{
        Reader *r = data;
        g_string_truncate(r->text, 0);
        if (strcmp(tag, "array") == 0)
                g_ptr_array_add(r->stack, json_array());
        else if (strcmp(tag, "struct") == 0)
                g_ptr_array_add(r->stack, json_object());
        r->typed = false;
}

static void put_value(Reader *r, json_t *value)
{
        if (r->stack->len == 0) {
                r->result = value;
                return;
        }
        json_t *parent = r->stack->pdata[r->stack->len - 1];
        if (json_is_array(parent)) {
                json_array_append_new(parent, value);
                return;
        }
        g_autofree char *name = g_ptr_array_steal_index(r->names, r->names->len - 1);
        json_object_set_new(parent, name, value);
}

static void on_end(void *data, const char *tag)
{
        Reader *r = data;
        json_t *made = NULL;
        if (strcmp(tag, "name") == 0)
                g_ptr_array_add(r->names, g_strdup(r->text->str));
        else if (strcmp(tag, "boolean") == 0)
                made = json_boolean(r->text->str[0] == '1');
        else if (strcmp(tag, "double") == 0)
                made = isfinite(g_ascii_strtod(r->text->str, NULL))
                           ? json_real(g_ascii_strtod(r->text->str, NULL))
                           : json_string(r->text->str);
        else if (strcmp(tag, "dateTime.iso8601") == 0)
                made = json_string(r->text->str);
        else if (strcmp(tag, "array") == 0 || strcmp(tag, "struct") == 0)
                made = g_ptr_array_steal_index(r->stack, r->stack->len - 1);
        else if (strcmp(tag, "value") == 0 && !r->typed)
                made = json_string(r->text->str);
        if (made)
                put_value(r, made);
        r->typed = made != NULL && strcmp(tag, "value") != 0;
        g_string_truncate(r->text, 0);
}

static void on_text(void *data, const char *text, int len)
{
        g_string_append_len(((Reader *)data)->text, text, len);
}

static json_t *read_xml(const char *text, size_t len)
{
        Reader r = { g_ptr_array_new(), g_ptr_array_new(), g_string_new(NULL), false, false, NULL };
        XML_Parser parser = XML_ParserCreate("UTF-8");
        XML_SetUserData(parser, &r);
        XML_SetElementHandler(parser, on_start, on_end);
        XML_SetCharacterDataHandler(parser, on_text);
        g_assert_cmpint(XML_Parse(parser, text, (int)len, 1), ==, XML_STATUS_OK);
        XML_ParserFree(parser);
        g_ptr_array_unref(r.stack);
        g_ptr_array_unref(r.names);
        g_string_free(r.text, TRUE);
        return r.result;
}

/* jansson reads no NaN; the RPC layer never has to. */
static bool has_bare_words(const char *text)
{
        return strstr(text, "NaN") || strstr(text, "Infinity");
}

static void check(const Type *type, Value v, Dialect dialect)
{
        auto_buffer b = { 0 };
        value_write(&b, dialect, type, v);
        buffer_terminate(&b);
        if (dialect == DIALECT_JSON && has_bare_words(b.data))
                return;
        g_assert_null(memchr(b.data, '\0', b.len));
        json_error_t where;
        json_t *tree = dialect == DIALECT_JSON ? json_loadb(b.data, b.len, JSON_DECODE_ANY, &where)
                                               : read_xml(b.data, b.len);
        g_assert_nonnull(tree);
        Value back;
        g_autoptr(XapiError) error = NULL;
        if (!value_read(type, tree, &back, &error))
                g_error("%s: %s from %s", type->text, error->params[0], b.data);
        if (!value_equal(type, v, back))
                g_error("%s: not the same: %s", type->text, b.data);
        value_unref(type, back);
        json_decref(tree);
}

static void check_type(const Type *type)
{
        if (type->kind == TYPE_RECORD && !type->class)
                return;
        for (int i = 0; i < ROUNDS_A_TYPE; i++) {
                Value v = random_value(type, 0);
                check(type, v, DIALECT_JSON);
                check(type, v, DIALECT_XML);
                value_unref(type, v);
        }
}

static void test_types(void)
{
        for (size_t i = 0; i < model_n_messages; i++) {
                const Message *m = &model_messages[i];
                for (size_t j = 0; j < m->n_params; j++)
                        if (m->tag == MESSAGE_CUSTOM || m->tag == MESSAGE_FIELD_SET)
                                check_type(m->params[j].type);
                if (m->tag == MESSAGE_GET_RECORD || m->tag == MESSAGE_CUSTOM)
                        if (m->class != &CLASS_EVENT)
                                check_type(m->result);
        }
}

static void write_persistent(Buffer *b, const Row *row)
{
        bool wanted[N_VM_FIELDS + N_HOST_FIELDS];
        g_assert_cmpuint(row->class->n_fields, <=, G_N_ELEMENTS(wanted));
        for (size_t i = 0; i < row->class->n_fields; i++)
                wanted[i] = row->class->fields[i].persist;
        row_write_persistent(b, row, wanted);
}

static void test_rows(void)
{
        for (size_t i = 0; i < model_n_classes; i++) {
                const Class *c = model_classes[i];
                if (!c->in_database)
                        continue;
                for (int round = 0; round < ROUNDS_A_TYPE; round++) {
                        Row *row = random_row(c, 0), *back;
                        auto_buffer b = { 0 };
                        write_persistent(&b, row);
                        g_autoptr(XapiError) error = NULL;
                        if (!row_read_persistent(c, row->ref, b.data, b.len, &back, &error))
                                g_error("%s: %s", c->name, error->params[0]);
                        for (size_t j = 0; j < c->n_fields; j++) {
                                const Field *f = &c->fields[j];
                                Value expected = f->persist ? row_values(row)[j] : f->initial;
                                g_assert_true(value_equal(f->type, row_values(back)[j], expected));
                        }
                        row_unref(back);
                        row_unref(row);
                }
        }
}

/* No prefix of a stored row and no single changed byte makes the reader do worse than refuse. */
static void test_damaged_rows(void)
{
        Row *row = random_row(&CLASS_VM, 0), *back;
        auto_buffer b = { 0 };
        write_persistent(&b, row);
        for (size_t len = 0; len < b.len; len += 7) {
                g_autoptr(XapiError) error = NULL;
                g_assert_false(row_read_persistent(&CLASS_VM, "r", b.data, len, &back, &error));
        }
        for (size_t i = 0; i < 2000; i++) {
                g_autoptr(XapiError) error = NULL;
                size_t at = (size_t)g_test_rand_int_range(0, (int)b.len);
                char old = b.data[at];
                b.data[at] = (char)g_test_rand_int_range(0, 256);
                if (row_read_persistent(&CLASS_VM, "r", b.data, b.len, &back, &error))
                        row_unref(back);
                b.data[at] = old;
        }
        row_unref(row);
}

/* On disk no digit of a float is lost. */
static void test_exact_floats(void)
{
        for (int i = 0; i < 1000; i++) {
                Row *row = row_new(&CLASS_VM, "r"), *back;
                double d = ldexp(g_test_rand_double(), g_test_rand_int_range(-1000, 1000));
                ((VmRow *)row)->HVM_shadow_multiplier = d;
                auto_buffer b = { 0 };
                write_persistent(&b, row);
                g_autoptr(XapiError) error = NULL;
                g_assert_true(row_read_persistent(&CLASS_VM, "r", b.data, b.len, &back, &error));
                g_assert_true(((VmRow *)back)->HVM_shadow_multiplier == d);
                row_unref(back);
                row_unref(row);
        }
}

/* A row of an older or newer schema: what is missing has its initial value, what is unknown is passed over. */
static void test_other_schema(void)
{
        static const char text[] =
            "{\"name_label\":\"n\",\"long_gone\":[1,2],\"HVM_shadow_multiplier\":\"nan\"}";
        Row *row;
        g_autoptr(XapiError) error = NULL;
        g_assert_true(row_read_persistent(&CLASS_VM, "r", text, strlen(text), &row, &error));
        g_assert_cmpstr(((VmRow *)row)->name_label, ==, "n");
        g_assert_true(isnan(((VmRow *)row)->HVM_shadow_multiplier));
        g_assert_cmpint(((VmRow *)row)->has_vendor_device, ==,
                        CLASS_VM.fields[VM_FIELD_has_vendor_device].initial.i);
        row_unref(row);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        model_init();
        g_test_add_func("/round-trip/types", test_types);
        g_test_add_func("/round-trip/rows", test_rows);
        g_test_add_func("/round-trip/damaged-rows", test_damaged_rows);
        g_test_add_func("/round-trip/exact-floats", test_exact_floats);
        g_test_add_func("/round-trip/other-schema", test_other_schema);
        return g_test_run();
}
