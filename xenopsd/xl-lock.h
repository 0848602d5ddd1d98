/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a locked interface's port lets through. */
#pragma once

#include "xenops.h"

/* Makes the port, which is on a bridge, of a guest's interface with that MAC address as `mode` says: locked, it takes only
 * the guest's own frames (xl-filter.h), and the bridge looks for the guest's MAC address there and nowhere else; otherwise
 * neither is so. What was let through before is until what is to be is in its place. May be repeated. 0, or negative errno:
 * -EINVAL: an address is none; -E2BIG: too many of them. */
int xl_lock_set(const char *name, const unsigned char mac[6], const XenopsLockingMode *mode);
