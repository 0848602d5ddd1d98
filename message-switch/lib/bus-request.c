/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls of others that we answer. */
#include <assert.h>

#include "bus-private.h"
#include "json-text.h"

struct BusRequest {
        LIST_ENTRY(BusRequest) link; /* in the bus's requests, under its lock */
        Bus *bus;                    /* NULL: gone */
        uint64_t connection, id;
        uint64_t deadline_usec;
        json_t *method; /* a string */
        json_t *params;
        char traceparent[FRAME_TRACEPARENT_SIZE];
        int fds[FRAME_FDS_MAX];
        size_t n_fds;
        atomic_bool cancelled;
};

static const BusServe *bus_find_serve(Bus *bus, const Frame *frame)
{
        for (guint i = 0; i < bus->serves->len; i++) {
                const BusServe *serve = bus->serves->pdata[i];
                if (strlen(serve->queue) == frame->header.name_len &&
                    memcmp(serve->queue, frame->name, frame->header.name_len) == 0)
                        return serve;
        }
        return NULL;
}

static void bus_refuse(Bus *bus, uint64_t id, BusOutcome outcome)
{
        auto_buffer frame = { 0 };
        FrameHeader header = { .kind = FRAME_ERROR, .outcome = (uint8_t)outcome, .id = id };
        bus_message_begin(&frame, "");
        buffer_append_text(&frame, bus_outcome_text(outcome));
        bus_message_end(&frame, &header, "");
        pthread_mutex_lock(&bus->lock);
        bus_send(bus, &frame, NULL, 0);
        pthread_mutex_unlock(&bus->lock);
}

static BusRequest *bus_request_new(Bus *bus, const Frame *frame)
{
        JsonMember members[] = { { .name = "method" }, { .name = "params" } };
        if (!bus_message_parse(frame->body, frame->header.body_len, members, G_N_ELEMENTS(members)))
                return NULL;
        json_t *method = members[0].value, *params = members[1].value;
        if (!json_is_string(method) || (params && !json_is_array(params))) {
                json_decref(method);
                json_decref(params);
                return NULL;
        }
        BusRequest *request = g_new0(BusRequest, 1);
        request->bus = bus;
        request->connection = bus->connection;
        request->id = frame->header.id;
        request->deadline_usec =
            frame->header.deadline_usec ? frame->header.deadline_usec : clock_usec() + BUS_TIMEOUT_USEC;
        request->method = method;
        request->params = params ? params : json_array();
        memcpy(request->traceparent, frame->header.traceparent, sizeof request->traceparent);
        return request;
}

void bus_requests_on_call(Bus *bus, Frame *frame)
{
        const BusServe *serve = bus_find_serve(bus, frame);
        if (!serve) {
                bus_refuse(bus, frame->header.id, BUS_NO_SUCH_QUEUE);
                return;
        }
        BusRequest *request = bus_request_new(bus, frame);
        if (!request) {
                bus_refuse(bus, frame->header.id, BUS_PROTOCOL);
                return;
        }
        request->n_fds = frame->header.n_fds;
        memcpy(request->fds, frame->fds, request->n_fds * sizeof(int));
        frame->header.n_fds = 0;
        pthread_mutex_lock(&bus->lock);
        LIST_INSERT_HEAD(&bus->requests, request, link);
        pthread_mutex_unlock(&bus->lock);
        serve->function(request, serve->data);
}

void bus_requests_cancel(Bus *bus, uint64_t id)
{
        BusRequest *request;
        pthread_mutex_lock(&bus->lock);
        LIST_FOREACH(request, &bus->requests, link)
        {
                if (request->id == id && request->connection == bus->connection)
                        atomic_store(&request->cancelled, true);
        }
        pthread_mutex_unlock(&bus->lock);
}

void bus_requests_disconnected(Bus *bus)
{
        BusRequest *request;
        LIST_FOREACH(request, &bus->requests, link)
        {
                atomic_store(&request->cancelled, true);
        }
}

void bus_requests_orphan(Bus *bus)
{
        BusRequest *request;
        while ((request = LIST_FIRST(&bus->requests))) {
                LIST_REMOVE(request, link);
                request->bus = NULL;
        }
}

const char *bus_request_method(const BusRequest *request)
{
        return json_string_value(request->method);
}

json_t *bus_request_params(const BusRequest *request)
{
        return request->params;
}

const char *bus_request_traceparent(const BusRequest *request)
{
        return request->traceparent;
}

uint64_t bus_request_deadline(const BusRequest *request)
{
        return request->deadline_usec;
}

size_t bus_request_fds(const BusRequest *request, const int **ret_fds)
{
        *ret_fds = request->fds;
        return request->n_fds;
}

bool bus_request_cancelled(const BusRequest *request)
{
        return atomic_load(&request->cancelled);
}

/* The reply's id is upstream's constant; the frame's id is what tells calls apart. Returns how many descriptors go along. */
static size_t bus_request_encode(const BusRequest *request, const json_t *result, const json_t *error,
                                 size_t n_fds, Buffer *frame)
{
        FrameHeader header = { .kind = FRAME_REPLY, .n_fds = (uint16_t)n_fds, .id = request->id };
        bus_message_begin(frame, "");
        buffer_append_literal(frame, "{\"result\":");
        json_text_write(frame, result);
        buffer_append_literal(frame, ",\"error\":");
        json_text_write(frame, error);
        buffer_append_literal(frame, ",\"id\":0}");
        if (bus_message_end(frame, &header, ""))
                return n_fds;
        frame->len = 0;
        header = (FrameHeader){ .kind = FRAME_ERROR, .outcome = BUS_TOO_LARGE, .id = request->id };
        bus_message_begin(frame, "");
        buffer_append_text(frame, "The reply is too large");
        bus_message_end(frame, &header, "");
        return 0;
}

static void bus_request_free(BusRequest *request)
{
        bus_close_fds(request->fds, request->n_fds);
        json_decref(request->method);
        json_decref(request->params);
        g_free(request);
}

void bus_request_respond(BusRequest *request, json_t *result, json_t *error, const int *fds, size_t n_fds)
{
        assert(!result != !error && n_fds <= FRAME_FDS_MAX);
        Bus *bus = request->bus;
        auto_buffer frame = { 0 };
        int copies[FRAME_FDS_MAX];
        json_t *null = json_null();
        n_fds = bus_request_encode(request, result ? result : null, error ? error : null, n_fds, &frame);
        bool sendable = bus && bus_dup_fds(fds, n_fds, copies);
        if (bus) {
                pthread_mutex_lock(&bus->lock);
                LIST_REMOVE(request, link);
                bool alive = bus->socket >= 0 && bus->connection == request->connection;
                if (sendable && alive)
                        bus_send(bus, &frame, copies, n_fds);
                else if (sendable)
                        bus_close_fds(copies, n_fds);
                pthread_mutex_unlock(&bus->lock);
                if (!sendable && alive)
                        bus_refuse(bus, request->id, BUS_OVER_QUOTA);
        }
        json_decref(result);
        json_decref(error);
        bus_request_free(request);
}
