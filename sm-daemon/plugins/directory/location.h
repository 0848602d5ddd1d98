/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directory that a repository is, by its path. */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "../call.h"

#define LOCATION_MAX 3000 /* bytes */

/* An absolute path without "..": what was agreed on is what is used. */
bool location_valid(const char *location);
/* The valid "location" of the call's "configuration", borrowed; NULL with *failure. */
const char *location_configured(json_t *args, Failure *failure);
/* Opens it; -1 with *failure. */
int location_open(const char *location, Failure *failure);
/* SCHEME://LOCATION/NAME, escaped. Returns owned (free). */
char *location_uri(const char *scheme, const char *location, const char *name);
