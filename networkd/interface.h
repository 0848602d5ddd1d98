/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The network interfaces of this host, as the kernel shows them in sysfs. Nothing here changes any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "idl/runtime/bus-type.h"

#define INTERFACE_ROOT "/sys/class/net"

/* `root` is INTERFACE_ROOT, or a test's. Names that no interface can have give -ENODEV like those that none has. */
int interface_list(const char *root, BusStrings *ret); /* in order */
bool interface_exists(const char *root, const char *name);
int interface_mac(const char *root, const char *name, char **ret); /* owned (free) */
int interface_mtu(const char *root, const char *name, int64_t *ret);
int interface_is_up(const char *root, const char *name, bool *ret);
/* Whether there is a carrier; false while it is down. */
int interface_is_connected(const char *root, const char *name, bool *ret);
int interface_is_physical(const char *root, const char *name, bool *ret); /* has a device behind it */

int bridge_list(const char *root, BusStrings *ret); /* the kernel's own bridges, in order */
/* Its ports; -ENODEV: it is no bridge. */
int bridge_interfaces(const char *root, const char *name, BusStrings *ret);
