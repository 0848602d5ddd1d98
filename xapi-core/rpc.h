/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The envelopes of a call, XML-RPC and JSON-RPC 1.0 and 2.0: from an HTTP body, and back. Knows no method. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "buffer.h"
#include "error.h"
#include "http.h"

#define RPC_BODY_MAX   (16u << 20)  /* bytes of a call's body */
#define RPC_DEPTH_MAX  64u          /* sets and maps inside one another, in one parameter */
#define RPC_VALUES_MAX (256u << 10) /* values, with those inside others, of one call */

typedef enum RpcDialect { RPC_XML, RPC_JSON1, RPC_JSON2 } RpcDialect;

typedef struct RpcRequest {
        RpcDialect dialect;
        char *method;
        json_t *params; /* array; in the shape that value_read of codec.h takes */
        char *id;       /* JSON text, echoed; NULL in XML */
        /* RPC_REFUSED only: the body of the answer, HTTP 200, content type of the dialect, without CORS headers. */
        Buffer refusal;
} RpcRequest;
void rpc_request_clear(RpcRequest *r);
#define auto_rpc_request __attribute__((cleanup(rpc_request_clear))) RpcRequest

typedef enum RpcParse {
        RPC_CALL,      /* *ret holds a call */
        RPC_MALFORMED, /* answered with HTTP 500 */
        RPC_TOO_LARGE, /* answered with HTTP 413 */
        RPC_REFUSED,   /* a string that cannot be stored: answer with ret->refusal */
} RpcParse;

/* Which POSTs are JSON: those under /jsonrpc. Everything else that nobody serves is XML-RPC, /json too. */
bool rpc_path_is_json(const char *path);
/* *ret is always set, to be cleared with rpc_request_clear. */
RpcParse rpc_parse(bool json, const char *body, size_t n, RpcRequest *ret);

/* The body of a reply. Between begin and end goes the value's text, already rendered in the dialect (in XML with its
 * <value>): one line, as clients need it. */
void rpc_begin_success(Buffer *b, const RpcRequest *r);
void rpc_end_success(Buffer *b, const RpcRequest *r);
void rpc_write_success(Buffer *b, const RpcRequest *r, const char *value, size_t n);
void rpc_write_failure(Buffer *b, const RpcRequest *r, const XapiError *error);
/* A failure from before the call was looked at (still booting, emergency mode): in JSON always version 1.0 and id 0.
 * Goes out without CORS headers. */
void rpc_write_refusal(Buffer *b, bool json, const XapiError *error);

static inline const char *rpc_content_type(RpcDialect dialect)
{
        return dialect == RPC_XML ? "text/xml" : "application/json";
}
/* For HttpReply.headers. */
#define RPC_REPLY_HEADERS                                                                                    \
        "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: X-Requested-With\r\n"
/* The header lines that answer OPTIONS, on any path. */
void rpc_write_options_headers(Buffer *b, const HttpRequest *request);
