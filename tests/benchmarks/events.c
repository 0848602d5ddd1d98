/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* events TARGET WAIT CHANGE WAITERS CHANGES: from the sending of a change until each of many clients that wait in
 * event.from has it. WAIT is the body of an event.from with @TOKEN@ in it, CHANGE that of a call with @VALUE@. Prints JSON:
 * times until an event is there, and until the change was acknowledged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "http-client.h"
#include "samples.h"

#define EVENTS_BATCH 256
#define EVENTS_PAUSE_NSEC                                                                                    \
        10000000           /* between changes: the waiters' next calls have come to rest at the server */
#define EVENTS_WARM_UP 10u /* changes that are not counted */

static const char *wait_text;
static int epoll;
static unsigned n_waiting; /* for the present change */

static void waiter_send(HttpClient *client)
{
        const char *token = "", *begin = client->body.len ? strstr(client->body.data, "\"token\":\"") : NULL;
        char copy[256];
        if (begin) {
                begin += strlen("\"token\":\"");
                snprintf(copy, sizeof copy, "%.*s", (int)strcspn(begin, "\""), begin);
                token = copy;
        } else if (client->body.len) {
                die("event.from answers: %.300s", client->body.data);
        }
        char *body = text_fill(wait_text, "@TOKEN@", token);
        http_post(client, body);
        free(body);
}

/* Until every waiter has an answer and, if one was sent, the change is acknowledged. */
static void run(HttpClient *changer, bool changing, Samples *events, Samples *acknowledged)
{
        struct epoll_event batch[EVENTS_BATCH];
        while (n_waiting > 0 || changing) {
                int n = epoll_wait(epoll, batch, EVENTS_BATCH, -1);
                for (int i = 0; i < n; i++) {
                        HttpClient *client = batch[i].data.ptr;
                        if (!http_receive(client))
                                continue;
                        if (events)
                                samples_add(client == changer ? acknowledged : events,
                                            now_nsec() - changer->sent_nsec);
                        if (client == changer)
                                changing = false;
                        else
                                n_waiting--;
                }
        }
}

int main(int argc, char **argv)
{
        if (argc != 6)
                die("usage: events TARGET WAIT CHANGE WAITERS CHANGES");
        unsigned waiters = number(argv[4]), changes = number(argv[5]) + EVENTS_WARM_UP;
        HttpClient **clients = calloc(waiters, sizeof *clients);
        Samples events = { 0 }, acknowledged = { 0 };
        wait_text = argv[2];
        epoll = epoll_create1(EPOLL_CLOEXEC);
        HttpClient *changer = http_open(argv[1], epoll);
        changer->keeps = true;
        for (unsigned i = 0; i < waiters; i++) {
                clients[i] = http_open(argv[1], epoll);
                clients[i]->keeps = true;
                waiter_send(clients[i]);
        }
        n_waiting = waiters;
        run(changer, false, NULL, NULL);
        for (unsigned change = 0; change < changes; change++) {
                for (unsigned i = 0; i < waiters; i++)
                        waiter_send(clients[i]);
                n_waiting = waiters;
                nanosleep(&(struct timespec){ .tv_nsec = EVENTS_PAUSE_NSEC }, NULL);
                char value[32];
                snprintf(value, sizeof value, "%u", change);
                char *body = text_fill(argv[3], "@VALUE@", value);
                http_post(changer, body);
                free(body);
                run(changer, true, change < EVENTS_WARM_UP ? NULL : &events, &acknowledged);
                if (strstr(changer->body.data, "\"error\":{"))
                        die("the change fails: %.300s", changer->body.data);
        }
        printf("{");
        samples_print(&events, "event");
        printf(", ");
        samples_print(&acknowledged, "acknowledged");
        printf("}\n");
        return EXIT_SUCCESS;
}
