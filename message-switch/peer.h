/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One connection to the switch. */
#pragma once

#include <sys/types.h>

#include "call.h"
#include "frame-reader.h"
#include "frame-writer.h"
#include "manager.h"
#include "queue.h"

/* What one connection may take. A call is charged to its caller from its beginning to its end: its own length, and
 * PEER_REPLY_BYTES for the reply. So a reply of up to that size always passes, whatever its caller has outstanding; a
 * larger one needs room beside the rest, and is dropped (BUS_TOO_LARGE) where the caller does not read what it has. No
 * connection's reading ever depends on another's. */
#define PEER_CALLS_MAX   FRAME_CALLS_MAX
#define PEER_REPLY_BYTES (16u << 10)
#define PEER_CHARGE_MAX  (128u << 20) /* bytes charged and unsent; further calls are BUS_OVER_QUOTA */
#define PEER_BACKLOG_MAX                                                                                     \
        (128u << 20)         /* unsent bytes at a server beyond which calls to it are BUS_OVER_QUOTA */
#define PEER_FDS_MAX    256u /* descriptors in its outstanding calls; in what it has not read */
#define PEER_HELLO_USEC (UINT64_C(30) * 1000000u) /* from connecting until HELLO has come whole */
#define PEER_LABEL_SIZE 32u

_Static_assert(PEER_CALLS_MAX *PEER_REPLY_BYTES + FRAME_BODY_MAX < PEER_CHARGE_MAX,
               "all calls' replies have room");

typedef enum PeerState {
        PEER_NEW,    /* has sent nothing yet */
        PEER_SILENT, /* frames, but HELLO has not come */
        PEER_READY,
        PEER_HTTP,
        PEER_GONE,
} PeerState;

typedef struct HttpDialect HttpDialect;
typedef LIST_HEAD(Queues, Queue) Queues;

struct Peer {
        Manager *manager;
        TAILQ_ENTRY(Peer) link, dirty_link;
        PeerState state;
        bool dirty, is_writing, trusted;
        int socket;
        uv_poll_t poll;
        uint64_t number;
        uid_t uid;
        gid_t gid;
        pid_t pid;
        char name[FRAME_NAME_MAX + 1];
        char label[PEER_LABEL_SIZE]; /* the name's beginning, for the trace */
        Deadline deadline;           /* until HELLO */

        FrameReader reader;
        FrameWriter writer;
        size_t held_bytes; /* its part of the manager's */
        size_t fds_unread; /* sent and maybe not received yet */

        Calls calls;      /* made by it */
        Calls deliveries; /* delivered to it and not answered */
        size_t n_calls, n_deliveries, charged_bytes, charged_fds;
        Queues served;
        Queue *last_queue; /* that it called last, and may call */
        HttpDialect *http; /* PEER_HTTP */
};

/* Takes the socket of a connection just accepted. */
void peer_new(Manager *manager, int socket);
void peer_free_all(Manager *manager);
void peer_on_due(Deadline *deadline, void *manager);

/* Adds a frame that stays where it is until the end of the round. Takes the descriptors. */
void peer_send(Peer *peer, const char *frame, size_t length, const int *fds, size_t n_fds);
/* Makes and sends one of the switch's own; the body is copied. */
void peer_send_own(Peer *peer, FrameKind kind, uint64_t id, BusOutcome outcome, const char *body,
                   size_t body_len);
void peer_send_error(Peer *peer, uint64_t id, BusOutcome outcome, const char *text);
/* Whether so many more descriptors may be under way to it. */
bool peer_has_room_for_fds(Peer *peer, size_t n_fds);
void peer_flush(Peer *peer);
void peer_close(Peer *peer, const char *why); /* `peer` is valid until the end of the round */
