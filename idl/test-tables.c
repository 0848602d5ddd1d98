/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The compiled tables say what tests/surface.json (the argument) says: names, types, parameters, defaults, roles, flags.
 * Lifecycles are not in the tables; test-surface.py compares them. */
#include <string.h>

#include <glib.h>
#include <jansson.h>

#include "model.h"
#include "xenapi.h"

static json_t *reference;
static unsigned differences;

static void differ(const char *where, const char *what)
{
        differences++;
        g_test_message("%s: %s", where, what);
}

static void expect(bool same, const char *where, const char *what)
{
        if (!same)
                differ(where, what);
}

static bool text_member(const json_t *thing, const char *key, const char *fallback, const char *ours)
{
        const char *theirs = json_string_value(json_object_get(thing, key));
        return strcmp(theirs ? theirs : fallback, ours) == 0;
}

static bool flag_member(const json_t *thing, const char *key, bool fallback, bool ours)
{
        const json_t *theirs = json_object_get(thing, key);
        return (theirs ? json_is_true(theirs) : fallback) == ours;
}

static bool same_json(const json_t *theirs, const char *ours)
{
        if (!theirs || !ours)
                return !theirs && !ours;
        json_t *tree = json_loads(ours, JSON_DECODE_ANY, NULL);
        bool same = tree && json_equal(tree, theirs);
        json_decref(tree);
        return same;
}

static bool same_names(const json_t *theirs, const char *const *ours)
{
        size_t n = 0;
        while (ours && ours[n])
                n++;
        bool same = json_array_size(theirs) == n && json_is_array(theirs) == (ours != NULL);
        for (size_t i = 0; same && i < n; i++)
                same = strcmp(json_string_value(json_array_get(theirs, i)), ours[i]) == 0;
        return same;
}

/* "pool-operator+client-cert" as the bits of those who may: each role includes those before it. */
static uint32_t role_bits(const char *text)
{
        if (!text)
                text = "read-only";
        if (strcmp(text, "local-root-only") == 0)
                return ROLE_LOCAL_ROOT;
        g_auto(GStrv) names = g_strsplit(text, "+", 0);
        const json_t *roles = json_object_get(reference, "roles");
        uint32_t bits = 0;
        for (size_t i = 0; i < json_array_size(roles); i++) {
                const char *role = json_string_value(json_array_get(roles, i));
                for (size_t j = 0; names[j]; j++)
                        if (strcmp(role, names[j]) == 0)
                                bits |= j == 0 ? (2u << i) - 1 : 1u << i;
        }
        return bits;
}

static void check_key_roles(const char *where, const json_t *theirs, size_t n, const KeyRole *ours)
{
        expect(json_object_size(theirs) == n, where, "key roles");
        for (size_t i = 0; i < n; i++)
                expect(role_bits(json_string_value(json_object_get(theirs, ours[i].key))) == ours[i].roles,
                       where, ours[i].key);
}

static void check_field(const Class *c, const json_t *class, const Field *f)
{
        g_autofree char *where = g_strdup_printf("field %s.%s", c->name, f->name);
        const json_t *theirs = json_object_get(json_object_get(class, "fields"), f->name);
        if (!theirs) {
                differ(where, "not in the reference");
                return;
        }
        static const char *const qualifiers[] = { "RO", "StaticRO", "RW" };
        expect(text_member(theirs, "type", "", f->type->text), where, "type");
        expect(text_member(theirs, "q", "RO", qualifiers[f->qualifier]), where, "qualifier");
        expect(text_member(theirs, "db_name", f->name, f->db_name), where, "db_name");
        expect(same_json(json_object_get(theirs, "default"), f->default_json), where, "default");
        expect((f->default_json != NULL) == f->has_default, where, "has_default");
        expect(flag_member(theirs, "persist", true, f->persist) || !c->persist, where, "persist");
        expect(flag_member(theirs, "internal", false, f->internal), where, "internal");
        expect(flag_member(theirs, "ignore_fk", false, f->ignore_foreign_key), where, "ignore_fk");
        check_key_roles(where, json_object_get(theirs, "map_keys_roles"), f->n_key_roles, f->key_roles);
        expect(strlen(f->json_key) == f->json_key_len && strlen(f->xml_open) == f->xml_open_len, where,
               "lengths");
}

static const char *const tags[] = {
        [MESSAGE_CUSTOM] = "custom",
        [MESSAGE_FIELD_GET] = "field_get",
        [MESSAGE_FIELD_SET] = "field_set",
        [MESSAGE_FIELD_ADD] = "field_add",
        [MESSAGE_FIELD_REMOVE] = "field_remove",
        [MESSAGE_GET_ALL] = "get_all",
        [MESSAGE_GET_ALL_RECORDS] = "get_all_records",
        [MESSAGE_GET_ALL_RECORDS_WHERE] = "get_all_records_where",
        [MESSAGE_GET_ALL_WHERE] = "get_all_where",
        [MESSAGE_GET_BY_UUID] = "get_by_uuid",
        [MESSAGE_GET_BY_LABEL] = "get_by_label",
        [MESSAGE_GET_RECORD] = "get_record",
        [MESSAGE_CTOR] = "ctor",
        [MESSAGE_DTOR] = "dtor",
};

static void check_params(const Message *m, const json_t *theirs)
{
        size_t required = 0;
        expect(json_array_size(theirs) == m->n_params, m->name, "number of parameters");
        for (size_t i = 0; i < m->n_params; i++) {
                const json_t *p = json_array_get(theirs, i);
                const json_t *value = json_object_get(json_array_get(p, 2), "default");
                expect(g_strcmp0(json_string_value(json_array_get(p, 0)), m->params[i].name) == 0, m->name,
                       "parameter");
                expect(g_strcmp0(json_string_value(json_array_get(p, 1)), m->params[i].type->text) == 0,
                       m->name, m->params[i].name);
                expect(same_json(value, m->params[i].default_json), m->name, "default");
                required += value == NULL;
        }
        expect(required == m->n_required, m->name, "n_required");
}

static bool is_in(const char *list, const char *name)
{
        size_t i;
        json_t *item;
        json_array_foreach(json_object_get(reference, list), i,
                           item) if (strcmp(json_string_value(item), name) == 0) return true;
        return false;
}

static void check_message(const Message *m, const json_t *theirs)
{
        expect(text_member(theirs, "tag", "custom", tags[m->tag]), m->name, "tag");
        expect(text_member(theirs, "result", "void", m->result->text), m->name, "result");
        check_params(m, json_object_get(theirs, "params"));
        expect(role_bits(json_string_value(json_object_get(theirs, "role"))) == m->roles, m->name, "role");
        expect(flag_member(theirs, "session", true, m->session), m->name, "session");
        expect(flag_member(theirs, "async", false, m->async), m->name, "async");
        expect(flag_member(theirs, "hidden", false, m->hidden), m->name, "hidden");
        expect(flag_member(theirs, "pool_internal", false, m->pool_internal), m->name, "pool_internal");
        expect(m->secret || !json_is_true(json_object_get(theirs, "secret")), m->name, "secret");
        expect(text_member(theirs, "state", "published", "removed") == m->removed, m->name, "removed");
        expect(is_in("emergency_calls", m->name) == m->emergency, m->name, "emergency");
        check_key_roles(m->name, json_object_get(theirs, "map_keys_roles"), m->n_key_roles, m->key_roles);
        expect(same_names(json_object_get(theirs, "ctor_required"), m->ctor_required), m->name,
               "ctor_required");
        expect(same_names(json_object_get(theirs, "ctor_optional"), m->ctor_optional), m->name,
               "ctor_optional");
}

static void test_classes(void)
{
        const json_t *classes = json_object_get(reference, "classes");
        expect(json_object_size(classes) == model_n_classes, "classes", "number");
        for (size_t i = 0; i < model_n_classes; i++) {
                const Class *c = model_classes[i];
                const json_t *theirs = json_object_get(classes, c->name);
                if (!theirs) {
                        differ(c->name, "not in the reference");
                        continue;
                }
                expect(flag_member(theirs, "in_database", true, c->in_database), c->name, "in_database");
                expect(flag_member(theirs, "persist", true, c->persist), c->name, "persist");
                expect(flag_member(theirs, "events", true, c->events), c->name, "events");
                expect(json_object_size(json_object_get(theirs, "fields")) == c->n_fields, c->name, "fields");
                for (size_t j = 0; j < c->n_fields; j++)
                        check_field(c, theirs, &c->fields[j]);
        }
        g_assert_cmpuint(differences, ==, 0);
}

static void test_messages(void)
{
        size_t n = 0;
        const char *class_name, *name;
        json_t *class, *message;
        json_object_foreach(json_object_get(reference, "classes"), class_name, class)
        {
                json_object_foreach(json_object_get(class, "messages"), name, message)
                {
                        g_autofree char *full = g_strdup_printf("%s.%s", class_name, name);
                        const Message *m = model_message(full);
                        if (m && strcmp(m->class->name, class_name) == 0)
                                check_message(m, message);
                        else
                                differ(full, "missing");
                        n++;
                }
        }
        g_assert_cmpuint(n, ==, model_n_messages);
        g_assert_cmpuint(differences, ==, 0);
}

/* Every enum that a type names, with its values in order. */
static void test_enums(void)
{
        const json_t *enums = json_object_get(reference, "enums");
        for (size_t i = 0; i < model_n_enums; i++) {
                const Enum *e = model_enums[i];
                const json_t *theirs = json_object_get(enums, e->name);
                expect(json_array_size(theirs) == e->n, e->name, "number of values");
                for (size_t j = 0; j < e->n && j < json_array_size(theirs); j++)
                        expect(strcmp(json_string_value(json_array_get(theirs, j)), e->values[j]) == 0,
                               e->name, e->values[j]);
        }
        g_assert_cmpuint(model_n_enums, ==, json_object_size(enums));
        g_assert_cmpuint(differences, ==, 0);
}

static void test_errors(void)
{
        const json_t *errors = json_object_get(reference, "errors");
        g_assert_cmpuint(json_object_size(errors), ==, model_n_errors);
        for (size_t i = 0; i < model_n_errors; i++) {
                const json_t *theirs = json_object_get(errors, model_errors[i].code);
                expect(theirs != NULL, model_errors[i].code, "not in the reference");
                expect(same_names(theirs, model_errors[i].params), model_errors[i].code, "parameters");
        }
        g_assert_cmpuint(differences, ==, 0);
}

static bool has_relation(const char *a, const char *f, const char *b, const char *g)
{
        size_t i;
        json_t *r;
        json_array_foreach(json_object_get(reference, "relations"), i, r)
        {
                const char *names[4];
                for (size_t j = 0; j < 4; j++)
                        names[j] = json_string_value(json_array_get(r, j));
                if (strcmp(names[0], a) == 0 && strcmp(names[1], f) == 0 && strcmp(names[2], b) == 0 &&
                    strcmp(names[3], g) == 0)
                        return true;
        }
        return false;
}

static void test_relations(void)
{
        size_t ends = 0;
        for (size_t i = 0; i < model_n_classes; i++)
                for (size_t j = 0; j < model_classes[i]->n_fields; j++) {
                        const Field *f = &model_classes[i]->fields[j];
                        if (!f->other_class)
                                continue;
                        const char *a = model_classes[i]->name, *b = f->other_class->name;
                        const char *g = f->other_class->fields[f->other_field].name;
                        expect(has_relation(a, f->name, b, g) || has_relation(b, g, a, f->name), a, f->name);
                        ends++;
                }
        /* role.subroles and subject.roles are written as relations with themselves; there is nothing to keep. */
        g_assert_cmpuint(ends, ==, 2 * (json_array_size(json_object_get(reference, "relations")) - 2));
        g_assert_cmpuint(differences, ==, 0);
}

static void test_rest(void)
{
        const json_t *http = json_object_get(reference, "http_actions");
        g_assert_cmpuint(json_object_size(http), ==, model_n_http_actions);
        for (size_t i = 0; i < model_n_http_actions; i++) {
                const HttpAction *a = &model_http_actions[i];
                const json_t *theirs = json_object_get(http, a->name);
                const char *role = json_string_value(json_object_get(theirs, "roles"));
                expect(text_member(theirs, "method", "", a->method), a->name, "method");
                expect(text_member(theirs, "uri", "", a->path), a->name, "path");
                expect((role ? role_bits(role) : 0) == a->roles, a->name, "roles");
                expect(is_in("http_no_rbac", a->name) == a->open, a->name, "open");
        }
        const json_t *types = json_object_get(reference, "message_types");
        g_assert_cmpuint(json_object_size(types), ==, model_n_message_types);
        for (size_t i = 0; i < model_n_message_types; i++)
                expect(json_integer_value(json_object_get(types, model_message_types[i].name)) ==
                           model_message_types[i].priority,
                       model_message_types[i].name, "priority");
        g_assert_cmpuint(json_array_size(json_object_get(reference, "roles")), ==, model_n_roles);
        for (size_t i = 0; i < model_n_roles; i++)
                expect(role_bits(model_roles[i]) == (2u << i) - 1, model_roles[i], "order");
        g_assert_cmpuint(differences, ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_assert_cmpint(argc, ==, 2);
        reference = json_load_file(argv[1], 0, NULL);
        g_assert_nonnull(reference);
        model_init();
        g_test_add_func("/tables/classes", test_classes);
        g_test_add_func("/tables/messages", test_messages);
        g_test_add_func("/tables/enums", test_enums);
        g_test_add_func("/tables/errors", test_errors);
        g_test_add_func("/tables/relations", test_relations);
        g_test_add_func("/tables/rest", test_rest);
        int failed = g_test_run();
        json_decref(reference);
        return failed;
}
