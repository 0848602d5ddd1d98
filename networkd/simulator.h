/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The back end that is none: interfaces that stand in a file, so that they outlive this process as the kernel's do. */
#pragma once

#include "backend.h"

#define SIMULATOR_INTERFACES "eth0" /* unless others are given */

/* `folder` is made if need be; `interfaces` are its cards, separated by spaces. NULL: *ret_error says why (g_free). */
Backend *simulator_new(const char *folder, const char *interfaces, char **ret_error);
