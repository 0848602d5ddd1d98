/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "websocket.h"

#include <endian.h>
#include <stdlib.h>

#include <glib.h>

#include "http.h"

/* ---- a client's frames ---- */

static void put_frame_as(Buffer *b, uint8_t first, const char *payload, size_t n, unsigned length_bytes)
{
        static const uint8_t mask[4] = { 0xde, 0xad, 0x00, 0x77 };
        uint8_t second = 0x80;
        uint16_t n16 = htobe16((uint16_t)n);
        uint64_t n64 = htobe64(n);

        second |= (uint8_t)(length_bytes == 0 ? n : length_bytes == 2 ? 126 : 127);
        buffer_append(b, &first, 1);
        buffer_append(b, &second, 1);
        buffer_append(b, length_bytes == 2 ? (const void *)&n16 : &n64, length_bytes);
        buffer_append(b, mask, 4);
        for (size_t i = 0; i < n; i++) {
                char byte = (char)(payload[i] ^ mask[i % 4]);
                buffer_append(b, &byte, 1);
        }
}

static void put_frame(Buffer *b, uint8_t first, const char *payload, size_t n)
{
        put_frame_as(b, first, payload, n, n < 126 ? 0 : n <= UINT16_MAX ? 2 : 8);
}

/* Fed whole and byte by byte; what it carries, and what is answered, must be these. */
static void expect(const Buffer *sent, const char *carried, size_t n_carried, const char *answer,
                   size_t n_answer, bool ended)
{
        for (size_t step = 0; step < 3; step++) {
                size_t piece = step == 0 ? sent->len : step;
                auto_buffer got = { 0 }, out = { 0 };
                WebSocket ws = { 0 };

                for (size_t at = 0; at < sent->len; at += piece) {
                        size_t n = MIN(piece, sent->len - at);
                        g_autofree char *bytes = g_memdup2(sent->data + at, n);
                        size_t given = websocket_take(&ws, bytes, n, &out);
                        g_assert_cmpuint(given, <=, n);
                        buffer_append(&got, bytes, given);
                }
                g_assert_cmpmem(got.data, got.len, carried, n_carried);
                g_assert_cmpmem(out.data, out.len, answer, n_answer);
                g_assert_cmpint(ws.ended, ==, ended);
        }
}

#define LITERAL(text)  text, sizeof(text) - 1
#define PROTOCOL_ERROR "\x88\x02\x03\xea"
#define NOT_UTF8       "\x88\x02\x03\xef"

static void test_data(void)
{
        auto_buffer sent = { 0 };

        put_frame(&sent, 0x82, LITERAL("hello "));
        put_frame(&sent, 0x82, LITERAL(""));
        put_frame(&sent, 0x02, LITERAL("fr"));
        put_frame(&sent, 0x89, LITERAL("in between"));
        put_frame(&sent, 0x00, LITERAL("ag"));
        put_frame(&sent, 0x8a, LITERAL("not asked for"));
        put_frame(&sent, 0x80, LITERAL("ment"));
        put_frame(&sent, 0x81, LITERAL(" \xc3\xa9"));
        expect(&sent, LITERAL("hello fragment \xc3\xa9"), LITERAL("\x8a\x0ain between"), false);
}

static void test_sizes(void)
{
        static const size_t sizes[] = { 0, 1, 125, 126, 127, 65535, 65536, 100000 };

        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                size_t n = sizes[i];
                g_autofree char *payload = g_malloc(n + 1);
                auto_buffer sent = { 0 };

                for (size_t k = 0; k < n; k++)
                        payload[k] = (char)(k * 31 + k / 256);
                put_frame(&sent, 0x82, payload, n);
                expect(&sent, payload, n, NULL, 0, false);
        }
}

/* A length must be written in as few bytes as it takes. */
static void test_lengths(void)
{
        g_autofree char *payload = g_malloc0(70000);
        const struct {
                size_t n;
                unsigned bytes;
        } wrong[] = { { 125, 2 }, { 0, 2 }, { 65535, 8 }, { 0, 8 } };

        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                auto_buffer sent = { 0 };

                put_frame_as(&sent, 0x82, payload, wrong[i].n, wrong[i].bytes);
                expect(&sent, NULL, 0, LITERAL(PROTOCOL_ERROR), true);
        }
        Buffer highest = { (char *)"\x82\xff\x80\0\0\0\0\0\0\0mask", 14, 14 };
        expect(&highest, NULL, 0, LITERAL(PROTOCOL_ERROR), true);
        Buffer largest = { (char *)"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0data", 18, 18 };
        expect(&largest, LITERAL("data"), NULL, 0, false);
}

static void test_control(void)
{
        g_autofree char *payload = g_malloc0(126);
        auto_buffer most = { 0 }, more = { 0 }, split = { 0 }, pong = { 0 };

        put_frame(&most, 0x89, payload, WEBSOCKET_CONTROL_MAX);
        buffer_append_literal(&pong, "\x8a\x7d");
        buffer_append(&pong, payload, WEBSOCKET_CONTROL_MAX);
        expect(&most, NULL, 0, pong.data, pong.len, false);
        put_frame(&more, 0x89, payload, WEBSOCKET_CONTROL_MAX + 1);
        expect(&more, NULL, 0, LITERAL(PROTOCOL_ERROR), true);
        put_frame(&split, 0x09, LITERAL("x"));
        expect(&split, NULL, 0, LITERAL(PROTOCOL_ERROR), true);
}

static void test_wrong_frames(void)
{
        static const uint8_t firsts[] = { 0xc2, 0xa2, 0x92, 0x83, 0x87, 0x8b, 0x8f, 0x80, 0x00 };
        auto_buffer nested = { 0 };

        for (size_t i = 0; i < G_N_ELEMENTS(firsts); i++) {
                auto_buffer sent = { 0 };

                put_frame(&sent, 0x82, LITERAL("ok"));
                put_frame(&sent, firsts[i], LITERAL("x"));
                put_frame(&sent, 0x82, LITERAL("too late"));
                expect(&sent, LITERAL("ok"), LITERAL(PROTOCOL_ERROR), true);
        }
        put_frame(&nested, 0x02, LITERAL("a"));
        put_frame(&nested, 0x82, LITERAL("b"));
        expect(&nested, LITERAL("a"), LITERAL(PROTOCOL_ERROR), true);
        Buffer unmasked = { (char *)"\x82\x01x", 3, 3 };
        expect(&unmasked, NULL, 0, LITERAL(PROTOCOL_ERROR), true);
}

static void test_text(void)
{
        static const char *const wrong[] = {
                "\xff", "\xc0\x80", "\xe0\x80\x80",        "\xed\xa0\x80", "\xf4\x90\x80\x80",
                "\x80", "\xc3\x28", "\xf8\x88\x80\x80\x80"
        };
        auto_buffer good = { 0 }, cut = { 0 };

        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                auto_buffer sent = { 0 };
                WebSocket ws = { 0 };
                auto_buffer out = { 0 };

                put_frame(&sent, 0x81, wrong[i], strlen(wrong[i]));
                websocket_take(&ws, sent.data, sent.len, &out);
                g_assert_cmpmem(out.data, out.len, NOT_UTF8, 4);
                g_assert_true(ws.ended);
        }
        put_frame(&good, 0x01, LITERAL("\xf0\x9f"));
        put_frame(&good, 0x80, LITERAL("\x90\xa7\xef\xbf\xbf"));
        expect(&good, LITERAL("\xf0\x9f\x90\xa7\xef\xbf\xbf"), NULL, 0, false);
        put_frame(&cut, 0x81, LITERAL("a\xf0\x9f"));
        expect(&cut, LITERAL("a\xf0\x9f"), LITERAL(NOT_UTF8), true);
}

static void test_close(void)
{
        static const struct {
                const char *payload;
                size_t n;
                const char *answer;
        } closes[] = {
                { LITERAL(""), "\x88\x02\x03\xe8" },
                { LITERAL("\x03\xe8"), "\x88\x02\x03\xe8" },
                { LITERAL("\x03\xe9going"), "\x88\x02\x03\xe9" },
                { LITERAL("\x13\x87"), "\x88\x02\x13\x87" },
                { LITERAL("\x03"), PROTOCOL_ERROR },
                { LITERAL("\x03\xe7"), PROTOCOL_ERROR },
                { LITERAL("\x03\xed"), PROTOCOL_ERROR },
                { LITERAL("\x03\xf7"), PROTOCOL_ERROR },
                { LITERAL("\x13\x88"), PROTOCOL_ERROR },
                { LITERAL("\x03\xe8\xff"), NOT_UTF8 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(closes); i++) {
                auto_buffer sent = { 0 };

                put_frame(&sent, 0x82, LITERAL("last"));
                put_frame(&sent, 0x88, closes[i].payload, closes[i].n);
                put_frame(&sent, 0x89, LITERAL("beyond"));
                expect(&sent, LITERAL("last"), closes[i].answer, 4, true);
        }
}

/* Who has said that nothing comes any more sends nothing any more. */
static void test_closed_by_us(void)
{
        auto_buffer sent = { 0 }, out = { 0 };
        WebSocket ws = { 0 };

        websocket_close(&ws, WEBSOCKET_GOING_AWAY, &out);
        websocket_close(&ws, WEBSOCKET_NORMAL, &out);
        g_assert_cmpmem(out.data, out.len, "\x88\x02\x03\xe9", 4);
        out.len = 0;
        put_frame(&sent, 0x89, LITERAL("ping"));
        put_frame(&sent, 0x88, LITERAL("\x03\xe9"));
        websocket_take(&ws, sent.data, sent.len, &out);
        g_assert_cmpuint(out.len, ==, 0);
        g_assert_true(ws.ended);
}

static void test_wrap(void)
{
        static const struct {
                size_t n;
                const char *header;
                size_t size;
        } wraps[] = { { 1, LITERAL("\x82\x01") },
                      { 125, LITERAL("\x82\x7d") },
                      { 126, LITERAL("\x82\x7e\x00\x7e") },
                      { 65535, LITERAL("\x82\x7e\xff\xff") },
                      { 65536, LITERAL("\x82\x7f\0\0\0\0\0\1\0\0") } };

        for (size_t i = 0; i < G_N_ELEMENTS(wraps); i++) {
                char room[WEBSOCKET_HEADER_MAX + 1];
                char *payload = room + WEBSOCKET_HEADER_MAX;

                g_assert_cmpuint(websocket_wrap(payload, wraps[i].n), ==, wraps[i].size);
                g_assert_cmpmem(payload - wraps[i].size, wraps[i].size, wraps[i].header, wraps[i].size);
        }
}

/* ---- the upgrade ---- */

#define GOOD_HEADERS                                                                                         \
        "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"             \
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static int accept_of(const char *request, Buffer *ret_head)
{
        HttpParser *parser = http_parser_new();
        size_t taken;

        g_assert_cmpint(http_parser_feed(parser, request, strlen(request), &taken), ==, HTTP_HEAD);
        int status = websocket_accept(http_parser_request(parser), ret_head);
        http_parser_free(parser);
        return status;
}

static void test_accept(void)
{
        auto_buffer head = { 0 }, with = { 0 };

        g_assert_cmpint(accept_of("GET /console HTTP/1.1\r\n" GOOD_HEADERS "\r\n", &head), ==, 0);
        /* the sample of RFC 6455, 1.3 */
        g_assert_nonnull(
            strstr(buffer_terminate(&head), "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        g_assert_null(strstr(head.data, "Sec-WebSocket-Protocol"));
        g_assert_true(g_str_has_suffix(head.data, "\r\n\r\n"));
        g_assert_cmpint(
            accept_of("GET /console HTTP/1.1\r\n" GOOD_HEADERS
                      "Sec-WebSocket-Protocol: base64\r\nSec-WebSocket-Protocol: chat, binary\r\n\r\n",
                      &with),
            ==, 0);
        g_assert_nonnull(strstr(buffer_terminate(&with), "\r\nSec-WebSocket-Protocol: binary\r\n"));
}

static void test_refused(void)
{
        static const struct {
                const char *request;
                int status;
        } wrong[] = {
                { "GET / HTTP/1.1\r\n\r\n", 400 },
                { "GET / HTTP/1.0\r\n" GOOD_HEADERS "\r\n", 400 },
                { "POST / HTTP/1.1\r\n" GOOD_HEADERS "\r\n", 400 },
                { "GET / HTTP/1.1\r\nContent-Length: 1\r\n" GOOD_HEADERS "\r\n", 400 },
                { "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                  426 },
                { "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\n\r\n",
                  400 },
                { "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n\r\n",
                  400 },
                { "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhl HNhbXBsZSBub25jZQ==\r\n\r\n",
                  400 },
                { "GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                  400 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                auto_buffer head = { 0 };

                g_assert_cmpint(accept_of(wrong[i].request, &head), ==, wrong[i].status);
                g_assert_cmpuint(head.len, ==, 0);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/websocket/data", test_data);
        g_test_add_func("/websocket/sizes", test_sizes);
        g_test_add_func("/websocket/lengths", test_lengths);
        g_test_add_func("/websocket/control", test_control);
        g_test_add_func("/websocket/wrong-frames", test_wrong_frames);
        g_test_add_func("/websocket/text", test_text);
        g_test_add_func("/websocket/close", test_close);
        g_test_add_func("/websocket/closed-by-us", test_closed_by_us);
        g_test_add_func("/websocket/wrap", test_wrap);
        g_test_add_func("/websocket/accept", test_accept);
        g_test_add_func("/websocket/refused", test_refused);
        return g_test_run();
}
