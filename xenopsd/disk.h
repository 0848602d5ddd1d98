/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks sm-daemon for the disks of VMs. Each device of a VM is one datapath, whose name follows from both, so that what
 * a dead xenopsd attached can be detached by whoever comes after. */
#pragma once

#include <stdbool.h>

#include "operation.h"

/* What a disk's bytes are reached by, once it is attached and active. */
typedef struct DiskPath {
        char *path; /* of a file or block device; NULL: none */
        char *nbd;  /* NBD URI; NULL: none */
} DiskPath;
void disk_path_clear(DiskPath *disk);
#define auto_disk_path __attribute__((cleanup(disk_path_clear))) DiskPath

/* Attaches and activates. A Local disk needs nobody's help. Tries again while sm-daemon is being restarted. False:
 * nothing is attached, or it is let go of later; *error is Storage_backend_error, or Cancelled. */
bool disk_attach(Operation *operation, const char *device, const XenopsDisk *disk, bool read_write,
                 DiskPath *ret, XenopsError **error);
/* Deactivates and detaches what the device has of `disk`; no error if that is nothing. NULL: of whatever disk, unless
 * there is no sm-daemon, which is waited for otherwise. When the operation is cancelled, it waits no longer than operations
 * then do (operation_grace_usec). False: *error is set; where sm-daemon has not answered, it is asked again (leftovers). */
bool disk_detach(Operation *operation, const char *device, const XenopsDisk *disk, XenopsError **error);
/* Has sm-daemon let go of the disk, of which nothing is known here any more. False: it did not answer. */
bool disk_reclaim(Bus *bus, Cancel *cancel, uint64_t timeout_usec, const char *vm, const char *device);
