/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server's side of WebSocket (RFC 6455) around a stream of bytes: what clients send is unwrapped whatever its
 * messages and fragments are, what they are sent are binary messages. Strict, and nothing is allocated. */
#pragma once

#include "http.h"

#define WEBSOCKET_CONTROL_MAX 125u /* bytes of a control frame's payload (5.5) */
#define WEBSOCKET_HEADER_MAX  10u  /* bytes before the payload of a frame of ours */

typedef enum WebSocketCode {
        WEBSOCKET_NORMAL = 1000,
        WEBSOCKET_GOING_AWAY = 1001,
        WEBSOCKET_PROTOCOL_ERROR = 1002,
        WEBSOCKET_NOT_UTF8 = 1007,
} WebSocketCode;

/* All zero: nothing has come yet. */
typedef struct WebSocket {
        uint8_t head[14]; /* of the frame that comes */
        uint8_t head_len, opcode, mask_at;
        bool in_frame, in_message, in_text, final;
        bool close_sent; /* nothing may be sent any more */
        bool ended;      /* by a close frame or a mistake: what still comes is thrown away */
        uint64_t left;   /* of the payload */
        uint8_t control[WEBSOCKET_CONTROL_MAX];
        size_t control_len;
        uint32_t utf8_point, utf8_least; /* of the character that comes */
        uint8_t utf8_more;
} WebSocket;

/* Whether the request asks for an upgrade: 0, and *ret_head is the answer that grants it (with the sub-protocol "binary"
 * where that is offered); or the HTTP status to refuse it with: 400, or 426, which needs WEBSOCKET_VERSION_HEADER. */
int websocket_accept(const HttpRequest *request, Buffer *ret_head);
#define WEBSOCKET_VERSION_HEADER "Sec-WebSocket-Version: 13\r\n"

/* Takes n bytes as they came; what they carry is moved to their front, and its length returned. What has to be answered
 * (pong, close) is appended to `out` as whole frames. */
size_t websocket_take(WebSocket *ws, char *bytes, size_t n, Buffer *out);
/* The header of a binary message of n bytes, written right before `payload`, where WEBSOCKET_HEADER_MAX bytes are free.
 * Returns its length. */
size_t websocket_wrap(char *payload, size_t n);
/* Says that nothing comes any more; nothing if that was said. */
void websocket_close(WebSocket *ws, WebSocketCode code, Buffer *out);
