/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The use of volumes: SMAPIv2's attach to detach, by a datapath that the caller names. All may be repeated: what is done
 * already succeeds, and gives the same answer. */
#pragma once

#include "manager.h"

/* Who uses which volume. */
typedef struct DpName {
        const char *sr, *vdi, *dp;
        const char *vm; /* SMAPIv3's domain */
} DpName;

bool dp_attach(Manager *manager, const Operation *operation, const DpName *name, bool read_write,
               StorageBackend *ret, StorageError **error);
/* Illegal_transition when it is not attached, or when another datapath is active, one of the two writes, and the volume
 * is not sharable. `read_only`: it will only read, however it was attached. */
bool dp_activate(Manager *manager, const Operation *operation, const DpName *name, bool read_only,
                 StorageError **error);
bool dp_deactivate(Manager *manager, const Operation *operation, const DpName *name, StorageError **error);
/* Deactivates first. */
bool dp_detach(Manager *manager, const Operation *operation, const DpName *name, StorageError **error);
/* A VM is about to start with it, or has stopped. Not persistent: its writes are thrown away at the end. */
bool dp_epoch_begin(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                    bool persistent, StorageError **error);
bool dp_epoch_end(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                  StorageError **error);

/* Detaches a datapath from every volume. `allow_leak`: forget it even where the plugin fails. */
bool dp_destroy(Manager *manager, const Operation *operation, const char *dp, bool allow_leak,
                StorageError **error);
bool dp_destroy_one(Manager *manager, const Operation *operation, const DpName *name, bool allow_leak,
                    StorageError **error);
/* Detaches every datapath of a repository that is used exclusively. */
bool dp_destroy_all(Use *use, StorageError **error);
bool dp_attach_info(Manager *manager, const Operation *operation, const DpName *name, StorageBackend *ret,
                    StorageError **error);
/* The bytes of what the datapath has active, and how they are had by *ret_fd, which is owned. Illegal_transition where
 * another datapath's writes would be met. (dp-open.c) */
bool dp_open_data(Manager *manager, const Operation *operation, const DpName *name, bool read_write,
                  StorageDataChannel *ret, int *ret_fd, StorageError **error);
bool dp_stat(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
             StorageDpStat *ret, StorageError **error);
