/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include <glib.h>

#include "http.h"

/* Feeds `text` in pieces of `step` bytes until something other than HTTP_MORE and HTTP_HEAD comes. */
static HttpParse feed(HttpParser *p, const char *text, size_t n, size_t step, size_t *ret_taken)
{
        size_t at = 0;
        HttpParse parse = HTTP_MORE;

        for (;;) {
                size_t now = MIN(step, n - at), taken;
                parse = http_parser_feed(p, text + at, now, &taken);
                g_assert_cmpuint(taken, <=, now);
                at += taken;
                if (parse == HTTP_REQUEST || parse == HTTP_BAD || (parse == HTTP_MORE && at == n))
                        break;
        }
        *ret_taken = at;
        return parse;
}

static HttpParse feed_text(HttpParser *p, const char *text)
{
        size_t taken;
        return feed(p, text, strlen(text), strlen(text), &taken);
}

static void assert_status(const char *text, int status)
{
        for (size_t step = 1; step <= strlen(text); step += step == 1 ? 6 : strlen(text)) {
                HttpParser *p = http_parser_new();
                size_t taken;
                HttpParse parse = feed(p, text, strlen(text), step, &taken);
                if (status == 0) {
                        g_assert_cmpint(parse, ==, HTTP_REQUEST);
                } else {
                        g_assert_cmpint(parse, ==, HTTP_BAD);
                        g_assert_cmpint(http_parser_status(p), ==, status);
                }
                http_parser_free(p);
        }
}

static void test_whole(void)
{
        static const char text[] =
            "POST /a%20b/%C3%A9?x=1&y=a+b%26c HTTP/1.1\r\nHost: h\r\nX-Empty:\r\n"
            "Cookie: a=1; session_id=OpaqueRef:5 ; b=2\r\nContent-Length:  5 \r\n\r\nhelloGET";

        for (size_t step = 1; step < sizeof(text); step++) {
                HttpParser *p = http_parser_new();
                size_t taken;
                g_assert_cmpint(feed(p, text, sizeof(text) - 1, step, &taken), ==, HTTP_REQUEST);
                g_assert_cmpuint(taken, ==, sizeof(text) - 1 - 3);
                HttpRequest *r = http_parser_request(p);
                g_assert_cmpstr(r->method, ==, "POST");
                g_assert_cmpstr(r->target, ==, "/a%20b/%C3%A9?x=1&y=a+b%26c");
                g_assert_cmpstr(r->path, ==, "/a b/\xc3\xa9");
                g_assert_cmpstr(r->query, ==, "x=1&y=a+b%26c");
                g_assert_cmpuint(r->n_headers, ==, 4);
                g_assert_cmpstr(http_header(r, "x-EMPTY"), ==, "");
                g_assert_null(http_header(r, "nope"));
                g_assert_cmpint(r->content_length, ==, 5);
                g_assert_cmpmem(r->body.data, r->body.len, "hello", 5);
                g_assert_true(r->keep_alive);
                g_assert_false(r->expect_continue || r->chunked);
                char *y = http_query_value(r, "y"), *cookie = http_cookie(r, "session_id");
                g_assert_cmpstr(y, ==, "a b&c");
                g_assert_cmpstr(cookie, ==, "OpaqueRef:5");
                g_assert_null(http_query_value(r, "z"));
                g_assert_null(http_cookie(r, "session"));
                free(y);
                free(cookie);
                http_parser_free(p);
        }
}

static void test_pipeline(void)
{
        static const char text[] = "GET /1 HTTP/1.1\r\n\r\n\r\nPOST /2 HTTP/1.0\r\ncontent-length: "
                                   "2\r\n\r\nxyGET /3 HTTP/1.1\r\n\r\n";
        static const char *paths[] = { "/1", "/2", "/3" };
        HttpParser *p = http_parser_new();
        size_t at = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                size_t taken;
                g_assert_cmpint(feed(p, text + at, sizeof(text) - 1 - at, 1000, &taken), ==, HTTP_REQUEST);
                g_assert_cmpstr(http_parser_request(p)->path, ==, paths[i]);
                at += taken;
                http_parser_reset(p);
        }
        g_assert_cmpuint(at, ==, sizeof(text) - 1);
        http_parser_free(p);
}

static void test_targets(void)
{
        static const struct {
                const char *line, *path, *query;
        } cases[] = {
                { "GET / HTTP/1.1", "/", "" },
                { "GET /a? HTTP/1.1", "/a", "" },
                { "GET /a?b?c HTTP/1.1", "/a", "b?c" },
                { "GET http://h:80/a?q HTTP/1.1", "/a", "q" },
                { "GET HTTPS://h?q HTTP/1.1", "/", "q" },
                { "GET http://h HTTP/1.1", "/", "" },
                { "OPTIONS * HTTP/1.1", "*", "" },
                { "CONNECT h:443 HTTP/1.1", "h:443", "" },
                { "CONNECT /console?uuid=1 HTTP/1.0", "/console", "uuid=1" },
                { "BREW /%2e%2E/%2f HTTP/1.1", "/..//", "" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                HttpParser *p = http_parser_new();
                g_autofree char *text = g_strconcat(cases[i].line, "\r\n\r\n", NULL);
                g_assert_cmpint(feed_text(p, text), ==, HTTP_REQUEST);
                g_assert_cmpstr(http_parser_request(p)->path, ==, cases[i].path);
                g_assert_cmpstr(http_parser_request(p)->query, ==, cases[i].query);
                http_parser_free(p);
        }
}

static void test_refused(void)
{
        static const struct {
                const char *text;
                int status;
        } cases[] = {
                { "GET / HTTP/1.1\r\n\r\n", 0 },
                { "GET / HTTP/1.7\r\n\r\n", 0 },
                { "GET / HTTP/1.1\n\n", 400 },
                { "GET / HTTP/1.1\r\nA: b\n\r\n", 400 },
                { "GET / HTTP/1.1\r\r\n\r\n", 400 },
                { "GET /\r\n\r\n", 400 },
                { "GET  / HTTP/1.1\r\n\r\n", 400 },
                { " GET / HTTP/1.1\r\n\r\n", 400 },
                { "GET / HTTP/1.1 \r\n\r\n", 400 },
                { "GET a HTTP/1.1\r\n\r\n", 400 },
                { "GET /# HTTP/1.1\r\n\r\n", 400 },
                { "GET /\xff HTTP/1.1\r\n\r\n", 400 },
                { "GET /%00 HTTP/1.1\r\n\r\n", 400 },
                { "GET /%4 HTTP/1.1\r\n\r\n", 400 },
                { "GET /%zz HTTP/1.1\r\n\r\n", 400 },
                { "G(T / HTTP/1.1\r\n\r\n", 400 },
                { "GET / HTTP/2.0\r\n\r\n", 505 },
                { "GET / http/1.1\r\n\r\n", 400 },
                { "GET / HTTP/1.1\r\nA : b\r\n\r\n", 400 },
                { "GET / HTTP/1.1\r\n A: b\r\n\r\n", 400 },
                { "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400 },
                { "GET / HTTP/1.1\r\n: b\r\n\r\n", 400 },
                { "GET / HTTP/1.1\r\nA\r\n\r\n", 400 },
                { "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", 400 },
                { "GET / HTTP/1.1\r\nA: \x01\r\n\r\n", 400 },
                { "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400 },
                { "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400 },
                { "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx", 400 },
                { "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\nx", 400 },
                { "GET / HTTP/1.1\r\nContent-Length: 1,1\r\n\r\nx", 400 },
                { "GET / HTTP/1.1\r\nContent-Length:\r\n\r\nx", 400 },
                { "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nx", 400 },
                { "GET / HTTP/1.1\r\nContent-Length: 1125899906842624\r\n\r\nx", 413 },
                { "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
                { "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", 400 },
                { "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
                { "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
                { "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501 },
                { "GET / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", 501 },
                { "GET / HTTP/1.1\r\nExpect: gold\r\n\r\n", 417 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_test_message("%s", cases[i].text);
                assert_status(cases[i].text, cases[i].status);
        }
        size_t taken;
        HttpParser *p = http_parser_new();
        g_assert_cmpint(feed(p, "GET /\0 HTTP/1.1\r\n\r\n", 20, 20, &taken), ==, HTTP_BAD);
        http_parser_free(p);
}

static void test_chunked(void)
{
#define HEAD "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
        static const struct {
                const char *body;
                int status;
        } cases[] = {
                { "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n", 0 },
                { "005 \r\nhello\r\n6\t;a\r\n world\r\n00\r\nTrailer: x\r\n\r\n", 0 },
                { "5\nhello\r\n0\r\n\r\n", 400 },
                { "5\r\nhellox\r\n0\r\n\r\n", 400 },
                { "5\r\nhello\n0\r\n\r\n", 400 },
                { "0x5\r\nhello\r\n0\r\n\r\n", 400 },
                { "-5\r\nhello\r\n0\r\n\r\n", 400 },
                { "\r\nhello\r\n0\r\n\r\n", 400 },
                { "5z\r\nhello\r\n0\r\n\r\n", 400 },
                { "4000001\r\n", 413 },
                { "10000000000000005\r\nhello\r\n", 413 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = g_strconcat(HEAD, cases[i].body, NULL);
                assert_status(text, cases[i].status);
        }
        for (size_t step = 1; step < 30; step++) {
                static const char text[] = HEAD "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nT: x\r\n\r\nrest";
                HttpParser *p = http_parser_new();
                size_t taken;
                g_assert_cmpint(feed(p, text, sizeof(text) - 1, step, &taken), ==, HTTP_REQUEST);
                g_assert_cmpuint(taken, ==, sizeof(text) - 1 - 4);
                HttpRequest *r = http_parser_request(p);
                g_assert_true(r->chunked);
                g_assert_cmpmem(r->body.data, r->body.len, "hello world", 11);
                http_parser_free(p);
        }
#undef HEAD
}

static void test_connection(void)
{
        static const struct {
                const char *version, *connection;
                bool keep;
        } cases[] = {
                { "1.1", "x", true },
                { "1.1", "close", false },
                { "1.1", "Close", false },
                { "1.1", "upgrade", true },
                { "1.1", "a, CLOSE", false },
                { "1.0", "x", false },
                { "1.0", "keep-alive", true },
                { "1.0", "close", false },
                { "1.1", "keep-alive, close", false },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                HttpParser *p = http_parser_new();
                g_autofree char *text = g_strdup_printf("GET / HTTP/%s\r\nConnection: %s\r\n\r\n",
                                                        cases[i].version, cases[i].connection);
                g_assert_cmpint(feed_text(p, text), ==, HTTP_REQUEST);
                g_assert_cmpint(http_parser_request(p)->keep_alive, ==, cases[i].keep);
                http_parser_free(p);
        }
}

static void test_head_first(void)
{
        static const char text[] =
            "PUT /import HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1125899906842624\r\n\r\nbytes";
        HttpParser *p = http_parser_new();
        size_t taken;

        g_assert_cmpint(http_parser_feed(p, text, sizeof(text) - 1, &taken), ==, HTTP_HEAD);
        g_assert_cmpuint(taken, ==, sizeof(text) - 1 - 5);
        g_assert_true(http_parser_request(p)->expect_continue);
        g_assert_cmpint(http_parser_request(p)->content_length, ==, 1125899906842624);
        http_parser_free(p);
}

static void assert_limit(size_t fill, const char *before, const char *after, int status)
{
        g_autofree char *padding = g_strnfill(fill, 'a');
        g_autofree char *text = g_strconcat(before, padding, after, NULL);
        HttpParser *p = http_parser_new();

        g_assert_cmpint(feed_text(p, text), ==, status ? HTTP_BAD : HTTP_REQUEST);
        g_assert_cmpint(http_parser_status(p), ==, status);
        http_parser_free(p);
}

static void test_limits(void)
{
        size_t line = HTTP_LINE_MAX - strlen("GET / HTTP/1.1");
        assert_limit(line, "GET /", " HTTP/1.1\r\n\r\n", 0);
        assert_limit(line + 1, "GET /", " HTTP/1.1\r\n\r\n", 414);
        assert_limit(HTTP_HEADERS_MAX - 5, "GET / HTTP/1.1\r\nA: ", "\r\n\r\n", 0);
        assert_limit(HTTP_HEADERS_MAX - 4, "GET / HTTP/1.1\r\nA: ", "\r\n\r\n", 431);
        assert_limit(HTTP_HEADERS_MAX * 2, "GET / HTTP/1.1\r\nA: ", "", 431);
        assert_limit(HTTP_LINE_MAX * 2, "GET /", "", 414);

        GString *many = g_string_new("GET / HTTP/1.1\r\n");
        for (size_t i = 0; i < HTTP_HEADERS_COUNT_MAX; i++)
                g_string_append(many, "A: b\r\n");
        assert_limit(0, many->str, "\r\n", 0);
        assert_limit(0, many->str, "A: b\r\n\r\n", 431);
        g_string_free(many, true);

        const char *head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        g_autofree char *extension = g_strconcat(head, "1;", NULL);
        assert_limit(1020, extension, "\r\nx\r\n0\r\n\r\n", 0);
        assert_limit(1021, extension, "\r\nx\r\n0\r\n\r\n", 400);
        g_autofree char *trailer = g_strconcat(head, "0\r\nA: ", NULL);
        assert_limit(HTTP_HEADERS_MAX - 5, trailer, "\r\n\r\n", 0);
        assert_limit(HTTP_HEADERS_MAX - 4, trailer, "\r\n\r\n", 431);
}

static void test_body_limit(void)
{
        HttpParser *p = http_parser_new();
        g_autofree char *piece = g_strnfill(1 << 20, 'x');
        size_t taken;

        g_autofree char *fits =
            g_strdup_printf("POST / HTTP/1.1\r\nContent-Length: %u\r\n\r\n", HTTP_BODY_MAX);
        g_assert_cmpint(feed_text(p, fits), ==, HTTP_MORE);
        for (size_t i = 1; i < HTTP_BODY_MAX >> 20; i++)
                g_assert_cmpint(http_parser_feed(p, piece, 1 << 20, &taken), ==, HTTP_MORE);
        g_assert_cmpint(http_parser_feed(p, piece, 1 << 20, &taken), ==, HTTP_REQUEST);
        g_assert_cmpuint(http_parser_request(p)->body.len, ==, HTTP_BODY_MAX);
        http_parser_reset(p);
        g_autofree char *past =
            g_strdup_printf("POST / HTTP/1.1\r\nContent-Length: %u\r\n\r\n", HTTP_BODY_MAX + 1);
        g_assert_cmpint(feed_text(p, past), ==, HTTP_BAD);
        g_assert_cmpint(http_parser_status(p), ==, 413);
        http_parser_free(p);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/http-parser/whole", test_whole);
        g_test_add_func("/http-parser/pipeline", test_pipeline);
        g_test_add_func("/http-parser/targets", test_targets);
        g_test_add_func("/http-parser/refused", test_refused);
        g_test_add_func("/http-parser/chunked", test_chunked);
        g_test_add_func("/http-parser/connection", test_connection);
        g_test_add_func("/http-parser/head-first", test_head_first);
        g_test_add_func("/http-parser/limits", test_limits);
        g_test_add_func("/http-parser/body-limit", test_body_limit);
        return g_test_run();
}
