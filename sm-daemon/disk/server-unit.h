/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The transient unit of systemd that a disk's server is (systemd.service(5), systemd.exec(5), as properties:
 * org.freedesktop.systemd1(5)). */
#pragma once

#include <stdbool.h>

#include <gio/gio.h>

#include "disk-record.h"

/* Of StartTransientUnit. Returns floating. */
GVariant *server_unit_parameters(const char *unit, const char *sm_disk, const DiskRecord *record);
/* Whether a unit with that property ExecStart serves the disk whose folder it is. */
bool server_unit_serves(GVariant *exec_start, const char *folder);
