/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors of the bus interfaces: the interface's own, and the failures of the call itself that stand beside them. */
#pragma once

#include "bus-codec.h"

/* The error value on the wire. A BusFailure is written as the internal error that there is, else as its text. */
json_t *bus_encode_error(const BusInterface *interface, const void *error);
/* Returns an owned error of the interface, whatever came. */
void *bus_decode_error(const BusInterface *interface, const json_t *json);
/* An error that says that the call itself failed; `outcome` is a BusOutcome. */
void *bus_error_new_failure(const BusInterface *interface, int outcome, const char *text);
/* The interface's internal error, or a failure with outcome BUS_PROTOCOL where it has none. */
void *bus_error_new_internal(const BusInterface *interface, const char *text);
/* Same for what is not implemented: names the method. */
void *bus_error_new_unimplemented(const BusInterface *interface, const char *method);
/* NULL: an answer of the interface's, not a failure of the call. */
const BusFailure *bus_error_failure(const BusInterface *interface, const void *error);
/* One line for logs and people. Returns owned (free). */
char *bus_error_text(const BusInterface *interface, const void *error);
