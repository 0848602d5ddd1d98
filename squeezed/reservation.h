/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory that is kept for what somebody is about to build, and for the domain that he built it for. Written down before
 * it is given, so that it is kept through any death of squeezed; forgotten when the machine boots. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"

typedef struct Reservations Reservations;

#define RESERVATIONS_MAX           4096u
#define RESERVATION_TEXT_BYTES_MAX 256u /* of a session's name and of a request's */

typedef struct Reservation {
        char *id, *session;
        char *request; /* by which its repeat is known; NULL: none */
        int64_t kib;
        int64_t domid; /* whose it is; 0: nobody's yet */
} Reservation;

/* `path` of the ledger. NULL: *ret_error says why (g_free). */
Reservations *reservations_open(const char *path, char **ret_error);
void reservations_close(Reservations *reservations); /* NULL is legal */

/* Not thread-safe. Results are borrowed until the next change. */
const Reservation *reservations_find(Reservations *reservations, const char *id);
const Reservation *reservations_of_request(Reservations *reservations, const char *session,
                                           const char *request);
const Reservation *reservations_of_domain(Reservations *reservations, int64_t domid);
/* 0 with *ret; -E2BIG: too many or too long; or what writing failed with. */
int reservations_add(Reservations *reservations, const char *session, const char *request, int64_t kib,
                     const Reservation **ret);
int reservations_give(Reservations *reservations, const char *id, int64_t domid);
int reservations_remove(Reservations *reservations, const char *id);
/* Of a session, those that no domain has. */
int reservations_forget_session(Reservations *reservations, const char *session);
/* Of domains that are no more. */
void reservations_forget_domains(Reservations *reservations, const Host *host);
/* KiB that are kept: for nobody yet, and for domains that are being built and do not have all of it. */
int64_t reservations_kept_kib(Reservations *reservations, const Host *host);
void reservations_each(Reservations *reservations, void (*function)(const Reservation *, void *data),
                       void *data);

/* The figure that is taken once, when the machine has booted; what is kept of an earlier process comes back. */
int64_t reservations_initial_kib(Reservations *reservations, int64_t now_kib);
