/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <unistd.h>

#include "bus-private.h"

#define BUS_FRAME_ROOM_BYTES 512u /* most frames are smaller */

void bus_message_begin(Buffer *frame, const char *name)
{
        buffer_reserve(frame, BUS_FRAME_ROOM_BYTES);
        frame->len += FRAME_HEADER_SIZE;
        buffer_append_text(frame, name);
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

bool bus_message_parse(const char *body, size_t len, JsonMember *members, size_t n_members)
{
        static const JsonLimits limits = { .depth = BUS_DEPTH_MAX, .values = BUS_VALUES_MAX };
        return json_text_members(body, len, &limits, members, n_members);
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
