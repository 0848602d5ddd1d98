/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes wrong on purpose in the simulated hypervisor, and how its guests behave. Kept beside the domains,
 * so that it outlives xenopsd as they do. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ledger.h"
#include "message-switch/lib/cancel.h"
#include "xenops.h"

typedef struct SimFaults SimFaults;

/* The guests of one VM, or of all that have none of their own. */
typedef struct SimGuest {
        bool acknowledges; /* what it is asked for */
        bool answers;      /* by doing it, too */
        bool tools;
        bool balloons;
        uint64_t delay_usec;
} SimGuest;

#define SIM_FAULTS_MAX 1000u /* injected and not used up */
#define SIM_GUESTS_MAX 1000u /* with a behaviour of their own */

/* Reads what the ledger, which is borrowed, has. `standard` is how guests behave that were told nothing. */
SimFaults *sim_faults_new(Ledger *ledger, const SimGuest *standard);
void sim_faults_free(SimFaults *faults);

/* Happens at a step of a VM: first the delay, then the failure. False: *error is set. */
bool sim_faults_meet(SimFaults *faults, const char *vm, const char *step, Cancel *cancel,
                     XenopsError **error);
SimGuest sim_faults_guest(SimFaults *faults, const char *vm);

/* The commands of DEBUG.trigger. Arguments are key=value:
 *   inject    vm=, step= (none: every one), latency= (seconds), fail= (text), count= (none: for ever)
 *   behave    vm= (none: all that have no own), acknowledges=, answers=, tools=, balloons= (true or false),
 *             delay= (seconds)
 *   forget    vm= (none: all): what was injected, and how guests behave
 * Positive: it is not one of them. 0, or negative with *error set. */
int sim_faults_trigger(SimFaults *faults, const char *command, const BusStrings *arguments,
                       XenopsError **error);
char *sim_faults_text(SimFaults *faults); /* owned (g_free) */

/* The value of key in arguments of key=value; NULL: not there. Borrowed. */
const char *sim_argument(const BusStrings *arguments, const char *key);
/* False, with *error set: an argument is none of `keys` (ended by NULL). */
bool sim_arguments_check(const BusStrings *arguments, const char *const *keys, XenopsError **error);
/* Seconds as written, in microseconds. False, with *error set: no number, or negative. */
bool sim_argument_usec(const BusStrings *arguments, const char *key, uint64_t *ret_usec, XenopsError **error);
