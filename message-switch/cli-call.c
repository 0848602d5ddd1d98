/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "cli.h"

#define CALL_TIMEOUT_SEC 60.0

typedef struct CallJob {
        Loop *loop;
        CliStatus status;
} CallJob;

/* The params array: an array as it is, an object as the one dictionary of named parameters, nothing as no parameters. */
static json_t *read_params(const char *text)
{
        json_error_t error;
        json_t *params = !text                    ? json_array()
                         : strcmp(text, "-") == 0 ? json_loadf(stdin, JSON_DECODE_ANY, &error)
                                                  : json_loads(text, JSON_DECODE_ANY, &error);
        if (!params) {
                cli_fail(CLI_USAGE, "PARAMS are no JSON: %s", error.text);
                return NULL;
        }
        return json_is_array(params) ? params : json_pack("[o]", params);
}

static void print_json(FILE *to, const json_t *json)
{
        json_dumpf(json, to, JSON_ENCODE_ANY | JSON_INDENT(2));
        fputc('\n', to);
}

static void on_reply(BusReply *reply, void *data)
{
        CallJob *job = data;
        if (reply->outcome != BUS_OK) {
                job->status = cli_fail(CLI_NO_REPLY, "%s", bus_outcome_text(reply->outcome));
        } else if (reply->error) {
                print_json(stderr, reply->error);
                job->status = CLI_ERROR;
        } else {
                print_json(stdout, reply->result);
                job->status = CLI_OK;
        }
        if (reply->n_fds)
                fprintf(stderr, "%s: %zu descriptors came with the reply and are closed\n", CLI_NAME,
                        reply->n_fds);
        loop_stop(job->loop);
}

static CliStatus make_call(const char *path, BusCall *call)
{
        CallJob job = { .loop = loop_new() };
        Bus *bus = bus_new(job.loop, path, CLI_NAME);
        bus_call(bus, call, on_reply, &job);
        loop_run(job.loop);
        bus_free(bus);
        loop_free(job.loop);
        return job.status;
}

static gboolean read_fds(char **texts, int *fds, size_t *ret_n)
{
        size_t n = texts ? g_strv_length(texts) : 0;
        if (n > FRAME_FDS_MAX) {
                cli_fail(CLI_USAGE, "at most %u descriptors go with a call", FRAME_FDS_MAX);
                return FALSE;
        }
        for (size_t i = 0; i < n; i++) {
                gint64 fd;
                if (!g_ascii_string_to_signed(texts[i], 10, 0, G_MAXINT, &fd, NULL)) {
                        cli_fail(CLI_USAGE, "%s is no descriptor", texts[i]);
                        return FALSE;
                }
                fds[i] = (int)fd;
        }
        *ret_n = n;
        return TRUE;
}

CliStatus cli_call(const char *path, int argc, char **argv)
{
        double timeout = CALL_TIMEOUT_SEC;
        g_auto(GStrv) fd_texts = NULL;
        const GOptionEntry entries[] = {
                { "timeout", 't', 0, G_OPTION_ARG_DOUBLE, &timeout, "Wait so long for the reply (60)",
                  "SECONDS" },
                { "fd", 0, 0, G_OPTION_ARG_STRING_ARRAY, &fd_texts, "Send this open descriptor; repeatable",
                  "FD" },
                G_OPTION_ENTRY_NULL,
        };
        if (!cli_parse("QUEUE METHOD [PARAMS]",
                       "Makes a call. PARAMS is a JSON array of parameters, or an object of named ones, or - "
                       "to read it "
                       "from standard input. The result goes to standard output, an error to standard error.",
                       entries, 2, 3, &argc, &argv))
                return CLI_USAGE;
        int fds[FRAME_FDS_MAX];
        BusCall call = { .queue = argv[1], .method = argv[2], .fds = fds };
        if (!(timeout > 0) || !isfinite(timeout))
                return cli_fail(CLI_USAGE, "--timeout wants a number of seconds");
        call.timeout_usec = (uint64_t)(MIN(timeout, 24 * 3600.0) * 1e6) + 1;
        json_t *params = read_fds(fd_texts, fds, &call.n_fds) ? read_params(argc > 3 ? argv[3] : NULL) : NULL;
        if (!params)
                return CLI_USAGE;
        call.params = params;
        CliStatus status = make_call(path, &call);
        json_decref(params);
        return status;
}
