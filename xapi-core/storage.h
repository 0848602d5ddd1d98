/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* This host's repositories kept attached, and the objects of storage drivers, by way of sm-daemon. */
#pragma once

#include "call.h"

typedef struct Storage Storage;

/* Starts a thread that waits for sm-daemon, makes an SM object of each driver it has, plugs the host's PBDs that should
 * be plugged (making the local repository when it is new), and does so again when sm-daemon was restarted. */
Storage *storage_new(Manager *manager);
/* Before the bus is closed: whoever waits gets an error. */
void storage_stop(Storage *storage);
void storage_free(Storage *storage); /* when no worker runs any more */

/* Where the host's own repository is: a path below the state folder. Returns owned (g_free). */
char *storage_own_location(Manager *manager);
/* Runs the loop until what should be plugged is, or could not be; before anybody is served. msec 0: for as long as
 * sm-daemon takes; else at most that long, and only where the host's own repository is still to be made: otherwise rows
 * are right as they are. */
void storage_settle(Storage *storage, uint64_t msec);
