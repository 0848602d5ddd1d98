/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The native frame protocol between the switch and its clients, over a stream socket of AF_UNIX. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAGIC            0x31465358u /* "XSF1", little-endian */
#define FRAME_HEADER_SIZE      88u
#define FRAME_BODY_MAX         (16u << 20) /* bytes of body */
#define FRAME_NAME_MAX         128u        /* bytes of a queue's name */
#define FRAME_FDS_MAX          16u         /* descriptors with one frame */
#define FRAME_CALLS_MAX        4096u       /* calls of one connection that may be outstanding */
#define FRAME_TRACEPARENT_SIZE 56u         /* W3C traceparent, NUL-padded */

typedef enum FrameKind {
        FRAME_HELLO = 1, /* client to switch, first: name = the client's own ("xenopsd"), body empty */
        FRAME_SERVE = 2, /* client to switch: name = queue to be served from now on by this connection */
        FRAME_CALL = 3,  /* client to switch to server: name = queue, id = the sender's on each leg */
        FRAME_REPLY = 4, /* server to switch to client: id of the call; body = JSON-RPC reply */
        FRAME_ERROR =
            5, /* the id of a CALL, SERVE, CONTROL or HELLO; outcome says why; body = text for people. A server
                               * may send it for a CALL that it refuses, the switch for any */
        FRAME_CANCEL = 6, /* client to switch to server: the caller no longer waits for this id */
        FRAME_OK = 7,     /* switch to client: HELLO, SERVE or a control call was taken */
        FRAME_CONTROL =
            8, /* client to switch: name = "list", "tail", "diagnostics", "shutdown"; body JSON, empty for
                               * none. Answered by a REPLY; "tail" with {"follow":true} by a REPLY for each batch */
} FrameKind;

/* Why a call ended without a reply. Positive: documented outcomes. */
typedef enum BusOutcome {
        BUS_OK = 0,
        BUS_NO_SUCH_QUEUE = 1,   /* nobody has ever served this name; nothing was done */
        BUS_TIMEOUT = 2,         /* the deadline passed; the outcome is unknown if it had been delivered */
        BUS_OUTCOME_UNKNOWN = 3, /* the server died, or the switch, after it was delivered */
        BUS_OVER_QUOTA = 4,      /* refused, nothing was done: the caller has too much outstanding */
        BUS_DENIED = 5,          /* the policy does not let this peer do that */
        BUS_TOO_LARGE = 6,
        BUS_DISCONNECTED = 7, /* no switch; nothing was sent */
        BUS_PROTOCOL = 8,     /* the peer sent what is no frame, or no JSON-RPC */
        BUS_CANCELLED =
            9, /* never on the wire: the caller would not wait any longer; the outcome is unknown */
} BusOutcome;

/* On the wire as it is here, little-endian; then name_len bytes of name, then body_len of body. Descriptors travel with the first byte. */
typedef struct FrameHeader {
        uint32_t magic;
        uint8_t kind;
        uint8_t outcome; /* FRAME_ERROR */
        uint16_t n_fds;
        uint32_t body_len;
        uint32_t name_len; /* bytes of name, which stands between header and body */
        uint64_t id;
        uint64_t
            deadline_usec; /* CLOCK_MONOTONIC of this host; 0: none given, the switch sets its own maximum */
        char traceparent[FRAME_TRACEPARENT_SIZE];
} FrameHeader;
_Static_assert(sizeof(FrameHeader) == FRAME_HEADER_SIZE, "the wire's layout");

/* Reads a header from FRAME_HEADER_SIZE bytes. 0; -EPROTO: no frame (magic, kind, lengths of what this kind does not
 * have, a traceparent without its NUL); -EMSGSIZE: a frame, but body, name or descriptors are over their limit. *ret is set
 * in each case but the first fault. */
int frame_header_decode(const void *bytes, FrameHeader *ret);
void frame_header_encode(const FrameHeader *header, void *bytes);
void frame_set_id(void *bytes, uint64_t id); /* of an encoded header */
static inline size_t frame_length(const FrameHeader *header)
{
        return FRAME_HEADER_SIZE + (size_t)header->name_len + header->body_len;
}

/* One to FRAME_NAME_MAX bytes of printable ASCII without space. */
bool frame_name_valid(const char *name, size_t len);

const char *bus_outcome_text(BusOutcome outcome); /* for people; never NULL */
