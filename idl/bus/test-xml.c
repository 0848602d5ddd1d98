/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-xml.h"

#include <expat.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

/* The value being built and those around it. */
typedef struct Reader {
        GString *text;
        GPtrArray *open;  /* arrays and objects, the innermost last; params is the first */
        GPtrArray *names; /* of the members being read */
        json_t *value;    /* the last one that was finished; owned */
        bool typed;       /* it came from an element of its own */
        json_t *call;
        bool bad;
} Reader;

static void set_value(Reader *r, json_t *taken)
{
        json_decref(r->value);
        r->value = taken;
        r->typed = true;
}

static void on_start(void *data, const char *name, const char **attributes)
{
        Reader *r = data;

        g_string_truncate(r->text, 0);
        if (strcmp(name, "value") == 0)
                r->typed = false;
        else if (strcmp(name, "params") == 0 || strcmp(name, "array") == 0)
                g_ptr_array_add(r->open, json_array());
        else if (strcmp(name, "struct") == 0)
                g_ptr_array_add(r->open, json_object());
}

static json_t *innermost(Reader *r)
{
        return r->open->len ? r->open->pdata[r->open->len - 1] : NULL;
}

static void finish_value(Reader *r)
{
        json_t *container = innermost(r);

        if (!r->typed)
                set_value(r, json_string(r->text->str));
        if (json_is_array(container)) {
                json_array_append(container, r->value);
        } else if (json_is_object(container) && r->names->len) {
                json_object_set(container, r->names->pdata[r->names->len - 1], r->value);
        } else {
                r->bad = true;
        }
}

static void on_end(void *data, const char *name)
{
        Reader *r = data;
        const char *text = r->text->str;

        if (strcmp(name, "methodName") == 0)
                json_object_set_new(r->call, "method", json_string(text));
        else if (strcmp(name, "name") == 0)
                g_ptr_array_add(r->names, g_strdup(text));
        else if (strcmp(name, "boolean") == 0)
                set_value(r, json_boolean(strcmp(text, "1") == 0));
        else if (strcmp(name, "double") == 0)
                set_value(r, json_real(strtod(text, NULL)));
        else if (strcmp(name, "nil") == 0)
                set_value(r, json_null());
        else if (strcmp(name, "string") == 0 || strcmp(name, "int") == 0 || strcmp(name, "i4") == 0)
                set_value(r, json_string(text));
        else if (strcmp(name, "array") == 0 || strcmp(name, "struct") == 0)
                set_value(r, g_ptr_array_steal_index(r->open, r->open->len - 1));
        else if (strcmp(name, "params") == 0)
                json_object_set_new(r->call, "params", g_ptr_array_steal_index(r->open, r->open->len - 1));
        else if (strcmp(name, "value") == 0)
                finish_value(r);
        else if (strcmp(name, "member") == 0)
                g_ptr_array_remove_index(r->names, r->names->len - 1);
        g_string_truncate(r->text, 0);
}

static void on_text(void *data, const char *text, int n)
{
        g_string_append_len(((Reader *)data)->text, text, n);
}

json_t *test_xml_to_json(const char *text)
{
        Reader r = {
                .text = g_string_new(NULL),
                .open = g_ptr_array_new(),
                .names = g_ptr_array_new_with_free_func(g_free),
                .call = json_object(),
        };
        XML_Parser parser = XML_ParserCreate(NULL);

        XML_SetUserData(parser, &r);
        XML_SetElementHandler(parser, on_start, on_end);
        XML_SetCharacterDataHandler(parser, on_text);
        bool good = XML_Parse(parser, text, (int)strlen(text), 1) == XML_STATUS_OK && !r.bad &&
                    json_object_get(r.call, "params");

        XML_ParserFree(parser);
        g_string_free(r.text, TRUE);
        g_ptr_array_free(r.open, TRUE);
        g_ptr_array_free(r.names, TRUE);
        json_decref(r.value);
        if (!good) {
                json_decref(r.call);
                return NULL;
        }
        return r.call;
}
