/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks that are attached: each has a server of its own while it is active (qemu-storage-daemon), which serves it over
 * NBD on a socket in its folder. All functions are called with the volume's lock held, may be repeated, and go on from
 * wherever an earlier process was killed. */
#pragma once

#include "idl/bus/storage.h"
#include "runner.h"

typedef struct Disks Disks;

/* `folder` is where the disks' records are; it is made when there is a first one. */
Disks *disks_new(const char *folder);
void disks_free(Disks *disks);

typedef struct DiskName {
        const char *sr, *vdi;
        const char *uri; /* layer_uri_served */
} DiskName;

/* Says how the disk can be reached from disk_activate on. */
bool disk_attach(Disks *disks, const Operation *operation, const DiskName *name, StorageBackend *ret,
                 StorageError **error);
/* Starts the server; or another, if the one that runs may not write and this one is to. */
bool disk_activate(Disks *disks, const Operation *operation, const DiskName *name, bool writable,
                   StorageError **error);
/* Ends the server. */
bool disk_deactivate(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error);
/* Forgets the disk, which is not active. */
bool disk_detach(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error);
