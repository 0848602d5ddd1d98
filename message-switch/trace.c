/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace.h"

#include <string.h>

#include "peer.h"

#define TRACE_QUEUE_SIZE 64u

typedef struct TraceEntry {
        uint64_t real_usec, id;
        uint32_t body_len;
        uint16_t n_fds;
        uint8_t kind, outcome;
        char from[PEER_LABEL_SIZE], to[PEER_LABEL_SIZE];
        char queue[TRACE_QUEUE_SIZE]; /* the name's beginning; no NUL if it is longer */
        char traceparent[FRAME_TRACEPARENT_SIZE];
} TraceEntry;

typedef struct Follower Follower;
struct Follower {
        LIST_ENTRY(Follower) link;
        Peer *peer;
        uint64_t id, n_lost;
        bool bodies;
};

struct Trace {
        TraceEntry entries[TRACE_ENTRIES];
        uint64_t n;                /* ever recorded */
        uint64_t real_offset_usec; /* of CLOCK_REALTIME from CLOCK_MONOTONIC */
        LIST_HEAD(, Follower) followers;
};

Trace *trace_new(void)
{
        Trace *trace = g_new0(Trace, 1);
        LIST_INIT(&trace->followers);
        trace->real_offset_usec = clock_real_usec() - clock_usec();
        return trace;
}

static void follower_free(Follower *follower)
{
        LIST_REMOVE(follower, link);
        g_free(follower);
}

void trace_free(Trace *trace)
{
        Follower *follower;
        while ((follower = LIST_FIRST(&trace->followers)))
                follower_free(follower);
        g_free(trace);
}

void trace_follow(Trace *trace, Peer *peer, uint64_t id, bool bodies)
{
        Follower *follower = g_new0(Follower, 1);
        follower->peer = peer;
        follower->id = id;
        follower->bodies = bodies;
        LIST_INSERT_HEAD(&trace->followers, follower, link);
}

void trace_forget_peer(Trace *trace, Peer *peer)
{
        Follower *follower = LIST_FIRST(&trace->followers);
        while (follower) {
                Follower *next = LIST_NEXT(follower, link);
                if (follower->peer == peer)
                        follower_free(follower);
                follower = next;
        }
}

static const char *trace_kind_text(uint8_t kind)
{
        return kind == FRAME_CALL ? "call" : kind == FRAME_REPLY ? "reply" : "error";
}

static json_t *trace_event(const TraceEntry *entry)
{
        json_t *event =
            json_pack("{s:I, s:s, s:s, s:s, s:o, s:I, s:I, s:i}", "time_usec", (json_int_t)entry->real_usec,
                      "kind", trace_kind_text(entry->kind), "from", entry->from, "to", entry->to, "queue",
                      json_stringn(entry->queue, strnlen(entry->queue, sizeof entry->queue)), "id",
                      (json_int_t)entry->id, "bytes", (json_int_t)entry->body_len, "fds", (int)entry->n_fds);
        if (entry->kind == FRAME_ERROR)
                json_object_set_new(event, "outcome", json_string(bus_outcome_text(entry->outcome)));
        if (entry->traceparent[0])
                json_object_set_new(event, "traceparent", json_string(entry->traceparent));
        return event;
}

json_t *trace_events(const Trace *trace)
{
        json_t *events = json_array();
        for (uint64_t i = trace->n > TRACE_ENTRIES ? trace->n - TRACE_ENTRIES : 0; i < trace->n; i++)
                json_array_append_new(events, trace_event(&trace->entries[i % TRACE_ENTRIES]));
        return events;
}

/* As much of the body as is text; bytes that are none end it. */
static void trace_add_body(json_t *event, const Frame *frame)
{
        size_t len = MIN(frame->header.body_len, TRACE_BODY_MAX);
        const char *end;
        g_utf8_validate_len(frame->body, len, &end);
        json_object_set_new(event, "body", json_stringn(frame->body, (size_t)(end - frame->body)));
}

static void follower_tell(Follower *follower, const TraceEntry *entry, const Frame *frame)
{
        if (frame_writer_unsent(&follower->peer->writer) > TRACE_UNSENT_MAX) {
                follower->n_lost++;
                return;
        }
        json_t *event = trace_event(entry);
        if (follower->bodies)
                trace_add_body(event, frame);
        json_t *message = json_pack("{s:[o], s:I}", "events", event, "lost", (json_int_t)follower->n_lost);
        char *text = json_dumps(message, JSON_COMPACT);
        peer_send_own(follower->peer, FRAME_REPLY, follower->id, BUS_OK, text, strlen(text));
        follower->n_lost = 0;
        free(text);
        json_decref(message);
}

void trace_record(Trace *trace, uint64_t now_usec, const Peer *from, const Peer *to, const Queue *queue,
                  const Frame *frame)
{
        TraceEntry *entry = &trace->entries[trace->n++ % TRACE_ENTRIES];
        entry->real_usec = now_usec + trace->real_offset_usec;
        entry->id = frame->header.id;
        entry->body_len = frame->header.body_len;
        entry->n_fds = frame->header.n_fds;
        entry->kind = frame->header.kind;
        entry->outcome = frame->header.outcome;
        memcpy(entry->from, from->label, sizeof entry->from);
        if (to)
                memcpy(entry->to, to->label, sizeof entry->to);
        else
                entry->to[0] = '\0';
        if (queue)
                memcpy(entry->queue, queue->text, sizeof entry->queue);
        else
                entry->queue[0] = '\0';
        memcpy(entry->traceparent, frame->header.traceparent, sizeof entry->traceparent);
        Follower *follower;
        LIST_FOREACH(follower, &trace->followers, link)
        {
                follower_tell(follower, entry, frame);
        }
}
