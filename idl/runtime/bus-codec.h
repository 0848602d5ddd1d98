/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of the bus interfaces to and from JSON: strict in what is written, lax in what is read (bus/README.md). */
#pragma once

#include "bus-type.h"

/* Why something could not be read: "vm.ty.HVM.hap: expected bool". */
typedef struct BusReason {
        char text[256];
} BusReason;

/* Returns owned. Bytes that are no UTF-8 become U+FFFD; numbers that are not finite become "inf", "-inf", "nan". */
json_t *bus_encode(const BusType *type, const void *value);
/* *ret is overwritten, zeroed on failure. Text that is not UTF-8, or has a NUL in it, is one, in `any` too. */
bool bus_decode(const BusType *type, const json_t *json, void *ret, BusReason *reason);

/* The params array of a call: the named ones in one object first (if there are any), the positional ones after it. */
json_t *bus_encode_params(const BusMethod *method, const void *args);
bool bus_decode_params(const BusMethod *method, const json_t *params, void *ret_args, BusReason *reason);
void bus_args_clear(const BusMethod *method, void *args);
