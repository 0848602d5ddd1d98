/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only sysfs tells of an interface: the card behind it. `root` is SYSFS_ROOT, or a test's. */
#pragma once

#include <stdbool.h>

#define SYSFS_ROOT "/sys/class/net"

/* Whether a card is behind it; the host's end of a guest's interface has a device, which is none. */
bool sysfs_is_physical(const char *root, const char *name);
/* "0000:03:00.0", or "" where it sits on no PCI bus. Returns owned (free). */
char *sysfs_pci_path(const char *root, const char *name);
