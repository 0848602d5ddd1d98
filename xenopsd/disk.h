/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks sm-daemon for the disks of VMs. Each device of a VM is one datapath, whose name follows from both, so that what
 * a dead xenopsd attached can be detached by whoever comes after. */
#pragma once

#include <stdbool.h>

#include "cancel.h"
#include "message-switch/lib/bus.h"
#include "xenops.h"

/* What a disk's bytes are reached by, once it is attached and active. */
typedef struct DiskPath {
        char *path; /* of a file or block device; NULL: none */
        char *nbd;  /* NBD URI; NULL: none */
} DiskPath;
void disk_path_clear(DiskPath *disk);
#define auto_disk_path __attribute__((cleanup(disk_path_clear))) DiskPath

/* Attaches and activates. A Local disk needs nobody's help. Tries again while sm-daemon is being restarted. False:
 * nothing is attached; *error is Storage_backend_error, or Cancelled. */
bool disk_attach(Bus *bus, Cancel *cancel, const char *debug_info, const char *vm, const char *device,
                 const XenopsDisk *disk, bool read_write, DiskPath *ret, XenopsError **error);
/* Deactivates and detaches what the device has of `disk`; no error if that is nothing. NULL: of whatever disk, unless
 * there is no sm-daemon, which is waited for otherwise. False: *error is set. */
bool disk_detach(Bus *bus, const char *debug_info, const char *vm, const char *device, const XenopsDisk *disk,
                 XenopsError **error);
