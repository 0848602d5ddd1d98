/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include <string.h>
#include <unistd.h>

#include "peer.h"
#include "queue.h"

static Call *call_new(Peer *caller)
{
        Manager *manager = caller->manager;
        Call *call = manager->free_calls;
        if (call)
                manager->free_calls = TAILQ_NEXT(call, caller_link);
        else
                call = g_new(Call, 1);
        call->manager = manager;
        call->caller = caller;
        call->server = NULL;
        call->frame = NULL;
        call->deadline.place = 0;
        call->id = slots_add(&manager->calls, call);
        TAILQ_INSERT_TAIL(&caller->calls, call, caller_link);
        caller->n_calls++;
        return call;
}

static void call_leave_place(Call *call)
{
        if (call->server) {
                TAILQ_REMOVE(&call->server->deliveries, call, place_link);
                call->server->n_deliveries--;
                return;
        }
        TAILQ_REMOVE(&call->queue->waiting, call, place_link);
        call->queue->n_waiting--;
        call->manager->held_bytes -= call->length;
        for (size_t i = 0; i < call->n_fds; i++)
                close(call->fds[i]);
        g_free(call->frame);
        call->frame = NULL;
}

static void call_end(Call *call)
{
        Manager *manager = call->manager;
        Peer *caller = call->caller;
        call_leave_place(call);
        TAILQ_REMOVE(&caller->calls, call, caller_link);
        caller->n_calls--;
        caller->charged_bytes -= call->charge;
        caller->charged_fds -= call->n_fds;
        deadlines_remove(manager->call_deadlines, &call->deadline);
        slots_remove(&manager->calls, call->id);
        call->caller_link.tqe_next = manager->free_calls;
        manager->free_calls = call;
}

void call_free_pool(Manager *manager)
{
        Call *call;
        while ((call = manager->free_calls)) {
                manager->free_calls = TAILQ_NEXT(call, caller_link);
                g_free(call);
        }
}

/* A name that is allowed and known, or may become known; NULL with the outcome. The last one is remembered: a connection
 * calls the same queue again and again. */
static Queue *call_find_queue(Peer *caller, const Frame *frame, BusOutcome *ret_outcome)
{
        Manager *manager = caller->manager;
        QueueName name = { .bytes = frame->name, .len = frame->header.name_len };
        *ret_outcome = BUS_NO_SUCH_QUEUE;
        if (caller->last_queue && queue_name_equal(&caller->last_queue->name, &name))
                return caller->last_queue;
        char text[FRAME_NAME_MAX + 1] = "";
        memcpy(text, name.bytes, name.len);
        if (!frame_name_valid(name.bytes, name.len))
                return NULL;
        if (!caller->trusted &&
            !policy_allows(manager->policy, POLICY_CALL, text, caller->uid, caller->gid)) {
                *ret_outcome = BUS_DENIED;
                return NULL;
        }
        Queue *queue = manager->in_grace ? queue_get(manager, name) : queue_find(manager, name);
        if (queue)
                caller->last_queue = queue;
        return queue;
}

/* Whether there is room for the call, and for its reply. */
static bool call_has_room(Peer *caller, const Queue *queue, size_t length, size_t n_fds)
{
        size_t used = caller->charged_bytes + frame_writer_unsent(&caller->writer);
        if (caller->n_calls >= PEER_CALLS_MAX || used + length + PEER_REPLY_BYTES > PEER_CHARGE_MAX ||
            caller->manager->held_bytes > MANAGER_HELD_BYTES_MAX)
                return false;
        if (queue->server && frame_writer_unsent(&queue->server->writer) + length > PEER_BACKLOG_MAX)
                return false;
        return n_fds == 0 || (caller->charged_fds + n_fds <= PEER_FDS_MAX &&
                              (!queue->server || peer_has_room_for_fds(queue->server, n_fds)));
}

static uint64_t call_deadline(const Manager *manager, uint64_t asked)
{
        if (asked == 0)
                return manager->now_usec + MANAGER_TIMEOUT_USEC;
        return MIN(asked, manager->now_usec + MANAGER_TIMEOUT_MAX_USEC);
}

/* Puts the server's view of the call into the frame, where it lies. */
static void call_send(Call *call, Peer *server, char *start, FrameHeader *header, const int *fds)
{
        call->server = server;
        TAILQ_INSERT_TAIL(&server->deliveries, call, place_link);
        server->n_deliveries++;
        call->queue->n_calls++;
        header->id = call->id;
        header->deadline_usec = call->deadline.usec;
        frame_header_encode(header, start);
        peer_send(server, start, frame_length(header), fds, header->n_fds);
}

static void call_hold(Call *call, const Frame *frame)
{
        call->frame = g_memdup2(frame->start, call->length);
        memcpy(call->fds, frame->fds, call->n_fds * sizeof(int));
        TAILQ_INSERT_TAIL(&call->queue->waiting, call, place_link);
        call->queue->n_waiting++;
        call->manager->held_bytes += call->length;
}

void call_deliver(Call *call, Peer *server)
{
        FrameHeader header;
        int fds[FRAME_FDS_MAX];
        char *frame = g_steal_pointer(&call->frame);
        size_t n_fds = call->n_fds;
        memcpy(fds, call->fds, n_fds * sizeof(int));
        frame_header_decode(frame, &header);
        call->n_fds = 0;
        call_leave_place(call);
        call->n_fds = n_fds;
        call_send(call, server, frame, &header, fds);
        frame_writer_keep(&server->writer);
        g_free(frame);
}

static void call_refuse(Peer *caller, uint64_t id, BusOutcome outcome, const char *text)
{
        caller->manager->counts.refused++;
        peer_send_error(caller, id, outcome, text);
}

void call_route(Peer *caller, Frame *frame)
{
        Manager *manager = caller->manager;
        BusOutcome outcome;
        Queue *queue = call_find_queue(caller, frame, &outcome);
        manager->counts.calls++;
        trace_record(manager->trace, manager->now_usec, caller, queue ? queue->server : NULL, queue, frame);
        if (!queue) {
                call_refuse(caller, frame->header.id, outcome,
                            outcome == BUS_DENIED ? "The policy does not let you call this queue"
                                                  : "Nobody has ever served this queue");
                return;
        }
        size_t length = frame_length(&frame->header);
        uint64_t deadline = call_deadline(manager, frame->header.deadline_usec);
        if (!call_has_room(caller, queue, length, frame->header.n_fds)) {
                call_refuse(caller, frame->header.id, BUS_OVER_QUOTA, "Too much is outstanding");
                return;
        }
        if (deadline <= manager->now_usec) {
                call_refuse(caller, frame->header.id, BUS_TIMEOUT,
                            "The deadline had passed before the call came");
                return;
        }
        Call *call = call_new(caller);
        call->caller_id = frame->header.id;
        call->queue = queue;
        call->length = length;
        call->charge = length + PEER_REPLY_BYTES;
        call->n_fds = frame->header.n_fds;
        caller->charged_bytes += call->charge;
        caller->charged_fds += call->n_fds;
        deadlines_add(manager->call_deadlines, &call->deadline, deadline);
        if (queue->server)
                call_send(call, queue->server, frame->start, &frame->header, frame->fds);
        else
                call_hold(call, frame);
        frame->header.n_fds = 0;
}

/* The room that its caller was charged for is what a reply has in any case. */
static bool call_reply_fits(const Call *call, const Frame *frame)
{
        Peer *caller = call->caller;
        size_t length = frame_length(&frame->header);
        size_t used = caller->charged_bytes - call->charge + frame_writer_unsent(&caller->writer);
        return (length <= PEER_REPLY_BYTES || used + length <= PEER_CHARGE_MAX) &&
               (frame->header.n_fds == 0 || peer_has_room_for_fds(caller, frame->header.n_fds));
}

void call_answer(Peer *server, Frame *frame)
{
        Manager *manager = server->manager;
        Call *call = slots_get(&manager->calls, frame->header.id);
        if (!call || call->server != server) {
                manager->counts.late++;
                return;
        }
        Peer *caller = call->caller;
        manager->counts.replies++;
        trace_record(manager->trace, manager->now_usec, server, caller, call->queue, frame);
        if (!call_reply_fits(call, frame)) {
                call_fail(call, BUS_TOO_LARGE, "The reply was dropped: what came before it is not read");
                return;
        }
        frame->header.id = call->caller_id;
        frame->header.deadline_usec = 0;
        frame_header_encode(&frame->header, frame->start);
        call_end(call);
        peer_send(caller, frame->start, frame_length(&frame->header), frame->fds, frame->header.n_fds);
        frame->header.n_fds = 0;
}

static void call_tell_server(Call *call)
{
        if (call->server)
                peer_send_own(call->server, FRAME_CANCEL, call->id, BUS_OK, NULL, 0);
}

void call_cancel(Peer *caller, uint64_t caller_id)
{
        Call *call;
        TAILQ_FOREACH(call, &caller->calls, caller_link)
        {
                if (call->caller_id == caller_id)
                        break;
        }
        if (!call)
                return;
        caller->manager->counts.cancels++;
        call_tell_server(call);
        call_end(call);
}

void call_fail(Call *call, BusOutcome outcome, const char *text)
{
        Peer *caller = call->caller;
        uint64_t caller_id = call->caller_id;
        call->manager->counts.errors++;
        call_end(call);
        peer_send_error(caller, caller_id, outcome, text);
}

void call_on_due(Deadline *deadline, void *data)
{
        Call *call = (Call *)((char *)deadline - offsetof(Call, deadline));
        bool waited = !call->server;
        call_tell_server(call);
        call_fail(call, BUS_TIMEOUT,
                  waited ? "The queue's server did not come back" : "The server did not answer");
}

void call_forget_peer(Peer *peer)
{
        Call *call;
        while ((call = TAILQ_FIRST(&peer->calls))) {
                call_tell_server(call);
                call_end(call);
        }
        while ((call = TAILQ_FIRST(&peer->deliveries)))
                call_fail(call, BUS_OUTCOME_UNKNOWN, "The server went away before it answered");
}
