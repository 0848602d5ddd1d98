/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc.h"

#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "rpc-parse.h"

#define XML_HEAD "<?xml version=\"1.0\"?><methodResponse><params><param>"
#define XML_TAIL "</param></params></methodResponse>"

void rpc_request_clear(RpcRequest *r)
{
        free(r->method);
        json_decref(r->params);
        free(r->id);
        buffer_clear(&r->refusal);
        *r = (RpcRequest){ 0 };
}

bool rpc_path_is_json(const char *path)
{
        return strncmp(path, "/jsonrpc", strlen("/jsonrpc")) == 0;
}

RpcParse rpc_parse(bool json, const char *body, size_t n, RpcRequest *ret)
{
        *ret = (RpcRequest){ .dialect = json ? RPC_JSON1 : RPC_XML };
        if (n > RPC_BODY_MAX)
                return RPC_TOO_LARGE;
        return json ? rpc_parse_json(body, n, ret) : rpc_parse_xml(body, n, ret);
}

/* In XML this one result stands alone, without Status and Value: clients read it so. */
static bool is_bare(const RpcRequest *r)
{
        return strcmp(r->method, "system.listMethods") == 0;
}

static void end_json(Buffer *b, const RpcRequest *r)
{
        buffer_append_literal(b, ",\"id\":");
        buffer_append_text(b, r->id);
        buffer_append_literal(b, "}");
}

void rpc_begin_success(Buffer *b, const RpcRequest *r)
{
        switch (r->dialect) {
        case RPC_XML:
                buffer_append_literal(b, XML_HEAD);
                if (!is_bare(r))
                        buffer_append_literal(
                            b, "<value><struct><member><name>Status</name><value>Success</value>"
                               "</member><member><name>Value</name>");
                break;
        case RPC_JSON1:
                buffer_append_literal(b, "{\"result\":");
                break;
        case RPC_JSON2:
                buffer_append_literal(b, "{\"jsonrpc\":\"2.0\",\"result\":");
                break;
        }
}

void rpc_end_success(Buffer *b, const RpcRequest *r)
{
        switch (r->dialect) {
        case RPC_XML:
                if (!is_bare(r))
                        buffer_append_literal(b, "</member></struct></value>");
                buffer_append_literal(b, XML_TAIL);
                break;
        case RPC_JSON1:
                buffer_append_literal(b, ",\"error\":null");
                end_json(b, r);
                break;
        case RPC_JSON2:
                end_json(b, r);
                break;
        }
}

void rpc_write_success(Buffer *b, const RpcRequest *r, const char *value, size_t n)
{
        buffer_reserve(b, n + 256);
        rpc_begin_success(b, r);
        buffer_append(b, value, n);
        rpc_end_success(b, r);
}

static void write_xml_failure(Buffer *b, const XapiError *error)
{
        buffer_append_literal(b, XML_HEAD
                              "<value><struct><member><name>Status</name><value>Failure</value></member>"
                              "<member><name>ErrorDescription</name><value><array><data><value>");
        xml_write_text(b, error->code);
        buffer_append_literal(b, "</value>");
        for (size_t i = 0; i < error->n_params; i++) {
                buffer_append_literal(b, "<value>");
                xml_write_text(b, error->params[i]);
                buffer_append_literal(b, "</value>");
        }
        buffer_append_literal(b, "</data></array></value></member></struct></value>" XML_TAIL);
}

/* Without brackets. */
static void write_json_params(Buffer *b, const XapiError *error)
{
        for (size_t i = 0; i < error->n_params; i++) {
                if (i > 0)
                        buffer_append_literal(b, ",");
                json_write_string(b, error->params[i]);
        }
}

static void write_json1_failure(Buffer *b, const XapiError *error)
{
        buffer_append_literal(b, "{\"result\":null,\"error\":[");
        json_write_string(b, error->code);
        if (error->n_params > 0)
                buffer_append_literal(b, ",");
        write_json_params(b, error);
        buffer_append_literal(b, "]");
}

void rpc_write_failure(Buffer *b, const RpcRequest *r, const XapiError *error)
{
        switch (r->dialect) {
        case RPC_XML:
                write_xml_failure(b, error);
                break;
        case RPC_JSON1:
                write_json1_failure(b, error);
                end_json(b, r);
                break;
        case RPC_JSON2:
                buffer_append_literal(b, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":");
                json_write_string(b, error->code);
                buffer_append_literal(b, ",\"data\":[");
                write_json_params(b, error);
                buffer_append_literal(b, "]}");
                end_json(b, r);
                break;
        }
}

void rpc_write_refusal(Buffer *b, bool json, const XapiError *error)
{
        if (!json) {
                write_xml_failure(b, error);
                return;
        }
        write_json1_failure(b, error);
        buffer_append_literal(b, ",\"id\":0}");
}

void rpc_write_options_headers(Buffer *b, const HttpRequest *request)
{
        const char *asked = http_header(request, "access-control-request-headers");

        buffer_append_literal(b, "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: ");
        if (asked) {
                buffer_append_text(b, asked);
                buffer_append_literal(b, ", ");
        }
        buffer_append_literal(b, "X-Requested-With\r\nAccess-Control-Allow-Methods: PUT\r\n");
}
