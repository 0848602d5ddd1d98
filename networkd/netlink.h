/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The back end that changes the network of the host (of its network namespace), through the kernel's rtnetlink. */
#pragma once

#include "backend.h"

/* NULL: *ret_error says why (g_free). */
Backend *netlink_new(const char *folder, char **ret_error);
