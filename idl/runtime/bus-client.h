/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the generated client stubs do. */
#pragma once

#include "message-switch/lib/bus.h"

#include "bus-error.h"

/* Carries a call that does not go over the bus (a plugin's script). */
typedef struct BusCaller BusCaller;
struct BusCaller {
        /* Returns BUS_OK and exactly one of the two (owned by the stub), or another BusOutcome and *ret_error a
         * string that says what happened. `params` is the array as on the bus. */
        BusOutcome (*call)(BusCaller *caller, const BusMethod *method, const json_t *params,
                           uint64_t timeout_usec, json_t **ret_result, json_t **ret_error);
};

/* Calls and waits; never on the loop's thread. `queue` NULL: the interface's. timeout_usec 0: BUS_TIMEOUT_USEC.
 * *ret_result (NULL: not wanted) is overwritten on success, and so is *ret_fd (NULL: not wanted), which the caller
 * then owns, close-on-exec; a method with a descriptor whose answer has none, or several, fails with BUS_PROTOCOL. When
 * `cancel` (NULL: none) is asked for, it fails at once with BUS_CANCELLED (bus_call_wait). On failure *error is owned, freed
 * by the generated ..._error_free. A call whose outcome is unknown may have been done. */
bool bus_client_call(const BusInterface *interface, const BusMethod *method, Bus *bus, const char *queue,
                     Cancel *cancel, uint64_t timeout_usec, const void *args, void *ret_result, int *ret_fd,
                     void **error);
bool bus_caller_call(const BusInterface *interface, const BusMethod *method, BusCaller *caller,
                     uint64_t timeout_usec, const void *args, void *ret_result, void **error);
