/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-connection.h"

#include <stdlib.h>

static void *run_loop(void *data)
{
        BusConnection *c = data;

        c->loop = loop_new();
        c->bus = bus_new(c->loop, c->switch_path, c->name);
        sem_post(&c->ready);
        loop_run(c->loop);
        bus_free(c->bus);
        loop_free(c->loop);
        return NULL;
}

void bus_connection_open(BusConnection *connection)
{
        sem_init(&connection->ready, 0, 0);
        if (pthread_create(&connection->thread, NULL, run_loop, connection) != 0)
                abort();
        while (sem_wait(&connection->ready) != 0)
                ;
}

void bus_connection_close(BusConnection *connection)
{
        loop_stop(connection->loop);
        pthread_join(connection->thread, NULL);
        sem_destroy(&connection->ready);
}
