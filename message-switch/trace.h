/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What passed lately, for people: the facts of each frame in a ring, and live for those who follow. Bodies are shown only
 * live, and only to who asks for them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "frame-reader.h"

#define TRACE_ENTRIES    1024u
#define TRACE_BODY_MAX   (64u << 10) /* bytes of a body that are shown */
#define TRACE_UNSENT_MAX (1u << 20)  /* what a follower may leave unread before it misses some */

typedef struct Trace Trace;
struct Peer;
struct Queue;

Trace *trace_new(void);
void trace_free(Trace *trace);
/* `to` and `queue` may be NULL: nobody, none. */
void trace_record(Trace *trace, uint64_t now_usec, const struct Peer *from, const struct Peer *to,
                  const struct Queue *queue, const Frame *frame);
json_t *trace_events(const Trace *trace); /* array, oldest first; returns owned */
/* From now on each frame is told to `peer` by a REPLY to `id`. */
void trace_follow(Trace *trace, struct Peer *peer, uint64_t id, bool bodies);
void trace_forget_peer(Trace *trace, struct Peer *peer);
