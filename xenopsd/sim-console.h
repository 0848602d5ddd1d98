/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Consoles of simulated domains: what a guest shows and takes, behind a socket each, moved by the loop. */
#pragma once

#include "idl/runtime/buffer.h"
#include "message-switch/lib/loop.h"
#include "xenops.h"

typedef struct SimConsoles SimConsoles;

SimConsoles *sim_consoles_new(Loop *loop);
void sim_consoles_free(
    SimConsoles *consoles); /* ends all; the loop must run, or be freed, after. NULL is legal */
/* Any thread. Returns the socket, owned, non-blocking; or negative errno. */
int sim_consoles_open(SimConsoles *consoles, const char *vm, const char *name,
                      XenopsConsoleProtocol protocol);
/* Any thread: the domain is no more. Terminals say `why` first. */
void sim_consoles_end(SimConsoles *consoles, const char *vm, const char *why);

/* ---- what is on the other side of a socket: one of each protocol ---- */

/* On the loop. `input` is consumed as far as it can be; what is left comes again with more behind it. */
typedef struct SimConsoleKind {
        size_t size; /* of its state, which is zeroed */
        void (*begin)(void *state, const char *name, Buffer *out);
        bool (*take)(void *state, Buffer *input, Buffer *out); /* false: it is no client of this protocol */
        void (*room)(void *state, Buffer *out); /* all of `out` went: add more, or nothing. May be NULL */
        void (*end)(void *state, const char *why, Buffer *out); /* may be NULL */
        void (*clear)(void *state);                             /* may be NULL */
} SimConsoleKind;
extern const SimConsoleKind sim_terminal, sim_rfb;

#define SIM_CONSOLE_INPUT_MAX 65536u /* bytes of one message of a client */
