/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storm TARGET CALL WAIT STATE REFS-FILE CONNECTIONS: sends CALL (a body with @REF@ in it) for every VM of the file, one
 * at a time on each connection, and follows WAIT (an event.from with @TOKEN@) until an event has told of each of them that
 * it is in that power state. Prints JSON: msec from the first request to the last acknowledgement, and to the last event.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "http-client.h"

#define STORM_BATCH 256
#define STORM_SEC   300 /* until it is given up */

static const char *call_text, *wait_text, *wanted_state;
static json_t *wanted; /* object: ref to null; those that have not been told of */
static char **refs;
static size_t n_refs, n_sent, n_answered;
static uint64_t start_nsec, answered_nsec, done_nsec;

static void read_refs(const char *path)
{
        size_t len;
        char *text = read_file(path, &len), *line, *rest = text;
        wanted = json_object();
        refs = calloc(len, sizeof *refs);
        while ((line = strsep(&rest, "\n")))
                if (*line) {
                        refs[n_refs++] = line;
                        json_object_set_new(wanted, line, json_null());
                }
}

static void send_next(HttpClient *client)
{
        if (n_sent == n_refs)
                return;
        char *body = text_fill(call_text, "@REF@", refs[n_sent++]);
        http_post(client, body);
        free(body);
}

static void watch_from(HttpClient *watcher, const char *token)
{
        char *body = text_fill(wait_text, "@TOKEN@", token);
        http_post(watcher, body);
        free(body);
}

/* Takes the batch, forgets those that are as wanted, asks for the next. */
static void watcher_take(HttpClient *watcher)
{
        json_error_t error;
        json_t *reply = json_loadb(watcher->body.data, watcher->body.len, 0, &error), *event;
        json_t *result = json_object_get(reply, "result");
        size_t i;
        if (!result)
                die("event.from answers: %.300s", watcher->body.data);
        json_array_foreach(json_object_get(result, "events"), i, event)
        {
                const char *state =
                    json_string_value(json_object_get(json_object_get(event, "snapshot"), "power_state"));
                if (start_nsec && state && strcmp(state, wanted_state) == 0)
                        json_object_del(wanted, json_string_value(json_object_get(event, "ref")));
        }
        if (json_object_size(wanted) == 0)
                done_nsec = now_nsec();
        else
                watch_from(watcher, json_string_value(json_object_get(result, "token")));
        json_decref(reply);
}

static void on_answer(HttpClient *client)
{
        if (strstr(client->body.data, "\"error\":{"))
                die("a call fails: %.300s", client->body.data);
        if (++n_answered == n_refs)
                answered_nsec = now_nsec();
        send_next(client);
}

int main(int argc, char **argv)
{
        struct epoll_event batch[STORM_BATCH];
        if (argc != 7)
                die("usage: storm TARGET CALL WAIT STATE REFS-FILE CONNECTIONS");
        call_text = argv[2];
        wait_text = argv[3];
        wanted_state = argv[4];
        read_refs(argv[5]);
        int epoll = epoll_create1(EPOLL_CLOEXEC);
        unsigned connections = number(argv[6]);
        HttpClient *watcher = http_open(argv[1], epoll), **clients = calloc(connections, sizeof *clients);
        watcher->keeps = true;
        for (unsigned i = 0; i < connections; i++) {
                clients[i] = http_open(argv[1], epoll);
                clients[i]->keeps = true;
        }
        alarm(STORM_SEC);
        watch_from(watcher, "");
        while (!http_receive(watcher))
                epoll_wait(epoll, batch, STORM_BATCH, -1);
        watcher_take(watcher);
        start_nsec = now_nsec();
        for (unsigned i = 0; i < connections; i++)
                send_next(clients[i]);
        while (!done_nsec) {
                int n = epoll_wait(epoll, batch, STORM_BATCH, -1);
                for (int i = 0; i < n; i++) {
                        HttpClient *client = batch[i].data.ptr;
                        if (!http_receive(client))
                                continue;
                        if (client == watcher)
                                watcher_take(watcher);
                        else
                                on_answer(client);
                }
        }
        printf("{\"acknowledged_msec\": %.3f, \"done_msec\": %.3f}\n",
               (double)(answered_nsec - start_nsec) / 1e6, (double)(done_nsec - start_nsec) / 1e6);
        return EXIT_SUCCESS;
}
