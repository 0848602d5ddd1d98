/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* echo-library serve SOCKET
 * echo-library call SOCKET CONNECTIONS OUTSTANDING MSEC: prints how many calls a second were answered.
 * echo-library wait SOCKET THREADS 1 MSEC: the same from threads that wait, over one connection.
 * The ends of an echo call as daemons have them: the bus library, with JSON made and parsed. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus.h"
#include "daemon.h"
#include "tool.h"

#define QUEUE             "bench.echo"
#define TEXT_BYTES        159 /* makes the call's body 200 bytes */
#define ECHO_WARM_UP_PART 10

static Loop *loop;
static json_t *params;
static unsigned n_connected, n_wanted;
static atomic_uint_fast64_t replies;
static uint64_t replies_before, start_nsec, stop_nsec;

static void on_request(BusRequest *request, void *data)
{
        bus_request_respond(request, json_incref(json_array_get(bus_request_params(request), 0)), NULL, NULL,
                            0);
}

static void on_serving(bool connected, void *data)
{
        if (!connected)
                return;
        puts("ready");
        fflush(stdout);
}

static void expect_reply(const BusReply *reply)
{
        if (reply->outcome != BUS_OK || !json_is_string(reply->result))
                die("no reply: %s", bus_outcome_text(reply->outcome));
        replies++;
}

static BusCall echo_call(void)
{
        return (BusCall){ .queue = QUEUE, .method = "echo", .params = params };
}

static void on_reply(BusReply *reply, void *data)
{
        BusCall call = echo_call();
        expect_reply(reply);
        bus_call(data, &call, on_reply, data);
}

static void on_counting(uv_timer_t *timer)
{
        replies_before = replies;
        start_nsec = now_nsec();
}

static void on_counted(uv_timer_t *timer)
{
        stop_nsec = now_nsec();
        printf("%.0f\n", (double)(replies - replies_before) * 1e9 / (double)(stop_nsec - start_nsec));
        exit(EXIT_SUCCESS);
}

static void start_timers(unsigned msec)
{
        static uv_timer_t counting, counted;
        uv_timer_init(loop_uv(loop), &counting);
        uv_timer_init(loop_uv(loop), &counted);
        uv_update_time(loop_uv(loop));
        uv_timer_start(&counting, on_counting, msec / ECHO_WARM_UP_PART, 0);
        uv_timer_start(&counted, on_counted, msec / ECHO_WARM_UP_PART + msec, 0);
}

static _Noreturn void *wait_again_and_again(void *bus)
{
        BusCall call = echo_call();
        for (;;) {
                BusReply reply;
                bus_call_wait(bus, &call, &reply);
                expect_reply(&reply);
                bus_reply_clear(&reply);
        }
}

static void on_connected(bool connected, void *data)
{
        n_connected += connected;
        if (n_connected == n_wanted)
                loop_stop(loop);
}

static void call(const char *path, unsigned n, unsigned outstanding, unsigned msec, bool threads)
{
        unsigned n_buses = threads ? 1 : n;
        Bus **buses = g_new(Bus *, n_buses);
        pthread_t thread;
        n_wanted = n_buses;
        for (unsigned i = 0; i < n_buses; i++) {
                buses[i] = bus_new(loop, path, "bench");
                bus_on_state(buses[i], on_connected, NULL);
        }
        loop_run(loop);
        BusCall echo = echo_call();
        for (unsigned i = 0; i < n; i++) {
                if (threads && pthread_create(&thread, NULL, wait_again_and_again, buses[0]) != 0)
                        die("pthread_create");
                for (unsigned k = 0; !threads && k < outstanding; k++)
                        bus_call(buses[i], &echo, on_reply, buses[i]);
        }
        start_timers(msec);
        loop_run(loop);
}

int main(int argc, char **argv)
{
        char text[TEXT_BYTES + 1];
        memset(text, 'x', TEXT_BYTES);
        text[TEXT_BYTES] = '\0';
        params = json_pack("[s]", text);
        log_setup("bench", "warning");
        loop = loop_new();
        if (argc == 3 && strcmp(argv[1], "serve") == 0) {
                Bus *bus = bus_new(loop, argv[2], "bench");
                bus_on_state(bus, on_serving, NULL);
                bus_serve(bus, QUEUE, on_request, NULL);
                loop_run(loop);
        } else if (argc == 6) {
                call(argv[2], number(argv[3]), number(argv[4]), number(argv[5]),
                     strcmp(argv[1], "wait") == 0);
        } else {
                die("usage: echo-library serve SOCKET | echo-library call|wait SOCKET CONNECTIONS "
                    "OUTSTANDING MSEC");
        }
        return EXIT_SUCCESS;
}
