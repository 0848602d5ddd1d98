/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "websocket.h"

#include <endian.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "http-text.h"

#define KEY_BYTES  16u /* 4.1: a nonce of that many, in base64 */
#define KEY_TEXT   24u
#define KEY_SUFFIX "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { OPCODE_CONTINUATION, OPCODE_TEXT, OPCODE_BINARY, OPCODE_CLOSE = 8, OPCODE_PING, OPCODE_PONG };

/* ---- the upgrade (4.2) ---- */

static bool key_is_good(const char *key)
{
        unsigned char nonce[KEY_BYTES + 3];

        return key && strlen(key) == KEY_TEXT && key[KEY_TEXT - 1] == '=' && key[KEY_TEXT - 2] == '=' &&
               EVP_DecodeBlock(nonce, (const unsigned char *)key, KEY_TEXT) == KEY_BYTES + 2;
}

static const char *header(const HttpRequest *r, const char *name)
{
        const char *value = http_header(r, name);

        return value ? value : "";
}

/* Lists may be spread over several headers. */
static bool offers(const HttpRequest *r, const char *name, const char *token)
{
        for (size_t i = 0; i < r->n_headers; i++)
                if (strcasecmp(r->headers[i].name, name) == 0 && http_list_has(r->headers[i].value, token))
                        return true;
        return false;
}

int websocket_accept(const HttpRequest *r, Buffer *ret_head)
{
        const char *key = http_header(r, "sec-websocket-key");
        char text[KEY_TEXT + sizeof(KEY_SUFFIX)];
        unsigned char digest[SHA_DIGEST_LENGTH], accept[SHA_DIGEST_LENGTH * 2];

        if (strcmp(r->method, "GET") != 0 || r->version_minor < 1 || !offers(r, "upgrade", "websocket") ||
            !offers(r, "connection", "upgrade"))
                return 400;
        if (strcmp(header(r, "sec-websocket-version"), "13") != 0)
                return 426;
        if (!key_is_good(key) || r->chunked || r->content_length > 0)
                return 400;
        memcpy(text, key, KEY_TEXT);
        memcpy(text + KEY_TEXT, KEY_SUFFIX, sizeof(KEY_SUFFIX));
        SHA1((const unsigned char *)text, strlen(text), digest);
        EVP_EncodeBlock(accept, digest, sizeof(digest));
        buffer_printf(ret_head,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: %s\r\n%s\r\n",
                      (const char *)accept,
                      offers(r, "sec-websocket-protocol", "binary") ? "Sec-WebSocket-Protocol: binary\r\n"
                                                                    : "");
        return 0;
}

/* ---- what is sent ---- */

static void put_frame(Buffer *out, uint8_t opcode, const void *payload, size_t n)
{
        uint8_t head[2] = { 0x80 | opcode, (uint8_t)n };

        buffer_append(out, head, sizeof(head));
        buffer_append(out, payload, n);
}

size_t websocket_wrap(char *payload, size_t n)
{
        size_t header = n < 126 ? 2 : n <= UINT16_MAX ? 4 : 10;
        uint8_t *head = (uint8_t *)payload - header;
        uint16_t n16 = htobe16((uint16_t)n);
        uint64_t n64 = htobe64(n);

        head[0] = 0x80 | OPCODE_BINARY;
        head[1] = (uint8_t)(header == 2 ? n : header == 4 ? 126 : 127);
        if (header == 4)
                memcpy(head + 2, &n16, sizeof(n16));
        else if (header == 10)
                memcpy(head + 2, &n64, sizeof(n64));
        return header;
}

void websocket_close(WebSocket *ws, WebSocketCode code, Buffer *out)
{
        uint16_t wire = htobe16((uint16_t)code);

        if (ws->close_sent)
                return;
        ws->close_sent = true;
        put_frame(out, OPCODE_CLOSE, &wire, sizeof(wire));
}

static void fail(WebSocket *ws, WebSocketCode code, Buffer *out)
{
        websocket_close(ws, code, out);
        ws->ended = true;
}

/* ---- text (8.1) ---- */

static bool utf8_begin(WebSocket *ws, uint8_t byte)
{
        if (byte < 0x80)
                return true;
        if (byte < 0xc2 || byte > 0xf4)
                return false;
        ws->utf8_more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
        ws->utf8_least = byte < 0xe0 ? 0x80 : byte < 0xf0 ? 0x800 : 0x10000;
        ws->utf8_point = byte & (0x3f >> ws->utf8_more);
        return true;
}

static bool utf8_step(WebSocket *ws, uint8_t byte)
{
        if (ws->utf8_more == 0)
                return utf8_begin(ws, byte);
        if ((byte & 0xc0) != 0x80)
                return false;
        ws->utf8_point = ws->utf8_point << 6 | (byte & 0x3f);
        if (--ws->utf8_more > 0)
                return true;
        return ws->utf8_point >= ws->utf8_least && ws->utf8_point <= 0x10ffff &&
               (ws->utf8_point & 0xfffff800) != 0xd800;
}

static bool utf8_take(WebSocket *ws, const char *bytes, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (!utf8_step(ws, (uint8_t)bytes[i]))
                        return false;
        return true;
}

/* ---- control frames (5.5) ---- */

static bool close_code_is_good(uint16_t code)
{
        return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
               (code >= 3000 && code <= 4999);
}

static void take_close(WebSocket *ws, Buffer *out)
{
        WebSocket reason = { 0 };
        uint16_t code = 0;

        ws->ended = true;
        if (ws->control_len >= 2)
                code = (uint16_t)(ws->control[0] << 8 | ws->control[1]);
        if (ws->control_len == 1 || (ws->control_len >= 2 && !close_code_is_good(code)))
                fail(ws, WEBSOCKET_PROTOCOL_ERROR, out);
        else if (ws->control_len > 2 &&
                 (!utf8_take(&reason, (const char *)ws->control + 2, ws->control_len - 2) ||
                  reason.utf8_more))
                fail(ws, WEBSOCKET_NOT_UTF8, out);
        else
                websocket_close(ws, code ? (WebSocketCode)code : WEBSOCKET_NORMAL, out);
}

static void take_control(WebSocket *ws, Buffer *out)
{
        if (ws->opcode == OPCODE_CLOSE)
                take_close(ws, out);
        else if (ws->opcode == OPCODE_PING && !ws->close_sent)
                put_frame(out, OPCODE_PONG, ws->control, ws->control_len);
        ws->control_len = 0;
}

/* ---- frames (5.2) ---- */

static bool is_control(const WebSocket *ws)
{
        return ws->opcode >= OPCODE_CLOSE;
}

/* Bytes of the header, as far as its first two tell; 0: they are none of a client's. */
static size_t head_size(const WebSocket *ws)
{
        uint8_t opcode = ws->head[0] & 0x0f, length = ws->head[1] & 0x7f;
        bool final = ws->head[0] & 0x80, masked = ws->head[1] & 0x80;

        if ((ws->head[0] & 0x70) || !masked || opcode > OPCODE_PONG ||
            (opcode > OPCODE_BINARY && opcode < OPCODE_CLOSE))
                return 0;
        if (opcode >= OPCODE_CLOSE && (!final || length > WEBSOCKET_CONTROL_MAX))
                return 0;
        if (opcode < OPCODE_CLOSE && ws->in_message != (opcode == OPCODE_CONTINUATION))
                return 0;
        return length < 126 ? 6 : length == 126 ? 8 : 14;
}

/* The length in as few bytes as it takes, and its highest bit unset. */
static bool take_length(WebSocket *ws, size_t size)
{
        uint16_t n16;
        uint64_t n64;

        memcpy(&n16, ws->head + 2, sizeof(n16));
        memcpy(&n64, ws->head + 2, sizeof(n64));
        if (size == 6)
                ws->left = ws->head[1] & 0x7f;
        else if (size == 8)
                ws->left = be16toh(n16);
        else
                ws->left = be64toh(n64);
        return size == 6 || (size == 8 ? ws->left > 125 : ws->left > UINT16_MAX && ws->left <= INT64_MAX);
}

/* False: it is wrong. */
static bool begin_frame(WebSocket *ws, size_t size)
{
        if (!take_length(ws, size))
                return false;
        memmove(ws->head, ws->head + size - 4, 4); /* from now on it is the mask */
        ws->mask_at = ws->head_len = 0;
        ws->in_frame = true;
        if (is_control(ws))
                return true;
        if (ws->opcode != OPCODE_CONTINUATION) {
                ws->in_text = ws->opcode == OPCODE_TEXT;
                ws->utf8_more = 0;
        }
        ws->in_message = !ws->final;
        return true;
}

static void end_frame(WebSocket *ws, Buffer *out)
{
        ws->in_frame = false;
        if (is_control(ws))
                take_control(ws, out);
        else if (ws->final && ws->in_text && ws->utf8_more > 0)
                fail(ws, WEBSOCKET_NOT_UTF8, out);
}

/* One byte more of the header. */
static void take_head(WebSocket *ws, uint8_t byte, Buffer *out)
{
        size_t size;

        ws->head[ws->head_len++] = byte;
        if (ws->head_len < 2)
                return;
        size = head_size(ws);
        ws->opcode = ws->head[0] & 0x0f;
        ws->final = ws->head[0] & 0x80;
        if (size > ws->head_len)
                return;
        if (size == 0 || !begin_frame(ws, size))
                fail(ws, WEBSOCKET_PROTOCOL_ERROR, out);
        else if (ws->left == 0)
                end_frame(ws, out);
}

static void unmask(WebSocket *ws, char *ret, const char *bytes, size_t n)
{
        uint8_t turned[8];
        uint64_t mask, word;
        size_t i = 0;

        for (size_t k = 0; k < sizeof(turned); k++)
                turned[k] = ws->head[(ws->mask_at + k) % 4];
        memcpy(&mask, turned, sizeof(mask));
        for (; i + sizeof(word) <= n; i += sizeof(word)) {
                memcpy(&word, bytes + i, sizeof(word));
                word ^= mask;
                memcpy(ret + i, &word, sizeof(word));
        }
        for (; i < n; i++)
                ret[i] = (char)(bytes[i] ^ turned[i % 4]);
        ws->mask_at = (uint8_t)((ws->mask_at + n) % 4);
}

/* A piece of a payload: to `ret` if it is data. Returns how much of it was. */
static size_t take_payload(WebSocket *ws, char *ret, const char *bytes, size_t n, Buffer *out)
{
        size_t given = 0;

        if (is_control(ws)) {
                unmask(ws, (char *)ws->control + ws->control_len, bytes, n);
                ws->control_len += n;
        } else {
                unmask(ws, ret, bytes, n);
                if (ws->in_text && !utf8_take(ws, ret, n)) {
                        fail(ws, WEBSOCKET_NOT_UTF8, out);
                        return 0;
                }
                given = n;
        }
        ws->left -= n;
        if (ws->left == 0)
                end_frame(ws, out);
        return given;
}

size_t websocket_take(WebSocket *ws, char *bytes, size_t n, Buffer *out)
{
        size_t given = 0;

        for (size_t at = 0; at < n && !ws->ended;) {
                if (!ws->in_frame) {
                        take_head(ws, (uint8_t)bytes[at++], out);
                        continue;
                }
                size_t now = ws->left < n - at ? (size_t)ws->left : n - at;
                given += take_payload(ws, bytes + given, bytes + at, now, out);
                at += now;
        }
        return given;
}
