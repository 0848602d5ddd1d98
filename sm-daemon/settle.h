/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sm-daemon does by itself for disks in use, besides what it is called for: looks after their servers. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include <glib.h>

typedef struct Manager Manager;

typedef struct Settle {
        Manager *manager;
        pthread_mutex_t mutex; /* of what follows */
        pthread_cond_t changed;
        unsigned n_jobs;
        GHashTable *untidy; /* sr -> 1: it is being tidied, 2: and is to be once more */
        bool ends;
} Settle;

/* Ends what an earlier process left of disks that are no longer attached, puts those right that are in use, and does so
 * whenever something befalls one, until settle_stop. Before anybody is served. */
void settle_start(Settle *settle, Manager *manager);
void settle_stop(Settle *settle); /* returns when nothing is done any more */
