/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* squeezed's root object: owns all state, and does what was decided. */
#pragma once

#include <pthread.h>

#include "backend.h"
#include "balance.h"
#include "idl/bus/memory.h"
#include "message-switch/lib/daemon.h"
#include "reservation.h"

typedef struct ManagerSettings {
        const char *path; /* folder for what need not outlive a reboot */
        int64_t reserved_kib;
        uint64_t patience_usec; /* with guests whose balloon stands still */
} ManagerSettings;

typedef struct Manager {
        Backend *backend;
        Reservations *reservations;
        Balance *balance;
        int64_t reserved_kib, initial_kib;
        pthread_mutex_t
            lock; /* of all that follows, and of the three above; held while the hypervisor is asked */
        pthread_cond_t changed;
        GPtrArray *demands; /* Demand, borrowed from those who wait; the oldest first */
        uint64_t looked_usec;
        bool moving;
        bool stopping; /* nobody waits any longer */
} Manager;

/* Takes the back end, also where it fails: NULL, and *ret_error says why (g_free). */
Manager *manager_new(const ManagerSettings *settings, Backend *backend, char **ret_error);
void manager_stop(Manager *manager); /* any thread: who waits is answered by an error */
void manager_free(Manager *manager); /* when nobody is in here; NULL is legal */

/* Any thread. False: *error is set. Those that wait end by the deadline (clock_usec), and when `call` (NULL: none) is no
 * longer waited for. The request, by which a repeat of the call is known, may be NULL. */
bool manager_login(Manager *manager, const char *session, MemoryError **error);
bool manager_reserve(Manager *manager, const ServiceCall *call, const char *session, const char *request,
                     int64_t minimum_kib, int64_t maximum_kib, uint64_t deadline_usec, MemoryReservation *ret,
                     MemoryError **error);
bool manager_delete(Manager *manager, const char *session, const char *id, MemoryError **error);
bool manager_transfer(Manager *manager, const char *session, const char *id, int64_t domid,
                      MemoryError **error);
bool manager_query(Manager *manager, int64_t domid, char **ret, MemoryError **error);
/* Balances, and waits until every balloon is where it is to be, or will not go there. */
bool manager_balance(Manager *manager, const ServiceCall *call, uint64_t deadline_usec, MemoryError **error);
/* Looks once, and sets targets, without waiting. */
void manager_look(Manager *manager);
bool manager_host(Manager *manager, Host *ret, MemoryError **error); /* host_clear */
char *manager_diagnostics(Manager *manager);                         /* owned (free) */
