/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call on its way: from the caller's frame to the frame that ends it. */
#pragma once

#include "frame-reader.h"
#include "manager.h"

typedef struct Queue Queue;
typedef TAILQ_HEAD(Calls, Call) Calls;

struct Call {
        TAILQ_ENTRY(Call) caller_link; /* in the caller's; in the free list: next only */
        TAILQ_ENTRY(Call) place_link;  /* in the queue's waiting, or in the server's deliveries */
        Manager *manager;
        Peer *caller;
        uint64_t caller_id; /* as the caller named it */
        uint64_t id;        /* as the server knows it */
        Queue *queue;
        Peer *server; /* NULL: waiting for one */
        Deadline deadline;
        size_t charge; /* bytes that the caller is charged for */
        size_t n_fds;  /* descriptors, the same */
        char *frame;   /* while waiting: a copy, with its descriptors */
        size_t length;
        int fds[FRAME_FDS_MAX];
};

/* A CALL has come: it is delivered, or waits, or is refused. Takes the descriptors. */
void call_route(Peer *caller, Frame *frame);
/* A REPLY or ERROR has come from a server: it goes to the caller, and the call ends. Takes the descriptors. */
void call_answer(Peer *server, Frame *frame);
/* A CANCEL has come: the server is told, the caller hears no more of it. */
void call_cancel(Peer *caller, uint64_t caller_id);
void call_deliver(Call *call, Peer *server);                      /* one that waits */
void call_fail(Call *call, BusOutcome outcome, const char *text); /* tells the caller, and ends it */
void call_on_due(Deadline *deadline, void *manager);
/* A connection has gone: its calls are cancelled, those delivered to it fail. */
void call_forget_peer(Peer *peer);
void call_free_pool(Manager *manager);
