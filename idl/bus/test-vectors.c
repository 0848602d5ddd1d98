/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Upstream's own vectors: each is read by its type, written again, and must be the same. Those that cannot be stand in
 * tests/vectors/uncovered, each with its reason; one that stands there and could be is a failure too. */
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "memory.h"
#include "network.h"
#include "rrd.h"
#include "storage.h"
#include "test-xml.h"

static const char *folder;

static const BusInterface *const interfaces[] = {
        &memory_interface,
        &network_interface,
        &rrd_interface,
        &storage_interface,
};

/* Whether some record of the interface fills that member in when it is not there. */
static bool type_defaults(const BusType *type, const char *name)
{
        if (!type)
                return false;
        for (size_t i = 0; i < type->n_fields; i++)
                if ((type->fields[i].default_json && strcmp(type->fields[i].name, name) == 0) ||
                    type_defaults(type->fields[i].type, name))
                        return true;
        for (size_t i = 0; i < type->n_tags; i++)
                if (type_defaults(type->tags[i].type, name))
                        return true;
        return type_defaults(type->element, name);
}

static bool method_defaults(const BusMethod *method, const char *name)
{
        for (size_t i = 0; i < method->n_params; i++)
                if (type_defaults(method->params[i].type, name))
                        return true;
        return type_defaults(method->result, name);
}

static bool same(const BusMethod *method, const json_t *wanted, const json_t *got);

static bool same_object(const BusMethod *method, const json_t *wanted, const json_t *got)
{
        const char *key;
        json_t *value;

        json_object_foreach((json_t *)wanted, key,
                            value) if (!same(method, value, json_object_get(got, key))) return false;
        json_object_foreach((json_t *)got, key, value) if (!json_object_get(wanted, key) &&
                                                           !method_defaults(method, key)) return false;
        return true;
}

/* A vector written as XML has its integers as text; those written as JSON are compared as they are. */
static bool same(const BusMethod *method, const json_t *wanted, const json_t *got)
{
        if (json_is_object(wanted) && json_is_object(got))
                return same_object(method, wanted, got);
        if (json_is_string(wanted) && json_is_integer(got)) {
                g_autofree char *text = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(got));

                return strcmp(json_string_value(wanted), text) == 0;
        }
        if (!json_is_array(wanted) || !json_is_array(got))
                return json_equal(wanted, got);
        if (json_array_size(wanted) != json_array_size(got))
                return false;
        for (size_t i = 0; i < json_array_size(wanted); i++)
                if (!same(method, json_array_get(wanted, i), json_array_get(got, i)))
                        return false;
        return true;
}

static char *differs(const BusMethod *method, const json_t *wanted, json_t *got_taken)
{
        char *what = NULL;

        if (!same(method, wanted, got_taken)) {
                g_autofree char *text = json_dumps(got_taken, JSON_ENCODE_ANY | JSON_SORT_KEYS);

                what = g_strdup_printf("written again it is %s", text);
        }
        json_decref(got_taken);
        return what;
}

static char *check_params(const BusMethod *method, const json_t *params)
{
        g_autofree void *args = g_malloc0(method->args_size);
        BusReason reason;

        if (!bus_decode_params(method, params, args, &reason))
                return g_strdup(reason.text);
        char *what = differs(method, params, bus_encode_params(method, args));

        bus_args_clear(method, args);
        return what;
}

static char *check_value(const BusMethod *method, const BusType *type, const json_t *json)
{
        g_autofree void *value = g_malloc0(type->size + 1);
        BusReason reason;

        if (!bus_decode(type, json, value, &reason))
                return g_strdup(reason.text);
        char *what = differs(method, json, bus_encode(type, value));

        bus_value_clear(type, value);
        return what;
}

/* The two shapes of a reply: {result, error, id}, and {Status, Value} or {Status, ErrorDescription}. */
static char *check_reply(const BusInterface *interface, const BusMethod *method, const json_t *reply)
{
        const json_t *params = json_object_get(reply, "params"), *inner = json_array_get(params, 0);
        const json_t *error =
            params ? json_object_get(inner, "ErrorDescription") : json_object_get(reply, "error");
        const json_t *result = params ? json_object_get(inner, "Value") : json_object_get(reply, "result");

        if (error && !json_is_null(error))
                return check_value(method, interface->error, error);
        return result ? check_value(method, method->result, result) : g_strdup("no reply");
}

/* NULL: covered; else why not. */
static char *check(const BusInterface *interface, const char *file, const char *text)
{
        bool request = strstr(file, "/requests/");
        g_autofree char *name = g_path_get_basename(file);
        char *end = g_strrstr(name, request ? ".request." : ".response.");

        g_assert_nonnull(end);
        *end = '\0';
        const BusMethod *method = bus_interface_method(interface, name);

        if (!method) /* upstream's folder of network has some of memory */
                method = bus_interface_method(interface = &memory_interface, name);
        if (!method)
                return g_strdup("no such method");
        json_t *json = text[0] == '<' ? test_xml_to_json(text) : json_loads(text, 0, NULL);

        g_assert_nonnull(json);
        char *what = request ? check_params(method, json_object_get(json, "params"))
                             : check_reply(interface, method, json);

        json_decref(json);
        return what;
}

/* Lines "FILE: reason". */
static GHashTable *read_uncovered(void)
{
        g_autofree char *path = g_build_filename(folder, "uncovered", NULL), *text = NULL;
        GHashTable *uncovered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; *line; line++) {
                char *colon = strstr(*line, ": ");

                if (**line == '\0' || **line == '#')
                        continue;
                g_assert_nonnull(colon);
                g_hash_table_add(uncovered, g_strndup(*line, (size_t)(colon - *line)));
        }
        return uncovered;
}

static void check_line(const BusInterface *interface, const char *line, GHashTable *uncovered,
                       size_t *covered)
{
        json_t *vector = json_loads(line, 0, NULL);

        g_assert_nonnull(vector);
        const char *file = json_string_value(json_object_get(vector, "file"));
        g_autofree char *what = check(interface, file, json_string_value(json_object_get(vector, "text")));
        bool listed = g_hash_table_contains(uncovered, file);

        if (what && !listed)
                g_test_message("%s: %s", file, what);
        if (!what && listed)
                g_test_message("%s passes: strike it out of uncovered", file);
        if (!what == listed)
                g_test_fail();
        *covered += !what;
        json_decref(vector);
}

static void test_vectors(const void *data)
{
        const BusInterface *interface = data;
        g_autofree char *name = g_strdup_printf("%s.jsonl", interface->name);
        g_autofree char *path = g_build_filename(folder, name, NULL), *text = NULL;
        g_autoptr(GHashTable) uncovered = read_uncovered();
        size_t covered = 0;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; *line; line++)
                if (**line)
                        check_line(interface, *line, uncovered, &covered);
        g_test_message("%s: %zu vectors covered", interface->name, covered);
        g_assert_cmpuint(covered, >, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_set_nonfatal_assertions();
        g_assert_cmpint(argc, ==, 2);
        folder = argv[1];
        for (size_t i = 0; i < G_N_ELEMENTS(interfaces); i++) {
                g_autofree char *path = g_strdup_printf("/bus/vectors/%s", interfaces[i]->name);

                g_test_add_data_func(path, interfaces[i], test_vectors);
        }
        return g_test_run();
}
