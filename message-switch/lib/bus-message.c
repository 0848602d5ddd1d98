/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <unistd.h>

#include "bus-private.h"

void bus_message_begin(Buffer *frame, const char *name)
{
        buffer_reserve(frame, FRAME_HEADER_SIZE);
        frame->len += FRAME_HEADER_SIZE;
        buffer_append_text(frame, name);
}

static int bus_message_on_json(const char *bytes, size_t n, void *data)
{
        buffer_append(data, bytes, n);
        return 0;
}

void bus_message_append_json(Buffer *frame, const json_t *json)
{
        if (json_dump_callback(json, bus_message_on_json, frame, JSON_COMPACT | JSON_ENCODE_ANY) < 0)
                buffer_append_literal(frame, "null");
}

bool bus_message_end(Buffer *frame, FrameHeader *header, const char *name)
{
        size_t name_len = strlen(name);
        size_t body_len = frame->len - FRAME_HEADER_SIZE - name_len;
        if (body_len > FRAME_BODY_MAX)
                return false;
        header->magic = FRAME_MAGIC;
        header->name_len = (uint32_t)name_len;
        header->body_len = (uint32_t)body_len;
        frame_header_encode(header, frame->data);
        return true;
}

json_t *bus_message_parse(const char *body, size_t len)
{
        json_t *message = json_loadb(body, len, 0, NULL);
        if (message && !json_is_object(message)) {
                json_decref(message);
                return NULL;
        }
        return message;
}

bool bus_dup_fds(const int *fds, size_t n_fds, int *ret_fds)
{
        for (size_t i = 0; i < n_fds; i++) {
                ret_fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
                if (ret_fds[i] < 0) {
                        bus_close_fds(ret_fds, i);
                        return false;
                }
        }
        return true;
}

void bus_close_fds(int *fds, size_t n_fds)
{
        for (size_t i = 0; i < n_fds; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
}
