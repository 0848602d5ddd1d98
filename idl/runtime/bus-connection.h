/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to the switch for programs that have no loop of their own: it runs on a thread beside, so that calls are
 * waited for where they are made. */
#pragma once

#include <pthread.h>
#include <semaphore.h>

#include "message-switch/lib/bus.h"

typedef struct BusConnection {
        const char *switch_path, *name; /* set by the caller, borrowed */
        Loop *loop;
        Bus *bus;
        pthread_t thread;
        sem_t ready;
} BusConnection;

void bus_connection_open(BusConnection *connection); /* `bus` may then be used */
void bus_connection_close(BusConnection *connection);
