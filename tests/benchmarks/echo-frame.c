/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The switch's own frames; and the same without introduction, through a relay that knows of none. */
#include <stdlib.h>

#include "echo.h"
#include "frame.h"

enum { FRAME_ID_HELLO = 1, FRAME_ID_SERVE, FRAME_ID_CALL };

static void frame_append(Buffer *out, FrameKind kind, uint64_t id, const char *name, const char *body,
                         size_t body_len)
{
        FrameHeader header = { .magic = FRAME_MAGIC,
                               .kind = (uint8_t)kind,
                               .id = id,
                               .name_len = (uint32_t)strlen(name),
                               .body_len = (uint32_t)body_len };
        frame_header_encode(&header, buffer_reserve(out, FRAME_HEADER_SIZE));
        out->len += FRAME_HEADER_SIZE;
        buffer_append_text(out, name);
        buffer_append(out, body, body_len);
}

static void frame_prepare(End *end)
{
        frame_append(&end->ready, end->serves ? FRAME_REPLY : FRAME_CALL, FRAME_ID_CALL,
                     end->serves ? "" : ECHO_NAME, echo_body, sizeof echo_body);
}

static void frame_open(End *end)
{
        frame_prepare(end);
        frame_append(&end->out, FRAME_HELLO, FRAME_ID_HELLO, "bench", NULL, 0);
        if (end->serves)
                frame_append(&end->out, FRAME_SERVE, FRAME_ID_SERVE, ECHO_NAME, NULL, 0);
}

static void relayed_open(End *end)
{
        frame_prepare(end);
        end->opened = true;
}

static void frame_send(End *end, uint64_t id)
{
        memcpy(end->ready.data + offsetof(FrameHeader, id), &id, sizeof id);
        buffer_append(&end->out, end->ready.data, end->ready.len);
}

static void frame_call(End *end)
{
        frame_send(end, FRAME_ID_CALL + end->serial++);
}

static size_t frame_take(End *end, const char *bytes, size_t len)
{
        FrameHeader header;
        if (len < sizeof header)
                return 0;
        memcpy(&header, bytes, sizeof header);
        if (len < frame_length(&header))
                return 0;
        if (header.kind == FRAME_CALL) {
                frame_send(end, header.id);
        } else if (header.kind == FRAME_REPLY) {
                end->replies++;
                end->outstanding--;
        } else if (header.kind == FRAME_OK) {
                end->opened |= header.id == (end->serves ? FRAME_ID_SERVE : FRAME_ID_HELLO);
        } else if (header.kind == FRAME_ERROR) {
                die("the switch says: %.*s", (int)header.body_len, bytes + sizeof header);
        }
        return frame_length(&header);
}

const EchoProtocol echo_frame = {
        .name = "frame", .connect = unix_connect, .open = frame_open, .call = frame_call, .take = frame_take
};
const EchoProtocol echo_relayed = { .name = "relayed",
                                    .listens = true,
                                    .connect = unix_connect,
                                    .open = relayed_open,
                                    .call = frame_call,
                                    .take = frame_take };
