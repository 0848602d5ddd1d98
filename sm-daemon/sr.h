/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be done with a repository: SMAPIv2's SR methods. All may be repeated: what is done already succeeds. */
#pragma once

#include "manager.h"

/* `type` is the plugin's. *ret: the configuration to attach it with, owned. */
bool sr_create(Manager *manager, const Operation *operation, const char *type,
               const StorageSrCreateArgs *args, BusDict *ret, StorageError **error);
bool sr_probe(Manager *manager, const Operation *operation, const char *type, const BusDict *device_config,
              StorageProbeResult *ret, StorageError **error);
/* Sr_attached when it is attached already, otherwise than now asked for. */
bool sr_attach(Manager *manager, const Operation *operation, const char *type, const char *sr,
               const BusDict *device_config, StorageError **error);
/* Detaches its volumes first. */
bool sr_detach(Manager *manager, const Operation *operation, const char *sr, StorageError **error);
/* Forgets that it was attached, without a word to the plugin. */
bool sr_reset(Manager *manager, const Operation *operation, const char *sr, StorageError **error);
/* It must be attached, with no volume in use; it is not any more afterwards. */
bool sr_destroy(Manager *manager, const Operation *operation, const char *sr, StorageError **error);
bool sr_scan(Manager *manager, const Operation *operation, const char *sr, StorageVdiInfoList *ret,
             StorageError **error);
bool sr_stat(Manager *manager, const Operation *operation, const char *sr, StorageSrInfo *ret,
             StorageError **error);
bool sr_set_name_label(Manager *manager, const Operation *operation, const char *sr, const char *name,
                       StorageError **error);
bool sr_set_name_description(Manager *manager, const Operation *operation, const char *sr,
                             const char *description, StorageError **error);
