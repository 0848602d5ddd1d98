/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XML-RPC calls: expat's events, pushed through a stack of the elements that may stand in one another. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>
#include <glib.h>

#include "rpc-parse.h"

typedef enum ElementKind {
        ELEMENT_DOCUMENT,
        ELEMENT_CALL,
        ELEMENT_METHOD,
        ELEMENT_PARAMS,
        ELEMENT_PARAM,
        ELEMENT_VALUE,
        ELEMENT_ARRAY,
        ELEMENT_DATA,
        ELEMENT_STRUCT,
        ELEMENT_MEMBER,
        ELEMENT_NAME,
        ELEMENT_INT,
        ELEMENT_BOOLEAN,
        ELEMENT_DOUBLE,
        ELEMENT_STRING,
        ELEMENT_DATE,
        ELEMENT_NIL,
} ElementKind;

#define STACK_MAX                                                                                            \
        (5 + RPC_DEPTH_MAX * 3 +                                                                             \
         2) /* a map takes three levels: struct, member, value; a set two and its value */

typedef struct Element {
        ElementKind kind;
        unsigned n_children;
        json_t *value; /* of values, sets, maps, members: what has come of it; owned */
        char *name;    /* of members; owned */
} Element;

typedef struct Reader {
        XML_Parser expat;
        RpcRequest *request;
        Buffer text; /* of the innermost element that may have some */
        unsigned depth, n_values;
        bool whole, failed;
        size_t n_stack;
        Element stack[STACK_MAX];
} Reader;

static const struct {
        const char *name;
        ElementKind kind;
} value_elements[] = {
        { "string", ELEMENT_STRING }, { "int", ELEMENT_INT },         { "i4", ELEMENT_INT },
        { "i8", ELEMENT_INT },        { "boolean", ELEMENT_BOOLEAN }, { "double", ELEMENT_DOUBLE },
        { "struct", ELEMENT_STRUCT }, { "array", ELEMENT_ARRAY },     { "dateTime.iso8601", ELEMENT_DATE },
        { "nil", ELEMENT_NIL },
};

static void reader_fail(Reader *r)
{
        r->failed = true;
        XML_StopParser(r->expat, XML_FALSE);
}

static bool is_blank(const Buffer *b)
{
        for (size_t i = 0; i < b->len; i++)
                if (!strchr(" \t\n", b->data[i]) || !b->data[i])
                        return false;
        return true;
}

/* Does `name` stand for a child that may come now in `parent`? */
static bool child_kind(const Element *parent, const char *name, ElementKind *ret)
{
        static const struct {
                ElementKind parent;
                unsigned nth; /* which child, from 0; EVERY: any number of them */
                const char *name;
                ElementKind kind;
        } grammar[] = {
#define EVERY UINT_MAX
                { ELEMENT_DOCUMENT, 0, "methodCall", ELEMENT_CALL },
                { ELEMENT_CALL, 0, "methodName", ELEMENT_METHOD },
                { ELEMENT_CALL, 1, "params", ELEMENT_PARAMS },
                { ELEMENT_PARAMS, EVERY, "param", ELEMENT_PARAM },
                { ELEMENT_PARAM, 0, "value", ELEMENT_VALUE },
                { ELEMENT_ARRAY, 0, "data", ELEMENT_DATA },
                { ELEMENT_DATA, EVERY, "value", ELEMENT_VALUE },
                { ELEMENT_STRUCT, EVERY, "member", ELEMENT_MEMBER },
                { ELEMENT_MEMBER, 0, "name", ELEMENT_NAME },
                { ELEMENT_MEMBER, 1, "value", ELEMENT_VALUE },
#undef EVERY
        };

        for (size_t i = 0; i < G_N_ELEMENTS(grammar); i++)
                if (grammar[i].parent == parent->kind &&
                    (grammar[i].nth == parent->n_children || grammar[i].nth == UINT_MAX) &&
                    strcmp(grammar[i].name, name) == 0) {
                        *ret = grammar[i].kind;
                        return true;
                }
        if (parent->kind != ELEMENT_VALUE || parent->n_children > 0)
                return false;
        for (size_t i = 0; i < G_N_ELEMENTS(value_elements); i++)
                if (strcmp(value_elements[i].name, name) == 0) {
                        *ret = value_elements[i].kind;
                        return true;
                }
        return false;
}

static bool is_container(ElementKind kind)
{
        return kind == ELEMENT_ARRAY || kind == ELEMENT_STRUCT;
}

static void on_start(void *data, const char *name, const char **attributes)
{
        Reader *r = data;
        Element *parent = &r->stack[r->n_stack - 1];
        ElementKind kind;

        if (r->failed)
                return;
        if (!is_blank(&r->text) || !child_kind(parent, name, &kind) || r->n_stack == STACK_MAX)
                return reader_fail(r);
        if (kind == ELEMENT_VALUE && ++r->n_values > RPC_VALUES_MAX)
                return reader_fail(r);
        if (is_container(kind) && ++r->depth > RPC_DEPTH_MAX)
                return reader_fail(r);
        parent->n_children++;
        r->text.len = 0;
        r->stack[r->n_stack++] = (Element){ .kind = kind,
                                            .value = kind == ELEMENT_ARRAY    ? json_array()
                                                     : kind == ELEMENT_STRUCT ? json_object()
                                                                              : NULL };
}

/* As upstream reads them: decimal, or hexadecimal after 0x; all of the text. */
static json_t *read_int(const char *text)
{
        const char *digits = text + (*text == '-' || *text == '+');
        bool hex = digits[0] == '0' && (digits[1] | 0x20) == 'x';
        char *end;

        if (!g_ascii_isxdigit(digits[hex ? 2 : 0]))
                return NULL;
        errno = 0;
        long long i = strtoll(text, &end, hex ? 16 : 10);
        return *end == '\0' && errno == 0 ? json_integer(i) : NULL;
}

/* What jansson has no number for, NaN and infinities, goes on as text, which a reader of floats takes as well. */
static json_t *read_double(const char *text)
{
        char *end;

        if (!*text || g_ascii_isspace(*text))
                return NULL;
        double d = g_ascii_strtod(text, &end);
        if (*end != '\0')
                return NULL;
        json_t *real = json_real(d);
        return real ? real : json_string(text);
}

/* The value of an element that holds text only. NULL: not of its kind. */
static json_t *read_scalar(Reader *r, ElementKind kind)
{
        const char *text = buffer_terminate(&r->text);

        switch (kind) {
        case ELEMENT_INT:
                return read_int(text);
        case ELEMENT_BOOLEAN:
                return *text ? json_boolean(strcmp(text, "1") == 0) : NULL;
        case ELEMENT_DOUBLE:
                return read_double(text);
        case ELEMENT_DATE:
                return *text ? json_stringn_nocheck(text, r->text.len) : NULL;
        case ELEMENT_NIL:
                return *text ? NULL : json_null();
        default:
                return json_stringn_nocheck(text, r->text.len);
        }
}

/* Gives the finished child to its parent, which takes `value`. */
static void put_value(Reader *r, Element *parent, json_t *value)
{
        switch (parent->kind) {
        case ELEMENT_PARAM:
                json_array_append_new(r->request->params, value);
                break;
        case ELEMENT_DATA:
                json_array_append_new(r->stack[r->n_stack - 2].value, value);
                break;
        case ELEMENT_MEMBER:
                if (!json_object_get(r->stack[r->n_stack - 2].value, parent->name))
                        json_object_set_new_nocheck(r->stack[r->n_stack - 2].value, parent->name, value);
                else
                        json_decref(value);
                break;
        default:
                parent->value = value;
                break;
        }
}

/* False: the element may not end like this. */
static bool end_element(Reader *r, Element *e, Element *parent)
{
        json_t *value;

        switch (e->kind) {
        case ELEMENT_CALL:
                r->whole = e->n_children == 2;
                XML_StopParser(r->expat, XML_FALSE); /* whatever follows is not looked at */
                return r->whole;
        case ELEMENT_METHOD:
                r->request->method = strdup(buffer_terminate(&r->text));
                return r->text.len > 0;
        case ELEMENT_NAME:
                parent->name = strdup(buffer_terminate(&r->text));
                return r->text.len > 0;
        case ELEMENT_PARAM:
                return is_blank(&r->text) && e->n_children == 1;
        case ELEMENT_MEMBER:
                return is_blank(&r->text) && e->n_children == 2;
        case ELEMENT_PARAMS:
        case ELEMENT_DATA:
                return is_blank(&r->text);
        case ELEMENT_VALUE:
                if (e->n_children > 0 && !is_blank(&r->text))
                        return false;
                value = e->n_children > 0 ? g_steal_pointer(&e->value) : read_scalar(r, ELEMENT_STRING);
                break;
        case ELEMENT_ARRAY:
        case ELEMENT_STRUCT:
                if (!is_blank(&r->text))
                        return false;
                r->depth--;
                value = g_steal_pointer(&e->value);
                break;
        default:
                value = read_scalar(r, e->kind);
                break;
        }
        if (!value)
                return false;
        put_value(r, parent, value);
        return true;
}

static void element_clear(Element *e)
{
        json_decref(e->value);
        free(e->name);
}

static void on_end(void *data, const char *name)
{
        Reader *r = data;
        Element *e = &r->stack[r->n_stack - 1];

        if (r->failed)
                return;
        r->n_stack--;
        bool fine = end_element(r, e, e - 1);
        element_clear(e);
        r->text.len = 0;
        if (!fine)
                reader_fail(r);
}

static void on_text(void *data, const char *text, int n)
{
        Reader *r = data;
        if (!r->failed)
                buffer_append(&r->text, text, (size_t)n);
}

static void on_doctype(void *data, const char *name, const char *system, const char *public, int internal)
{
        reader_fail(data);
}

RpcParse rpc_parse_xml(const char *body, size_t n, RpcRequest *ret)
{
        Reader r = { .expat = XML_ParserCreate(NULL), .request = ret, .n_stack = 1 };

        ret->dialect = RPC_XML;
        ret->params = json_array();
        XML_SetUserData(r.expat, &r);
        XML_SetElementHandler(r.expat, on_start, on_end);
        XML_SetCharacterDataHandler(r.expat, on_text);
        XML_SetStartDoctypeDeclHandler(r.expat, on_doctype);
        XML_Parse(r.expat, body, (int)n, XML_TRUE);
        XML_ParserFree(r.expat);
        while (r.n_stack > 0)
                element_clear(&r.stack[--r.n_stack]);
        buffer_clear(&r.text);
        return r.whole && !r.failed ? RPC_CALL : RPC_MALFORMED;
}
