/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One run of a plugin's executable: bytes in, bytes out, within limits. The executable is an adversary. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "idl/runtime/buffer.h"

#define SCRIPT_OUTPUT_MAX (16u << 20) /* bytes of standard output; more ends the run */
#define SCRIPT_LOG_MAX    (64u << 10) /* bytes of standard error that reach the log; the rest is dropped */
#define SCRIPT_LINE_MAX   1024u       /* bytes of one line of it */
#define SCRIPT_POLL_MSEC  100         /* how often `cancelled` is asked */

typedef enum ScriptEnd {
        SCRIPT_EXITED = 0, /* by itself; see status */
        SCRIPT_SIGNALLED,  /* killed by somebody else's signal; see status */
        SCRIPT_TIMED_OUT,  /* killed: still running at the deadline */
        SCRIPT_CANCELLED,  /* killed: `cancelled` said so */
        SCRIPT_FLOODED,    /* killed: wrote more than SCRIPT_OUTPUT_MAX */
} ScriptEnd;

typedef struct Script {
        const char *path;             /* absolute */
        const char *const *arguments; /* argv[1...], NULL-terminated */
        const char *input;            /* standard input; closed afterwards */
        size_t input_len;
        uint64_t deadline_usec;        /* clock_usec */
        bool (*cancelled)(void *data); /* NULL: never; called on the calling thread */
        void *data;
} Script;

typedef struct ScriptResult {
        ScriptEnd end;
        int status; /* SCRIPT_EXITED: exit status; SCRIPT_SIGNALLED: signal */
        Buffer output;
} ScriptResult;

/* Runs the executable in a session of its own with no inherited descriptors, signals at their defaults, and an
 * environment of PATH and LC_ALL; blocks until it ends. When it has ended, for whatever reason, every process left in
 * its session's group has been killed. A process that left the group may live on, but does not hold up the
 * caller. Returns 0 (however it ended) or negative errno when it could not be started: -ENOENT, -EACCES, -ENOEXEC,
 * -EAGAIN... then *ret is not written. The caller clears ret->output. Any thread. */
int script_run(const Script *script, ScriptResult *ret);
const char *script_end_text(ScriptEnd end);
