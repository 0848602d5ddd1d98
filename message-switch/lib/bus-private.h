/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the bus client share. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <glib.h>

#include "bus.h"
#include "deadlines.h"
#include "frame-reader.h"
#include "frame-writer.h"
#include "json-text.h"
#include "slots.h"

/* HELLO's id; a SERVE's is its place in Bus.serves plus BUS_ID_SERVE; calls have those of Slots, which are larger. */
#define BUS_ID_HELLO 1u
#define BUS_ID_SERVE 2u

typedef struct BusPending BusPending;
typedef TAILQ_HEAD(BusPendings, BusPending) BusPendings;
typedef LIST_HEAD(BusRequests, BusRequest) BusRequests;

typedef struct BusServe {
        char *queue;
        void (*function)(BusRequest *request, void *data);
        void *data;
} BusServe;

struct Bus {
        Loop *loop;
        char *path, *name;

        pthread_mutex_t
            lock;   /* of this paragraph; held over system calls that do not block, never over a callback */
        int socket; /* -1: none */
        bool connected; /* the switch has answered HELLO */
        bool closed;
        bool corked;         /* the loop is in the middle of what it received, and flushes afterwards */
        bool wants_write;    /* the socket was full */
        uint64_t connection; /* counts connections: a reply belongs to that of its call */
        FrameWriter writer;
        Slots slots;          /* BusPending by id */
        BusPendings unsent;   /* calls whose frames are not wholly sent, in order */
        BusPendings ended;    /* calls of waiting threads, which have not been told yet */
        BusRequests requests; /* calls being served */

        /* Of the loop alone. */
        FrameReader reader;
        char *space;
        GPtrArray *serves;    /* BusServe */
        Deadlines *deadlines; /* of calls made on the loop */
        BusPendings finished; /* of those: `done` is to be called. Under the lock, too. */
        uv_poll_t *poll;
        uv_timer_t reconnect_timer;
        uv_async_t wake;
        uint64_t reconnect_msec;
        bool reported; /* that there is no connection */
        int n_handles; /* of uv's, not yet closed after bus_free */
        void (*on_state)(bool connected, void *data);
        void *on_state_data;
};

/* bus.c: all with the lock held. */
bool bus_is_corked_here(Bus *bus);
/* Sends a frame (or as much of it as the socket takes: the rest is copied). Takes the descriptors. */
void bus_send(Bus *bus, const Buffer *frame, const int *fds, size_t n_fds);
void bus_send_short(Bus *bus, FrameKind kind, uint64_t id);

/* bus-call.c */
void bus_calls_connected(Bus *bus);               /* lock held: sends what waits */
void bus_calls_flushed(Bus *bus);                 /* lock held: forgets the copies of what is sent */
void bus_calls_disconnected(Bus *bus);            /* lock held: ends what was sent; all when closed */
void bus_calls_on_answer(Bus *bus, Frame *frame); /* on the loop, without the lock; takes the descriptors */
void bus_calls_run_finished(Bus *bus);            /* on the loop, without the lock */
/* The calls that have ended of threads that wait: moved to an empty list with the lock held, and all woken without it. */
void bus_calls_take_ended(Bus *bus, BusPendings *ended);
void bus_calls_wake(BusPendings *ended);
void bus_calls_on_due(Deadline *deadline, void *data);

/* bus-request.c */
void bus_requests_on_call(Bus *bus, Frame *frame); /* on the loop, without the lock; takes the descriptors */
void bus_requests_cancel(Bus *bus, uint64_t id);   /* the same */
void bus_requests_disconnected(Bus *bus);          /* lock held */
void bus_requests_orphan(Bus *bus);                /* the bus goes; those under way outlive it */

/* bus-message.c: a frame with room for its header, whose lengths are those of what is appended until the end. */
void bus_message_begin(Buffer *frame, const char *name);
/* False: over FRAME_BODY_MAX. */
bool bus_message_end(Buffer *frame, FrameHeader *header, const char *name);
/* Members out of the JSON-RPC object that a body is (json_text_members). False: it is none. */
bool bus_message_parse(const char *body, size_t len, JsonMember *members, size_t n_members);
/* Duplicates descriptors, close-on-exec. False, and none made, where there is no room for them. */
bool bus_dup_fds(const int *fds, size_t n_fds, int *ret_fds);
void bus_close_fds(int *fds, size_t n_fds);
