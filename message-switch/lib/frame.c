/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* What a frame of each kind may carry. */
static const struct {
        bool name, body, fds;
} frame_kinds[] = {
        [FRAME_HELLO] = { .name = true },
        [FRAME_SERVE] = { .name = true },
        [FRAME_CALL] = { .name = true, .body = true, .fds = true },
        [FRAME_REPLY] = { .body = true, .fds = true },
        [FRAME_ERROR] = { .body = true },
        [FRAME_CANCEL] = { 0 },
        [FRAME_OK] = { 0 },
        [FRAME_CONTROL] = { .name = true, .body = true },
};

static void frame_header_swap(FrameHeader *header)
{
#if __BYTE_ORDER == __BIG_ENDIAN
        header->magic = le32toh(header->magic);
        header->n_fds = le16toh(header->n_fds);
        header->body_len = le32toh(header->body_len);
        header->name_len = le32toh(header->name_len);
        header->id = le64toh(header->id);
        header->deadline_usec = le64toh(header->deadline_usec);
#endif
}

int frame_header_decode(const void *bytes, FrameHeader *ret)
{
        FrameHeader header;
        memcpy(&header, bytes, sizeof header);
        frame_header_swap(&header);
        if (header.magic != FRAME_MAGIC || header.kind < FRAME_HELLO || header.kind > FRAME_CONTROL ||
            header.traceparent[FRAME_TRACEPARENT_SIZE - 1] != '\0')
                return -EPROTO;
        if ((header.name_len > 0) != frame_kinds[header.kind].name ||
            (header.body_len > 0 && !frame_kinds[header.kind].body) ||
            (header.n_fds > 0 && !frame_kinds[header.kind].fds))
                return -EPROTO;
        *ret = header;
        if (header.body_len > FRAME_BODY_MAX || header.name_len > FRAME_NAME_MAX ||
            header.n_fds > FRAME_FDS_MAX)
                return -EMSGSIZE;
        return 0;
}

void frame_header_encode(const FrameHeader *header, void *bytes)
{
        FrameHeader wire = *header;
        frame_header_swap(&wire);
        memcpy(bytes, &wire, sizeof wire);
}

void frame_set_id(void *bytes, uint64_t id)
{
        uint64_t wire = htole64(id);
        memcpy((char *)bytes + offsetof(FrameHeader, id), &wire, sizeof wire);
}

bool frame_name_valid(const char *name, size_t len)
{
        if (len == 0 || len > FRAME_NAME_MAX)
                return false;
        for (size_t i = 0; i < len; i++)
                if (name[i] <= ' ' || name[i] > '~')
                        return false;
        return true;
}

const char *bus_outcome_text(BusOutcome outcome)
{
        static const char *const texts[] = {
                [BUS_OK] = "ok",
                [BUS_NO_SUCH_QUEUE] = "no such queue",
                [BUS_TIMEOUT] = "timed out",
                [BUS_OUTCOME_UNKNOWN] = "outcome unknown",
                [BUS_OVER_QUOTA] = "over quota",
                [BUS_DENIED] = "denied",
                [BUS_TOO_LARGE] = "too large",
                [BUS_DISCONNECTED] = "not connected to the switch",
                [BUS_PROTOCOL] = "protocol error",
                [BUS_CANCELLED] = "cancelled",
        };
        return (size_t)outcome < sizeof texts / sizeof texts[0] ? texts[outcome] : "unknown outcome";
}
