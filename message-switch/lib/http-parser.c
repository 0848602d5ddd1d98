/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RFC 9112, without what only old or hostile peers use: a line ends in CRLF, nothing is folded, one length only. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http-text.h"
#include "http.h"

#define CHUNK_LINE_MAX   1024u       /* bytes of a chunk's size and extensions */
#define BODY_RESERVE_MAX (64u << 10) /* bytes believed of a Content-Length before any have come */

typedef enum ParserState {
        STATE_REQUEST_LINE,
        STATE_HEADERS,
        STATE_HEAD_DONE, /* HTTP_HEAD was answered; the next call begins the body */
        STATE_BODY,
        STATE_CHUNK_SIZE,
        STATE_CHUNK_DATA,
        STATE_CHUNK_END,
        STATE_TRAILERS,
        STATE_DONE,
        STATE_BAD,
} ParserState;

struct HttpParser {
        ParserState state;
        int status;
        HttpRequest request;
        /* The head's lines, each ended by NUL where its CRLF was. Offsets, until the head is whole and stays put. */
        Buffer head;
        size_t line_start;
        size_t header_bytes;
        size_t target, path, query;
        struct {
                size_t name, value;
        } spans[HTTP_HEADERS_COUNT_MAX];
        HttpHeader headers[HTTP_HEADERS_COUNT_MAX];
        Buffer line;   /* of chunks: the head must not move any more */
        uint64_t left; /* bytes of the body or chunk still to come */
};

/* What a step of the state machine answers beside HttpParse: the state has changed, look again. */
enum { STEP_NEXT = -1 };

/* RFC 9110, 5.6.2 */
static const bool token_chars[256] = {
        ['!'] = true,         ['#' ... '\''] = true, ['*'] = true,         ['+'] = true,
        ['-'] = true,         ['.'] = true,          ['0' ... '9'] = true, ['A' ... 'Z'] = true,
        ['^' ... 'z'] = true, ['|'] = true,          ['~'] = true,
};

HttpParser *http_parser_new(void)
{
        HttpParser *p = calloc(1, sizeof(*p));
        assert(p);
        http_parser_reset(p);
        return p;
}

void http_parser_free(HttpParser *p)
{
        if (!p)
                return;
        buffer_clear(&p->head);
        buffer_clear(&p->line);
        buffer_clear(&p->request.body);
        free(p);
}

static void empty_buffer(Buffer *b)
{
        if (b->room > HTTP_BODY_SMALL)
                buffer_clear(b);
        b->len = 0;
}

void http_parser_reset(HttpParser *p)
{
        Buffer body = p->request.body;

        empty_buffer(&body);
        empty_buffer(&p->head);
        empty_buffer(&p->line);
        p->request =
            (HttpRequest){ .method = "", .target = "", .path = "", .query = "", .headers = p->headers };
        p->request.content_length = -1;
        p->request.body = body;
        p->state = STATE_REQUEST_LINE;
        p->status = 0;
        p->line_start = p->header_bytes = 0;
        p->left = 0;
}

HttpRequest *http_parser_request(HttpParser *p)
{
        return &p->request;
}

int http_parser_status(const HttpParser *p)
{
        return p->status;
}

static int bad(HttpParser *p, int status)
{
        p->state = STATE_BAD;
        p->status = status;
        return HTTP_BAD;
}

/* Adds bytes to the line that begins at `start`, up to its LF. STEP_NEXT when it is whole: its CRLF is a NUL then and
 * *ret_len its length without. `max` counts the line with its CRLF. */
static int gather_line(HttpParser *p, Buffer *b, size_t start, size_t max, int too_long, const char *bytes,
                       size_t n, size_t *ret_taken, size_t *ret_len)
{
        size_t have = b->len - start;
        size_t window = n < max - have ? n : max - have;
        const char *lf = window > 0 ? memchr(bytes, '\n', window) : NULL;
        size_t taken = lf ? (size_t)(lf - bytes) + 1 : window;

        buffer_append(b, bytes, taken);
        *ret_taken = taken;
        if (!lf)
                return taken < n ? bad(p, too_long) : HTTP_MORE;

        size_t len = have + taken;
        if (len < 2 || b->data[start + len - 2] != '\r')
                return bad(p, 400);
        b->data[start + len - 2] = '\0';
        b->len--;
        *ret_len = len - 2;
        return STEP_NEXT;
}

static bool is_token(const char *text, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (!token_chars[(unsigned char)text[i]])
                        return false;
        return n > 0;
}

/* Finds where the path stands in the target, in any of the forms of RFC 9112, 3.2. */
static const char *target_path(const char *method, const char *target)
{
        if (target[0] == '/' || strcmp(target, "*") == 0)
                return target;
        size_t scheme = strncasecmp(target, "http://", 7) == 0    ? 7
                        : strncasecmp(target, "https://", 8) == 0 ? 8
                                                                  : 0;
        if (scheme > 0)
                return target + scheme + strcspn(target + scheme, "/?");
        return strcmp(method, "CONNECT") == 0 ? target : NULL;
}

/* Leaves the decoded path behind the request line, and notes where the query begins. */
static int parse_target(HttpParser *p, size_t target_len)
{
        const char *base = p->head.data;
        const char *path = target_path(base, base + p->target);
        if (!path)
                return bad(p, 400);
        size_t offset = (size_t)(path - base), end = p->target + target_len;
        const char *mark = memchr(path, '?', end - offset);
        size_t path_len = (mark ? (size_t)(mark - base) : end) - offset;

        p->query = mark ? (size_t)(mark - base) + 1 : end;
        p->path = p->head.len;
        char *out = buffer_reserve(&p->head, path_len + 2);
        ssize_t decoded = http_percent_decode(p->head.data + offset, path_len, false, out);
        if (decoded < 0)
                return bad(p, 400);
        if (decoded == 0)
                out[decoded++] = '/';
        out[decoded] = '\0';
        p->head.len += (size_t)decoded + 1;
        return STEP_NEXT;
}

static int parse_request_line(HttpParser *p, size_t n)
{
        char *line = p->head.data;
        char *target = memchr(line, ' ', n);
        if (!target || !is_token(line, (size_t)(target - line)))
                return bad(p, 400);
        *target++ = '\0';
        char *version = memchr(target, ' ', (size_t)(line + n - target));
        if (!version || version == target)
                return bad(p, 400);
        for (const char *c = target; c < version; c++)
                if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || *c == '#')
                        return bad(p, 400);
        *version++ = '\0';
        if (line + n - version != 8 || memcmp(version, "HTTP/", 5) != 0 || version[6] != '.' ||
            version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9')
                return bad(p, 400);
        if (version[5] != '1')
                return bad(p, 505);
        p->request.version_minor = version[7] > '0';
        p->target = (size_t)(target - line);
        return parse_target(p, (size_t)(version - 1 - target));
}

static int parse_header(HttpParser *p, size_t n)
{
        char *line = p->head.data + p->line_start;
        char *colon = memchr(line, ':', n);
        if (!colon || !is_token(line, (size_t)(colon - line)))
                return bad(p, 400);
        if (p->request.n_headers == HTTP_HEADERS_COUNT_MAX)
                return bad(p, 431);

        char *value = colon + 1, *end = line + n;
        while (value < end && (*value == ' ' || *value == '\t'))
                value++;
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
        for (const char *c = value; c < end; c++)
                if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
                        return bad(p, 400);
        *colon = *end = '\0';
        p->spans[p->request.n_headers].name = p->line_start;
        p->spans[p->request.n_headers++].value = (size_t)(value - p->head.data);
        return STEP_NEXT;
}

static int parse_content_length(HttpParser *p, const char *value)
{
        int64_t length = 0;

        if (p->request.content_length >= 0 || !*value)
                return bad(p, 400);
        for (; *value; value++) {
                if (*value < '0' || *value > '9' || length > (INT64_MAX - 9) / 10)
                        return bad(p, 400);
                length = length * 10 + (*value - '0');
        }
        p->request.content_length = length;
        return STEP_NEXT;
}

/* What the headers say of the message itself. */
static int interpret_headers(HttpParser *p)
{
        HttpRequest *r = &p->request;
        bool close = false, keep = false, host = false;

        for (size_t i = 0; i < r->n_headers; i++) {
                const char *name = r->headers[i].name, *value = r->headers[i].value;
                if (strcasecmp(name, "content-length") == 0) {
                        int step = parse_content_length(p, value);
                        if (step != STEP_NEXT)
                                return step;
                } else if (strcasecmp(name, "transfer-encoding") == 0) {
                        if (r->chunked || r->version_minor == 0)
                                return bad(p, 400);
                        if (strcasecmp(value, "chunked") != 0)
                                return bad(p, 501);
                        r->chunked = true;
                } else if (strcasecmp(name, "connection") == 0) {
                        close |= http_list_has(value, "close");
                        keep |= http_list_has(value, "keep-alive");
                } else if (strcasecmp(name, "expect") == 0) {
                        if (strcasecmp(value, "100-continue") != 0)
                                return bad(p, 417);
                        r->expect_continue = r->version_minor > 0;
                } else if (strcasecmp(name, "host") == 0) {
                        if (host)
                                return bad(p, 400);
                        host = true;
                }
        }
        if (r->chunked && r->content_length >= 0)
                return bad(p, 400);
        r->keep_alive = !close && (keep || r->version_minor > 0);
        return STEP_NEXT;
}

static int finish_head(HttpParser *p)
{
        HttpRequest *r = &p->request;
        const char *base = p->head.data;

        r->method = base;
        r->target = base + p->target;
        r->path = base + p->path;
        r->query = base + p->query;
        for (size_t i = 0; i < r->n_headers; i++) {
                p->headers[i].name = base + p->spans[i].name;
                p->headers[i].value = base + p->spans[i].value;
        }
        int step = interpret_headers(p);
        if (step != STEP_NEXT)
                return step;
        p->state = STATE_HEAD_DONE;
        return HTTP_HEAD;
}

static int step_request_line(HttpParser *p, const char *bytes, size_t n, size_t *taken)
{
        size_t len;
        int step = gather_line(p, &p->head, 0, HTTP_LINE_MAX + 2, 414, bytes, n, taken, &len);
        if (step != STEP_NEXT)
                return step;
        if (len ==
            0) { /* RFC 9112, 2.2: an empty line before a request is passed over, bounded like headers */
                p->head.len = 0;
                p->header_bytes += 2;
                return p->header_bytes > HTTP_HEADERS_MAX ? bad(p, 400) : STEP_NEXT;
        }
        step = parse_request_line(p, len);
        p->line_start = p->head.len;
        p->header_bytes = 0;
        if (step == STEP_NEXT)
                p->state = STATE_HEADERS;
        return step;
}

static int step_headers(HttpParser *p, const char *bytes, size_t n, size_t *taken)
{
        size_t len, max = HTTP_HEADERS_MAX + 2 - p->header_bytes;
        int step = gather_line(p, &p->head, p->line_start, max, 431, bytes, n, taken, &len);
        if (step != STEP_NEXT)
                return step;
        if (len == 0)
                return finish_head(p);
        p->header_bytes += len + 2;
        if (p->header_bytes > HTTP_HEADERS_MAX)
                return bad(p, 431);
        step = parse_header(p, len);
        p->line_start = p->head.len;
        return step;
}

static int begin_body(HttpParser *p)
{
        HttpRequest *r = &p->request;

        if (r->chunked) {
                p->header_bytes = 0;
                p->state = STATE_CHUNK_SIZE;
                return STEP_NEXT;
        }
        if (r->content_length > HTTP_BODY_MAX)
                return bad(p, 413);
        p->left = r->content_length > 0 ? (uint64_t)r->content_length : 0;
        if (p->left > 0)
                buffer_reserve(&r->body, p->left < BODY_RESERVE_MAX ? p->left : BODY_RESERVE_MAX);
        p->state = p->left > 0 ? STATE_BODY : STATE_DONE;
        return STEP_NEXT;
}

static int step_data(HttpParser *p, const char *bytes, size_t n, size_t *taken)
{
        size_t now = n < p->left ? n : (size_t)p->left;

        buffer_append(&p->request.body, bytes, now);
        *taken = now;
        p->left -= now;
        if (p->left > 0)
                return HTTP_MORE;
        p->state = p->state == STATE_BODY ? STATE_DONE : STATE_CHUNK_END;
        return STEP_NEXT;
}

/* A chunk's size: hexadecimal digits, then nothing or an extension, which is not looked at. */
static int parse_chunk_size(HttpParser *p, const char *line)
{
        uint64_t size = 0;
        size_t digits = strspn(line, "0123456789abcdefABCDEF");

        if (digits == 0 || (line[digits] && !strchr("; \t", line[digits])))
                return bad(p, 400);
        for (size_t i = 0; i < digits; i++) {
                if (size > HTTP_BODY_MAX)
                        return bad(p, 413);
                size = size << 4 | (unsigned)(line[i] <= '9' ? line[i] - '0' : (line[i] | 0x20) - 'a' + 10);
        }
        if (size > HTTP_BODY_MAX - p->request.body.len)
                return bad(p, 413);
        p->left = size;
        p->state = size > 0 ? STATE_CHUNK_DATA : STATE_TRAILERS;
        return STEP_NEXT;
}

/* The lines between a chunked body's data. Trailers are bounded like headers, and dropped. */
static int step_chunk_line(HttpParser *p, const char *bytes, size_t n, size_t *taken)
{
        size_t len;
        bool trailer = p->state == STATE_TRAILERS;
        size_t max = trailer ? HTTP_HEADERS_MAX + 2 - p->header_bytes : CHUNK_LINE_MAX;
        int step = gather_line(p, &p->line, 0, max, trailer ? 431 : 400, bytes, n, taken, &len);
        if (step != STEP_NEXT)
                return step;
        p->line.len = 0;
        switch (p->state) {
        case STATE_CHUNK_SIZE:
                return parse_chunk_size(p, p->line.data);
        case STATE_CHUNK_END:
                p->state = STATE_CHUNK_SIZE;
                return len == 0 ? STEP_NEXT : bad(p, 400);
        default:
                p->header_bytes += len + 2;
                if (len == 0)
                        p->state = STATE_DONE;
                return len > 0 && p->header_bytes > HTTP_HEADERS_MAX ? bad(p, 431) : STEP_NEXT;
        }
}

static int parser_step(HttpParser *p, const char *bytes, size_t n, size_t *taken)
{
        switch (p->state) {
        case STATE_REQUEST_LINE:
                return step_request_line(p, bytes, n, taken);
        case STATE_HEADERS:
                return step_headers(p, bytes, n, taken);
        case STATE_HEAD_DONE:
                return begin_body(p);
        case STATE_BODY:
        case STATE_CHUNK_DATA:
                return step_data(p, bytes, n, taken);
        case STATE_CHUNK_SIZE:
        case STATE_CHUNK_END:
        case STATE_TRAILERS:
                return step_chunk_line(p, bytes, n, taken);
        case STATE_DONE:
                return HTTP_REQUEST;
        case STATE_BAD:
        default:
                return HTTP_BAD;
        }
}

HttpParse http_parser_feed(HttpParser *p, const char *bytes, size_t n, size_t *ret_taken)
{
        size_t all = 0;
        int step;

        do {
                size_t taken = 0;
                step = parser_step(p, bytes + all, n - all, &taken);
                all += taken;
        } while (step == STEP_NEXT);
        *ret_taken = all;
        return (HttpParse)step;
}
