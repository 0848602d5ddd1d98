/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Short forms for filling rows. */
#pragma once

#include "model.h"

/* SLOT_STRINGS(host->logging, "k", "v"): replaces a map of strings to strings. */
#define SLOT_STRINGS(slot, ...) slot_map(&(slot), map_of_strings((slot)->type, __VA_ARGS__, NULL))
/* SLOT_STRING_SET(host->capabilities, "a", "b"): replaces a set of strings or refs. */
#define SLOT_STRING_SET(slot, ...)                                                                           \
        slot_set(&(slot), set_of_strings((slot)->element, (const char *const[]){ __VA_ARGS__, NULL }))
