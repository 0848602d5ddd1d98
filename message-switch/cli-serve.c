/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffer.h"
#include "bus.h"
#include "cli.h"
#include "daemon.h"
#include "service.h"

#define SERVE_PROGRAMS_MAX 64 /* at a time */

typedef struct Serving {
        Loop *loop;
        Workers *workers;
        const char *program;
} Serving;

typedef struct ServeJob {
        Serving *serving;
        BusRequest *request;
} ServeJob;

/* A file, not a pipe: the program may read it whenever it likes. */
static int open_body(BusRequest *request)
{
        json_t *message = json_pack("{s:s, s:O, s:i}", "method", bus_request_method(request), "params",
                                    bus_request_params(request), "id", 0);
        char *text = json_dumps(message, JSON_COMPACT);
        json_decref(message);
        int fd = memfd_create("body", MFD_CLOEXEC);
        size_t len = strlen(text);
        if (fd >= 0 && (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)) {
                close(fd);
                fd = -1;
        }
        free(text);
        return fd;
}

static int spawn(const char *program, const char *method, int input, int output, pid_t *ret_pid)
{
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        char *arguments[] = { (char *)program, (char *)method, NULL };
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
        posix_spawnattr_init(&attributes);
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        int r = posix_spawnp(ret_pid, program, &actions, &attributes, arguments, environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static void read_all(int fd, Buffer *output)
{
        ssize_t n;
        do {
                n = read(fd, buffer_reserve(output, 65536), 65536);
                if (n > 0)
                        output->len += (size_t)n;
        } while ((n > 0 && output->len <= FRAME_BODY_MAX) || (n < 0 && errno == EINTR));
}

/* Runs the program to its end. Its wait status, or negative errno. */
static int run_program(const char *program, BusRequest *request, Buffer *output)
{
        int ends[2];
        pid_t pid;
        int status;
        int input = open_body(request);
        if (input < 0 || pipe2(ends, O_CLOEXEC) < 0) {
                int r = -errno;
                if (input >= 0)
                        close(input);
                return r;
        }
        int r = spawn(program, bus_request_method(request), input, ends[1], &pid);
        close(input);
        close(ends[1]);
        if (r == 0)
                read_all(ends[0], output);
        close(ends[0]);
        if (r < 0)
                return r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return status;
}

static void answer(void *data)
{
        ServeJob *job = data;
        auto_buffer output = { 0 };
        json_t *result = NULL, *error = NULL;
        int status = run_program(job->serving->program, job->request, &output);
        json_t *value = status >= 0
                            ? json_loadb(output.data ? output.data : "", output.len, JSON_DECODE_ANY, NULL)
                            : NULL;
        if (status < 0)
                error = service_internal_error("%s: %s", job->serving->program, g_strerror(-status));
        else if (status == 0 && value)
                result = value;
        else if (WIFEXITED(status) && value && !json_is_null(value))
                error = value;
        else
                error = service_internal_error("%s ended with status %d and no JSON", job->serving->program,
                                               WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
        if (value && value != result && value != error)
                json_decref(value);
        bus_request_respond(job->request, result, error, NULL, 0);
        g_free(job);
}

static void on_request(BusRequest *request, void *data)
{
        Serving *serving = data;
        ServeJob *job = g_new(ServeJob, 1);
        *job = (ServeJob){ .serving = serving, .request = request };
        if (workers_run(serving->workers, false, answer, job))
                return;
        g_free(job);
        bus_request_respond(request, NULL, service_internal_error("too many calls at a time"), NULL, 0);
}

static void on_signal(uv_signal_t *handle, int number)
{
        loop_stop(handle->data);
}

CliStatus cli_serve(const char *path, int argc, char **argv)
{
        g_autofree char *program = NULL;
        const GOptionEntry entries[] = {
                { "program", 'p', 0, G_OPTION_ARG_FILENAME, &program, "The program, run once a call",
                  "PROGRAM" },
                G_OPTION_ENTRY_NULL,
        };
        if (!cli_parse("QUEUE --program PROGRAM",
                       "Serves QUEUE until interrupted. PROGRAM is run for each call, with the method as its "
                       "argument and "
                       "the JSON-RPC request on standard input. What it prints is the result, if its exit "
                       "status is 0, "
                       "else the error.",
                       entries, 1, 1, &argc, &argv))
                return CLI_USAGE;
        if (!program)
                return cli_fail(CLI_USAGE, "--program is missing");
        if (!frame_name_valid(argv[1], strlen(argv[1])))
                return cli_fail(CLI_USAGE, "%s is no name of a queue", argv[1]);
        Serving serving = { .loop = loop_new(),
                            .workers = workers_new(SERVE_PROGRAMS_MAX, 0),
                            .program = program };
        uv_signal_t signals[2];
        static const int numbers[] = { SIGINT, SIGTERM };
        for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
                uv_signal_init(loop_uv(serving.loop), &signals[i]);
                signals[i].data = serving.loop;
                uv_signal_start(&signals[i], on_signal, numbers[i]);
        }
        Bus *bus = bus_new(serving.loop, path, CLI_NAME);
        bus_serve(bus, argv[1], on_request, &serving);
        loop_run(serving.loop);
        bus_close(bus);
        workers_free(serving.workers);
        bus_free(bus);
        for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
                uv_close((uv_handle_t *)&signals[i], NULL);
        loop_free(serving.loop);
        return CLI_OK;
}
