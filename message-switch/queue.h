/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A name that calls are sent to: who serves it, and what waits for it. */
#pragma once

#include "call.h"
#include "frame.h"
#include "manager.h"

/* A name as it stands in a frame. */
typedef struct QueueName {
        const char *bytes;
        size_t len;
} QueueName;

typedef struct Queue {
        QueueName name; /* of text */
        char text[FRAME_NAME_MAX + 1];
        Manager *manager;
        Peer *server;                  /* NULL: away */
        uint64_t serve_id;             /* of the SERVE by which it came */
        LIST_ENTRY(Queue) served_link; /* in the server's */
        bool ever_served;
        Calls waiting; /* for a server, in order */
        size_t n_waiting;
        uint64_t n_calls; /* ever delivered */
} Queue;

guint queue_name_hash(const void *name);
gboolean queue_name_equal(const void *a, const void *b);

Queue *queue_find(Manager *manager, QueueName name); /* NULL: no such queue */
/* The queue of that (valid) name, made where there is none. NULL: there are too many. */
Queue *queue_get(Manager *manager, QueueName name);
void queue_free(void *queue); /* with no call waiting; queues' destroy function */

/* From now on `peer` serves the queue: whoever did is told so, by an error with its SERVE's id, and answers what was
 * delivered to it. What waits is delivered. */
void queue_serve(Queue *queue, Peer *peer, uint64_t serve_id);
void queue_lose_server(Queue *queue);
/* The time is over in which a name might yet be served for the first time. */
void queue_end_grace(Manager *manager);
void queue_learn(const char *name, void *manager); /* it was served before the switch's restart */
