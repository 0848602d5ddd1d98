/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks that are attached: each has a server of its own while it is active (qemu-storage-daemon), which serves it over
 * NBD on a socket in its folder. All functions are called with the volume's lock held, may be repeated, and go on from
 * wherever an earlier process was killed. */
#pragma once

#include "idl/bus/storage.h"
#include "live-merge.h"
#include "runner.h"

typedef struct Disks Disks;

/* `folder` is where the disks' records are; it is made when there is a first one. */
Disks *disks_new(const char *folder);
void disks_free(Disks *disks);
/* What servers run in: "systemd", "process", or "auto", which is systemd where it runs this very process as a service of
 * root's. False: no such thing. Before any other function. */
bool disks_choose_runner(Disks *disks, const char *name);

/* Calls `amiss`, on a thread of its own that may not wait, for an active disk that disk_settle should look after: its server
 * has died, or its device lost the connection. Until disks_free. */
void disks_watch(Disks *disks, void (*amiss)(const char *sr, const char *vdi, void *data), void *data);
/* Ends what belongs to no disk that is wanted, by its id (disk_record_id) and its repository (NULL: not known): servers,
 * devices, records. Nobody else may use `disks` meanwhile. */
void disks_sweep(Disks *disks, const Operation *operation,
                 bool (*wanted)(const char *id, const char *sr, void *data), void *data);

typedef struct DiskName {
        const char *sr, *vdi;
        const char *uri; /* layer_uri_served */
} DiskName;

/* Says how the disk can be reached from disk_activate on: as a block device, where the kernel has such devices, and over
 * NBD. The device's number is the disk's own until disk_detach. */
bool disk_attach(Disks *disks, const Operation *operation, const DiskName *name, StorageBackend *ret,
                 StorageError **error);
/* Starts the server; or another, if the one that runs may not write and this one is to. */
bool disk_activate(Disks *disks, const Operation *operation, const DiskName *name, bool writable,
                   StorageError **error);
/* Ends the server. */
bool disk_deactivate(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error);
/* Forgets the disk, which is not active. */
bool disk_detach(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error);
/* Has the server of an active disk serve what its image's name is by now, after overlays were made; what lies below holds
 * from then on what had been written. Done even when the caller's time is over, since until then what lies below changes. */
bool disk_follow(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error);
/* Makes an active disk larger; its device is, too. */
bool disk_resize(Disks *disks, const Operation *operation, const DiskName *name, int64_t size_bytes,
                 StorageError **error);
/* Puts right what is amiss with an active disk: its server is dead, or stands still, or was told to do something and we
 * died before it was done; or its record is damaged. */
bool disk_settle(Disks *disks, const Operation *operation, const DiskName *name, bool writable,
                 StorageError **error);
/* Merges of two layers of an active disk (live-merge.h). disk_merge_state alone needs no lock. */
bool disk_merge_begin(Disks *disks, const Operation *operation, const DiskName *name, Merge merge,
                      const char *upper_path, StorageError **error);
bool disk_merge_state(Disks *disks, const Operation *operation, const DiskName *name, MergeState *ret,
                      StorageError **error);
/* Ends one, as if it had never begun. Needs no lock either. */
bool disk_merge_cancel(Disks *disks, const Operation *operation, const DiskName *name, StorageError **error);
/* Of one that is MERGE_READY. `set_top` gives the lower layer the disk's name, durably, and returns the disk's URI from then
 * on, owned (g_free), or NULL. Meanwhile the disk stands still. */
bool disk_merge_finish(Disks *disks, const Operation *operation, const DiskName *name,
                       char *(*set_top)(void *data, StorageError **error), void *data, StorageError **error);
/* A connection to the server of a disk that is active, nothing said yet; its exports are
 * DISK_EXPORT and its like. *ret_fd is the caller's. */
bool disk_open(Disks *disks, const DiskName *name, int *ret_fd, StorageError **error);
/* The disk's server, device and images, as lines of text for people, indented by `indent`; needs no lock. Appends nothing for a
 * disk that is not attached. */
void disk_describe(Disks *disks, const DiskName *name, const char *indent, GString *text);
