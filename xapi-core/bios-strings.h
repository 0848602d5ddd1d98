/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest reads in its SMBIOS tables. */
#pragma once

#include "error.h"
#include "value.h"

#define BIOS_STRING_BYTES_MAX 512

/* What a VM has that nobody gave strings of its own. Returns owned. */
Map *bios_strings_generic(const Type *type);
/* The generic ones with those of a client in their place. Returns owned, or NULL with INVALID_VALUE [key; reason]: a key
 * that does not exist or is not a client's to set, or a value that is empty, too long or not printable ASCII. */
Map *bios_strings_custom(const Map *wanted, XapiError **error);
