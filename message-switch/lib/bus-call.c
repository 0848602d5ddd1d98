/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls of ours: from the one that makes it, over the switch's answer, to the one that waits. */
#include <assert.h>
#include <errno.h>
#include <semaphore.h>

#include "bus-private.h"
#include "json-text.h"

struct BusPending {
        TAILQ_ENTRY(BusPending) link; /* in unsent, in finished, or in ended */
        uint64_t id;
        bool unsent, delivered; /* in the list of that name; wholly sent */
        uint64_t end;           /* while unsent: where its frame ends in the writer; 0: not there */
        Buffer frame;           /* while unsent */
        int fds[FRAME_FDS_MAX]; /* while unsent */
        size_t n_fds;
        Deadline deadline; /* of those made on the loop */
        /* Either of the two ways to hear of the end. */
        void (*done)(BusReply *reply, void *data);
        void *data;
        sem_t *
            ended; /* of the waiting thread; posted once for the end, and once for the wish to wait no longer */
        atomic_bool is_ended, is_unwanted;
        BusReply reply;
        Buffer body; /* of the reply, for the waiting thread to parse */
};

void bus_reply_clear(BusReply *reply)
{
        json_decref(reply->result);
        json_decref(reply->error);
        bus_close_fds(reply->fds, reply->n_fds);
        *reply = (BusReply){ 0 };
}

static void bus_pending_forget_frame(Bus *bus, BusPending *pending)
{
        if (!pending->unsent)
                return;
        TAILQ_REMOVE(&bus->unsent, pending, link);
        pending->unsent = false;
        buffer_clear(&pending->frame);
        bus_close_fds(pending->fds, pending->n_fds);
        pending->n_fds = 0;
}

/* Lock held. Takes the call out of all tables; nobody has been told yet. */
static void bus_pending_leave(Bus *bus, BusPending *pending)
{
        bus_pending_forget_frame(bus, pending);
        slots_remove(&bus->slots, pending->id);
}

/* Lock held. */
static void bus_pending_end(Bus *bus, BusPending *pending, BusOutcome outcome)
{
        pending->reply.outcome = outcome;
        if (pending->ended) {
                TAILQ_INSERT_TAIL(&bus->ended, pending, link);
        } else {
                TAILQ_INSERT_TAIL(&bus->finished, pending, link);
                uv_async_send(&bus->wake);
        }
}

/* Lock held. The writer may take all at once: then no copy is made. */
static void bus_pending_send(Bus *bus, BusPending *pending, Buffer *frame)
{
        int fds[FRAME_FDS_MAX];
        size_t n_fds = pending->n_fds;
        bool direct = bus->connected && !bus_is_corked_here(bus) && TAILQ_EMPTY(&bus->unsent) && n_fds == 0;
        if (direct) {
                bus_send(bus, frame, NULL, 0);
                pending->delivered = frame_writer_unsent(&bus->writer) == 0;
        }
        if (pending->delivered)
                return;
        pending->frame = *frame;
        *frame = (Buffer){ 0 };
        pending->unsent = true;
        TAILQ_INSERT_TAIL(&bus->unsent, pending, link);
        if (direct) {
                pending->end = bus->writer.added;
        } else if (bus->connected) {
                if (!bus_dup_fds(pending->fds, n_fds, fds)) {
                        bus_pending_leave(bus, pending);
                        bus_pending_end(bus, pending, BUS_OVER_QUOTA);
                        return;
                }
                pending->end = bus->writer.added + pending->frame.len;
                bus_send(bus, &pending->frame, fds, n_fds);
        }
}

void bus_calls_connected(Bus *bus)
{
        BusPending *next;
        for (BusPending *pending = TAILQ_FIRST(&bus->unsent); pending; pending = next) {
                next = TAILQ_NEXT(pending, link);
                int fds[FRAME_FDS_MAX];
                if (!bus_dup_fds(pending->fds, pending->n_fds, fds)) {
                        bus_pending_leave(bus, pending);
                        bus_pending_end(bus, pending, BUS_OVER_QUOTA);
                        continue;
                }
                pending->end = bus->writer.added + pending->frame.len;
                frame_writer_add_fds(&bus->writer, fds, pending->n_fds);
                frame_writer_add(&bus->writer, pending->frame.data, pending->frame.len);
                frame_writer_keep(&bus->writer);
        }
}

void bus_calls_flushed(Bus *bus)
{
        BusPending *pending;
        while ((pending = TAILQ_FIRST(&bus->unsent)) && pending->end && pending->end <= bus->writer.sent) {
                bus_pending_forget_frame(bus, pending);
                pending->delivered = true;
        }
}

void bus_calls_disconnected(Bus *bus)
{
        for (uint32_t place = 0; place < bus->slots.n_slots; place++) {
                BusPending *pending = bus->slots.slots[place].thing;
                if (!pending)
                        continue;
                pending->end = 0;
                if (!pending->delivered && !bus->closed)
                        continue;
                BusOutcome outcome = pending->delivered ? BUS_OUTCOME_UNKNOWN : BUS_DISCONNECTED;
                bus_pending_leave(bus, pending);
                bus_pending_end(bus, pending, outcome);
        }
}

/* The frame of a call, without its id. Returns an outcome. */
static BusOutcome bus_call_encode(const BusCall *call, uint64_t deadline_usec, Buffer *frame)
{
        FrameHeader header = { .kind = FRAME_CALL,
                               .n_fds = (uint16_t)call->n_fds,
                               .deadline_usec = deadline_usec };
        if (!frame_name_valid(call->queue, strlen(call->queue)) || call->n_fds > FRAME_FDS_MAX)
                return BUS_TOO_LARGE;
        if (call->traceparent)
                g_strlcpy(header.traceparent, call->traceparent, sizeof header.traceparent);
        bus_message_begin(frame, call->queue);
        buffer_append_literal(frame, "{\"method\":");
        json_write_string(frame, call->method);
        buffer_append_literal(frame, ",\"params\":");
        if (call->params)
                json_text_write(frame, call->params);
        else
                buffer_append_literal(frame, "[]");
        buffer_append_literal(frame, ",\"id\":0}");
        return bus_message_end(frame, &header, call->queue) ? BUS_OK : BUS_TOO_LARGE;
}

/* Lock held. Ends the call at once where it cannot be made; takes the frame. */
static void bus_pending_start(Bus *bus, BusPending *pending, Buffer *frame, const BusCall *call,
                              BusOutcome outcome)
{
        if (bus->closed)
                outcome = BUS_DISCONNECTED;
        else if (outcome == BUS_OK &&
                 (bus->slots.n_used >= FRAME_CALLS_MAX || !bus_dup_fds(call->fds, call->n_fds, pending->fds)))
                outcome = BUS_OVER_QUOTA;
        if (outcome != BUS_OK) {
                bus_pending_end(bus, pending, outcome);
                return;
        }
        pending->n_fds = call->n_fds;
        pending->id = slots_add(&bus->slots, pending);
        frame_set_id(frame->data, pending->id);
        bus_pending_send(bus, pending, frame);
}

void bus_call(Bus *bus, const BusCall *call, void (*done)(BusReply *reply, void *data), void *data)
{
        assert(loop_is_here(bus->loop));
        uint64_t deadline = clock_usec() + (call->timeout_usec ? call->timeout_usec : BUS_TIMEOUT_USEC);
        auto_buffer frame = { 0 };
        BusOutcome outcome = bus_call_encode(call, deadline, &frame);
        BusPending *pending = g_new0(BusPending, 1);
        pending->done = done;
        pending->data = data;
        deadlines_add(bus->deadlines, &pending->deadline, deadline);
        pthread_mutex_lock(&bus->lock);
        bus_pending_start(bus, pending, &frame, call, outcome);
        pthread_mutex_unlock(&bus->lock);
}

static void bus_pending_deliver(Bus *bus, BusPending *pending)
{
        deadlines_remove(bus->deadlines, &pending->deadline);
        pending->done(&pending->reply, pending->data);
        bus_reply_clear(&pending->reply);
        g_free(pending);
}

void bus_calls_run_finished(Bus *bus)
{
        for (;;) {
                pthread_mutex_lock(&bus->lock);
                BusPending *pending = TAILQ_FIRST(&bus->finished);
                if (pending)
                        TAILQ_REMOVE(&bus->finished, pending, link);
                pthread_mutex_unlock(&bus->lock);
                if (!pending)
                        return;
                bus_pending_deliver(bus, pending);
        }
}

/* Lock held. True: it has not left this process, so it is certain not to have been done. */
static bool bus_pending_give_up(Bus *bus, BusPending *pending)
{
        bool waiting = pending->unsent && !pending->end;
        bus_pending_leave(bus, pending);
        if (!waiting)
                bus_send_short(bus, FRAME_CANCEL, pending->id);
        return waiting;
}

static BusOutcome bus_pending_expire(Bus *bus, BusPending *pending)
{
        return bus_pending_give_up(bus, pending) ? BUS_DISCONNECTED : BUS_TIMEOUT;
}

void bus_calls_on_due(Deadline *deadline, void *data)
{
        Bus *bus = data;
        BusPending *pending = (BusPending *)((char *)deadline - offsetof(BusPending, deadline));
        pthread_mutex_lock(&bus->lock);
        if (slots_get(&bus->slots, pending->id) == pending)
                bus_pending_end(bus, pending, bus_pending_expire(bus, pending));
        pthread_mutex_unlock(&bus->lock);
}

static void bus_reply_parse(BusReply *reply, const char *body, size_t len)
{
        JsonMember members[] = { { .name = "result" }, { .name = "error" } };
        if (!bus_message_parse(body, len, members, G_N_ELEMENTS(members))) {
                reply->outcome = BUS_PROTOCOL;
                return;
        }
        reply->result = members[0].value;
        reply->error = members[1].value;
        if (json_is_null(reply->error))
                g_clear_pointer(&reply->error, json_decref);
        if (reply->error)
                g_clear_pointer(&reply->result, json_decref);
        else if (!reply->result)
                reply->result = json_null();
}

static void bus_reply_take(BusReply *reply, Frame *frame)
{
        reply->outcome = frame->header.kind == FRAME_REPLY ? BUS_OK : (BusOutcome)frame->header.outcome;
        if (reply->outcome == BUS_OK && frame->header.kind == FRAME_ERROR)
                reply->outcome = BUS_PROTOCOL;
        reply->n_fds = frame->header.n_fds;
        memcpy(reply->fds, frame->fds, reply->n_fds * sizeof(int));
        frame->header.n_fds = 0;
}

void bus_calls_on_answer(Bus *bus, Frame *frame)
{
        pthread_mutex_lock(&bus->lock);
        BusPending *pending = slots_get(&bus->slots, frame->header.id);
        bool here = pending && pending->done;
        if (pending) {
                bus_pending_leave(bus, pending);
                bus_reply_take(&pending->reply, frame);
        }
        if (pending && !here) {
                if (pending->reply.outcome == BUS_OK)
                        buffer_append(&pending->body, frame->body, frame->header.body_len);
                bus_pending_end(bus, pending, pending->reply.outcome);
        }
        pthread_mutex_unlock(&bus->lock);
        if (!here)
                return;
        if (pending->reply.outcome == BUS_OK)
                bus_reply_parse(&pending->reply, frame->body, frame->header.body_len);
        bus_pending_deliver(bus, pending);
}

/* Without the lock, which who is woken would wait for. */
void bus_calls_wake(BusPendings *ended)
{
        BusPending *pending;
        while ((pending = TAILQ_FIRST(ended))) {
                TAILQ_REMOVE(ended, pending, link);
                sem_t *waiter = pending->ended;
                atomic_store(&pending->is_ended, true);
                sem_post(waiter); /* from here on pending is gone */
        }
}

void bus_calls_take_ended(Bus *bus, BusPendings *ended)
{
        TAILQ_CONCAT(ended, &bus->ended, link);
}

/* False: the deadline has passed. */
static bool bus_pending_wait_until(BusPending *pending, uint64_t deadline_usec)
{
        struct timespec until = { .tv_sec = (time_t)(deadline_usec / 1000000u),
                                  .tv_nsec = (long)(deadline_usec % 1000000u) * 1000 };
        int r;
        do
                r = sem_clockwait(pending->ended, CLOCK_MONOTONIC, &until);
        while (r < 0 && errno == EINTR);
        return r == 0;
}

/* Any thread, while the call is listened for: Cancel's. */
static void bus_pending_on_cancel(void *data)
{
        BusPending *pending = data;
        atomic_store(&pending->is_unwanted, true);
        sem_post(pending->ended);
}

/* Lock not held. False: it has ended just now, and whoever ended it is about to say so. */
static bool bus_pending_abandon(Bus *bus, BusPending *pending, bool in_time)
{
        pthread_mutex_lock(&bus->lock);
        bool pends = slots_get(&bus->slots, pending->id) == pending;
        if (pends && in_time) {
                bus_pending_give_up(bus, pending);
                pending->reply.outcome = BUS_CANCELLED;
        } else if (pends) {
                pending->reply.outcome = bus_pending_expire(bus, pending);
        }
        pthread_mutex_unlock(&bus->lock);
        return pends;
}

static void bus_pending_wait(Bus *bus, BusPending *pending, Cancel *cancel, uint64_t deadline_usec)
{
        cancel_listen(cancel, bus_pending_on_cancel, pending);
        bool in_time = bus_pending_wait_until(pending, deadline_usec);
        cancel_listen(cancel, NULL, NULL);
        bool unwanted = atomic_load(&pending->is_unwanted);
        if (!in_time || unwanted) {
                if (bus_pending_abandon(bus, pending, in_time))
                        return;
                /* Nobody may touch `ended` any more when this returns: each post is waited for. */
                for (int posts = 1 + unwanted - in_time; posts > 0; posts--)
                        bus_pending_wait_until(pending, UINT64_MAX);
        }
        bool is_ended = atomic_load(&pending->is_ended);
        assert(is_ended);
        (void)is_ended;
}

void bus_call_wait(Bus *bus, const BusCall *call, BusReply *ret_reply)
{
        assert(!loop_is_here(bus->loop));
        uint64_t deadline = clock_usec() + (call->timeout_usec ? call->timeout_usec : BUS_TIMEOUT_USEC);
        auto_buffer frame = { 0 };
        BusOutcome outcome = bus_call_encode(call, deadline, &frame);
        sem_t ended;
        sem_init(&ended, 0, 0);
        BusPending pending = { .ended = &ended };
        BusPendings refused = TAILQ_HEAD_INITIALIZER(refused);
        pthread_mutex_lock(&bus->lock);
        bus_pending_start(bus, &pending, &frame, call, outcome);
        if (slots_get(&bus->slots, pending.id) != &pending)
                bus_calls_take_ended(bus, &refused);
        pthread_mutex_unlock(&bus->lock);
        bus_calls_wake(&refused);
        bus_pending_wait(bus, &pending, call->cancel, deadline);
        sem_destroy(&ended);
        *ret_reply = pending.reply;
        if (ret_reply->outcome == BUS_OK)
                bus_reply_parse(ret_reply, pending.body.data, pending.body.len);
        buffer_clear(&pending.body);
}
