/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a JSON document says as a call of JSON-RPC 1.0 or 2.0. */
#include <inttypes.h>
#include <string.h>

#include <glib.h>

#include "json-text.h"
#include "rpc-parse.h"

/* Any bytes as a JSON string: what is not UTF-8 becomes U+FFFD. */
static void write_bytes(Buffer *b, const char *bytes, size_t n)
{
        buffer_append_literal(b, "\"");
        for (size_t i = 0; i < n;) {
                unsigned char c = (unsigned char)bytes[i];
                if (c == '"' || c == '\\') {
                        buffer_printf(b, "\\%c", c);
                        i++;
                } else if (c < ' ') {
                        buffer_printf(b, "\\u%04x", c);
                        i++;
                } else if (c < 0x80) {
                        buffer_append(b, &bytes[i++], 1);
                } else if (g_utf8_get_char_validated(bytes + i, (gssize)(n - i)) >= (gunichar)-2) {
                        buffer_append_literal(b, "\xef\xbf\xbd");
                        i++;
                } else {
                        size_t length = (size_t)(g_utf8_next_char(bytes + i) - (bytes + i));
                        buffer_append(b, bytes + i, length);
                        i += length;
                }
        }
        buffer_append_literal(b, "\"");
}

/* A parameter as upstream's error texts show one: S(text), I(1), [I(1);N], {key:B(true)}. */
static void print_value(Buffer *b, const json_t *v)
{
        const char *separator = "";

        switch (json_typeof(v)) {
        case JSON_STRING:
                buffer_append_literal(b, "S(");
                buffer_append(b, json_string_value(v), json_string_length(v));
                buffer_append_literal(b, ")");
                break;
        case JSON_INTEGER:
                buffer_printf(b, "I(%" JSON_INTEGER_FORMAT ")", json_integer_value(v));
                break;
        case JSON_REAL:
                buffer_printf(b, "F(%g)", json_real_value(v));
                break;
        case JSON_TRUE:
        case JSON_FALSE:
                buffer_append_text(b, json_is_true(v) ? "B(true)" : "B(false)");
                break;
        case JSON_NULL:
                buffer_append_literal(b, "N");
                break;
        case JSON_ARRAY:
                buffer_append_literal(b, "[");
                for (size_t i = 0; i < json_array_size(v); i++, separator = ";") {
                        buffer_append_text(b, separator);
                        print_value(b, json_array_get(v, i));
                }
                buffer_append_literal(b, "]");
                break;
        case JSON_OBJECT:
                buffer_append_literal(b, "{");
                for (void *i = json_object_iter((json_t *)v); i; i = json_object_iter_next((json_t *)v, i)) {
                        buffer_append_text(b, separator);
                        buffer_append(b, json_object_iter_key(i), json_object_iter_key_len(i));
                        buffer_append_literal(b, ":");
                        print_value(b, json_object_iter_value(i));
                        separator = ";";
                }
                buffer_append_literal(b, "}");
                break;
        }
}

/* A parameter that holds what no string of the data model may hold is told to the client whole, before the call is
 * looked at any further. False: no parameter does. */
static bool refuse_dirty(RpcRequest *r)
{
        for (size_t i = 0; i < json_array_size(r->params); i++) {
                auto_buffer text = { 0 };
                print_value(&text, json_array_get(r->params, i));
                if (json_text_is_clean(text.data, text.len))
                        continue;
                buffer_append_literal(&r->refusal, "{\"result\":null,\"error\":[\"INVALID_VALUE\","
                                                   "\"Invalid UTF-8 string in parameter\",");
                write_bytes(&r->refusal, text.data, text.len);
                buffer_append_literal(&r->refusal, "],\"id\":0}");
                return true;
        }
        return false;
}

static bool read_version(const json_t *document, RpcDialect *ret)
{
        const json_t *version = json_object_get(document, "jsonrpc");

        if (version && (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0))
                return false;
        *ret = version ? RPC_JSON2 : RPC_JSON1;
        return true;
}

static bool read_method(const json_t *document, char **ret)
{
        const json_t *method = json_object_get(document, "method");

        if (!json_is_string(method) ||
            !json_text_is_clean(json_string_value(method), json_string_length(method)))
                return false;
        *ret = strdup(json_string_value(method));
        return true;
}

/* Version 2.0 may leave params out, or give an object, which then is the one parameter. */
static bool read_params(const json_t *document, RpcDialect dialect, json_t **ret)
{
        json_t *params = json_object_get(document, "params");

        if (json_is_array(params))
                *ret = json_incref(params);
        else if (dialect == RPC_JSON1)
                return false;
        else if (!params || json_is_null(params))
                *ret = json_array();
        else if (json_is_object(params))
                *ret = json_pack("[O]", params);
        else
                return false;
        return true;
}

static bool read_id(const json_t *document, char **ret)
{
        const json_t *id = json_object_get(document, "id");
        Buffer b = { 0 };

        if (json_is_integer(id))
                buffer_append_int(&b, json_integer_value(id));
        else if (json_is_string(id))
                write_bytes(&b, json_string_value(id), json_string_length(id));
        else
                return false;
        *ret = buffer_steal(&b);
        return true;
}

RpcParse rpc_parse_json(const char *body, size_t n, RpcRequest *ret)
{
        /* The document and its params are not of a parameter. */
        static const JsonLimits limits = { .depth = RPC_DEPTH_MAX + 2, .values = RPC_VALUES_MAX };
        bool dirty;
        json_t *document = json_text_read(body, n, &limits, &dirty);
        bool fine = json_is_object(document) && read_version(document, &ret->dialect) &&
                    read_method(document, &ret->method) &&
                    read_params(document, ret->dialect, &ret->params) && read_id(document, &ret->id);

        json_decref(document);
        if (!fine)
                return RPC_MALFORMED;
        return dirty && refuse_dirty(ret) ? RPC_REFUSED : RPC_CALL;
}
