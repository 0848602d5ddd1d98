/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The switch's root object: its socket, its connections, its queues, and the round of reading and sending. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <glib.h>

#include "deadlines.h"
#include "loop.h"
#include "names.h"
#include "policy.h"
#include "slots.h"
#include "trace.h"

/* Limits on what connections may take, all together; those of one connection are in peer.h. */
#define MANAGER_PEERS_MAX         10000u /* connections */
#define MANAGER_PEERS_FOREIGN_MAX 1000u  /* of those, of users other than the switch's own and root */
#define MANAGER_QUEUES_MAX        4096u
#define MANAGER_HELD_BYTES_MAX    (1024u << 20) /* unsent and waiting; beyond, new calls are refused */

/* Deadlines of calls that name none, or one further off than the maximum. */
#define MANAGER_TIMEOUT_USEC     (UINT64_C(60) * 1000000u)
#define MANAGER_TIMEOUT_MAX_USEC (UINT64_C(24) * 3600 * 1000000u)

/* After the switch's start, calls of names that nobody has served yet wait this long rather than fail: when a host comes
 * up, services and their callers start in any order, and nobody can know yet which names will be served. */
#define MANAGER_GRACE_MSEC 3000u

/* Received in one round, from all connections. */
#define MANAGER_SPACE_BYTES (256u << 10)

typedef struct Peer Peer;
typedef struct Call Call;
typedef struct Manager Manager;

typedef TAILQ_HEAD(Peers, Peer) Peers;

typedef struct ManagerCounts {
        uint64_t calls, replies, errors, cancels, refused, late, peers, frames, bytes;
} ManagerCounts;

struct Manager {
        Loop *loop;
        uint64_t now_usec, started_usec; /* now: of the present round */
        Policy *policy;
        Names *names;
        Trace *trace;

        int socket, lock_fd;
        char *path;
        uv_poll_t listener;
        uv_timer_t accept_timer;
        Peers peers, dirty; /* dirty: with frames to be sent at the end of the round */
        size_t n_peers, n_foreign;
        uint64_t last_peer_number;

        GHashTable *queues; /* Queue by its QueueName */
        bool in_grace;
        uv_timer_t grace_timer;

        Slots calls;
        Call *free_calls;
        Deadlines *call_deadlines, *peer_deadlines;
        size_t held_bytes;
        ManagerCounts counts;

        char *space; /* where frames are received; they are sent on from there */
        size_t space_used;
        uv_prepare_t before_poll;
        uv_check_t after_poll;
        size_t n_handles; /* being closed */
};

typedef struct ManagerOptions {
        const char *socket_path;
        const char *policy_path; /* NULL: the default policy */
        const char *names_path;  /* where names that were ever served are kept */
        uint64_t grace_msec;
} ManagerOptions;

/* Listens. NULL with *ret_error (owned) set where it cannot, another switch on that path included. */
Manager *manager_new(Loop *loop, const ManagerOptions *options, char **ret_error);
void manager_free(Manager *manager);
void manager_flush(
    Manager *manager); /* sends what the round has brought, so that `space` may be used again */
