/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* HTTP/1.1 requests, parsed as they come (RFC 9112). Strict, bounded, no allocation beyond what it holds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

#define HTTP_LINE_MAX          8192u  /* bytes of the request line */
#define HTTP_HEADERS_MAX       65536u /* bytes of all header lines */
#define HTTP_HEADERS_COUNT_MAX 128u
#define HTTP_BODY_MAX          (64u << 20) /* bytes of a body that is collected whole */
#define HTTP_BODY_SMALL        (16u << 10) /* bytes: room that is kept for the next request */

typedef struct HttpHeader {
        const char *name;  /* as sent */
        const char *value; /* trimmed */
} HttpHeader;

typedef struct HttpRequest {
        const char *method, *target, *path, *query; /* path percent-decoded; query as sent, "" if none */
        int version_minor;                          /* 0 or 1 */
        size_t n_headers;
        const HttpHeader *headers;
        bool keep_alive; /* what HTTP's rules say of the connection after this request */
        bool expect_continue;
        bool chunked;           /* Transfer-Encoding: chunked */
        int64_t content_length; /* -1: none given */
        Buffer body;            /* the whole body; empty when it is to be streamed */
} HttpRequest;
const char *http_header(const HttpRequest *r, const char *name); /* case-insensitive, the first; NULL: none */
char *http_query_value(const HttpRequest *r, const char *name);  /* decoded, owned (free); NULL: none */
char *http_cookie(const HttpRequest *r, const char *name);       /* owned; NULL: none */

typedef enum HttpParse {
        HTTP_MORE, /* all bytes taken, request not whole yet */
        HTTP_HEAD, /* the head is whole; call again to go on with the body (lets a caller stream it instead) */
        HTTP_REQUEST, /* a whole request is ready; bytes after it are left */
        HTTP_BAD,     /* http_parser_status says which status to answer; the connection must be closed */
} HttpParse;

typedef struct HttpParser HttpParser;
HttpParser *http_parser_new(void);
void http_parser_free(HttpParser *p);
HttpParse http_parser_feed(HttpParser *p, const char *bytes, size_t n, size_t *ret_taken);
HttpRequest *http_parser_request(HttpParser *p); /* borrowed until http_parser_reset */
int http_parser_status(const HttpParser *p);     /* 400, 413, 414, 417, 431, 501, 505 */
void http_parser_reset(HttpParser *p);           /* ready for the next request of the connection */
