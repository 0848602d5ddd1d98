/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* http-load TARGET REQUEST-FILE CONNECTIONS MSEC: sends the same request again and again, one at a time on each
 * connection; where @VALUE@ stands in it, another number each time. Prints JSON: replies in all and a second, their times, and how busy this program was itself: near 1 it is the load
 * that was measured. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "http-client.h"
#include "samples.h"

#define LOAD_EVENTS       256
#define LOAD_WARM_UP_PART 5
#define LOAD_VALUE        "@VALUE@"
#define LOAD_VALUES       10000000u /* as many as have that many digits */

static int epoll;
static char *request, *value; /* value: in the request; NULL: there is none */
static size_t request_len;

static uint64_t cpu_nsec(void)
{
        struct timespec used;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static void send_next(HttpClient *client)
{
        static unsigned counter;
        char digits[sizeof LOAD_VALUE];
        if (value) {
                snprintf(digits, sizeof digits, "%0*u", (int)strlen(LOAD_VALUE), counter++ % LOAD_VALUES);
                memcpy(value, digits, strlen(LOAD_VALUE));
        }
        http_send(client, request, request_len);
}

static uint64_t load_until(uint64_t until, Samples *samples)
{
        struct epoll_event events[LOAD_EVENTS];
        uint64_t replies = 0;
        while (now_nsec() < until) {
                int n = epoll_wait(epoll, events, LOAD_EVENTS, 100);
                for (int i = 0; i < n; i++) {
                        HttpClient *client = events[i].data.ptr;
                        if (!http_receive(client))
                                continue;
                        replies++;
                        if (samples)
                                samples_add(samples, now_nsec() - client->sent_nsec);
                        send_next(client);
                }
        }
        return replies;
}

int main(int argc, char **argv)
{
        if (argc != 5)
                die("usage: http-load TARGET REQUEST-FILE CONNECTIONS MSEC");
        unsigned connections = number(argv[3]);
        uint64_t nsec = (uint64_t)number(argv[4]) * 1000000u;
        HttpClient *client = NULL;
        Samples samples = { 0 };
        request = read_file(argv[2], &request_len);
        value = strstr(request, LOAD_VALUE);
        epoll = epoll_create1(EPOLL_CLOEXEC);
        for (unsigned i = 0; i < connections; i++) {
                client = http_open(argv[1], epoll);
                send_next(client);
        }
        uint64_t uncounted = load_until(now_nsec() + nsec / LOAD_WARM_UP_PART, NULL);
        uint64_t start = now_nsec(), cpu = cpu_nsec();
        uint64_t replies = load_until(start + nsec, &samples);
        double seconds = (double)(now_nsec() - start) / 1e9;
        printf("{\"replies\": %" PRIu64 ", \"rate\": %.1f, \"busy\": %.3f, \"cipher\": \"%s\", ",
               uncounted + replies, (double)replies / seconds, (double)(cpu_nsec() - cpu) / 1e9 / seconds,
               http_cipher(client));
        samples_print(&samples, "usec");
        printf("}\n");
        return EXIT_SUCCESS;
}
