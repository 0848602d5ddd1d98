/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* networkd's root object: what is wanted (record), what is (back end), and the way from one to the other. */
#pragma once

#include <pthread.h>

#include "backend.h"
#include "record.h"

typedef struct ManagerSettings {
        const char *backend;     /* "netlink", "simulator", or "auto": netlink */
        const char *state_dir;   /* of the record */
        const char *runtime_dir; /* gone after a boot */
        const char *faults;      /* a file that says where to fail, for tests; NULL: none */
        const char *interfaces;  /* the simulator's cards, separated by spaces */
} ManagerSettings;

typedef struct Manager {
        Backend *backend;
        char *faults;
        pthread_mutex_t lock; /* of the record, and of whoever changes something */
        Record *record;
        bool roles_pending; /* who is the gateway was recorded, and could not be made so */
} Manager;

/* NULL: *ret_error says why (g_free). */
Manager *manager_new(const ManagerSettings *settings, char **ret_error);
void manager_free(Manager *manager);

/* What follows is called with the lock held. */

/* Makes everything as recorded, changing only what differs, and, unless the record is held, removes what this daemon made and nobody wants. What
 * cannot be made now is logged. */
void manager_apply(Manager *manager);
/* NULL with *error: it cannot be read. */
Links *manager_read(Manager *manager, NetworkError **error);
bool manager_change(Manager *manager, const Change *change, NetworkError **error);
/* Whether the record was written (r, of record_set_...); else *error. */
bool manager_recorded(int r, NetworkError **error);
/* `ok`, of a step back after a failure: the error, if there is one, is dropped, for it is the first one that is told. */
bool manager_tried(bool ok, NetworkError **error);
