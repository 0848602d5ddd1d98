/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests in one piece and byte by byte must be understood alike. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "http.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

typedef struct Outcome {
        unsigned n_requests;
        HttpParse last;
        int status;
        uint64_t digest; /* of all that was understood */
} Outcome;

static void digest_text(Outcome *o, const char *text, size_t n)
{
        for (size_t i = 0; i < n; i++)
                o->digest = (o->digest ^ (unsigned char)text[i]) * 1099511628211u;
        o->digest = (o->digest ^ 0x100) * 1099511628211u;
}

static void digest_request(Outcome *o, const HttpRequest *r)
{
        const char *texts[] = { r->method, r->target, r->path, r->query };

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                digest_text(o, texts[i], strlen(texts[i]));
        for (size_t i = 0; i < r->n_headers; i++) {
                digest_text(o, r->headers[i].name, strlen(r->headers[i].name));
                digest_text(o, r->headers[i].value, strlen(r->headers[i].value));
        }
        if (r->body.len > 0)
                digest_text(o, r->body.data, r->body.len);
        free(http_query_value(r, "a"));
        free(http_cookie(r, "a"));
        o->n_requests++;
}

static Outcome parse(const char *bytes, size_t n, size_t piece)
{
        HttpParser *p = http_parser_new();
        Outcome o = { 0 };

        for (size_t at = 0; at < n || o.last == HTTP_HEAD;) {
                size_t taken, now = n - at < piece ? n - at : piece;
                o.last = http_parser_feed(p, bytes + at, now, &taken);
                assert(taken <= now);
                at += taken;
                if (o.last == HTTP_BAD)
                        break;
                if (o.last == HTTP_REQUEST) {
                        digest_request(&o, http_parser_request(p));
                        http_parser_reset(p);
                }
        }
        o.status = http_parser_status(p);
        http_parser_free(p);
        return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
        Outcome whole = parse((const char *)bytes, n, n), pieces = parse((const char *)bytes, n, 1);

        assert(whole.n_requests == pieces.n_requests && whole.digest == pieces.digest);
        assert(whole.status == pieces.status && (whole.last == HTTP_BAD) == (pieces.last == HTTP_BAD));
        return 0;
}
