/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be done with a volume apart from using it: SMAPIv2's VDI methods. Results are owned. */
#pragma once

#include "manager.h"

bool vdi_create(Manager *manager, const Operation *operation, const char *sr, const StorageVdiInfo *info,
                StorageVdiInfo *ret, StorageError **error);
/* Of info->vdi; name, description, type and sm_config of the new one are info's. */
bool vdi_clone(Manager *manager, const Operation *operation, const char *sr, const StorageVdiInfo *info,
               StorageVdiInfo *ret, StorageError **error);
bool vdi_snapshot(Manager *manager, const Operation *operation, const char *sr, const StorageVdiInfo *info,
                  StorageVdiInfo *ret, StorageError **error);
/* As a clone, sharing nothing; VDI_IN_USE while somebody writes to it. The source may be in another repository, from_sr, of
 * the same plugin; NULL: in this one. */
bool vdi_copy_full(Manager *manager, const Operation *operation, const char *sr, const char *from_sr,
                   const StorageVdiInfo *info, StorageVdiInfo *ret, StorageError **error);
/* VDI_IN_USE while it is attached. One that is not there is destroyed. */
bool vdi_destroy(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                 StorageError **error);
bool vdi_resize(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                int64_t size_bytes, int64_t *ret_bytes, StorageError **error);
bool vdi_stat(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
              StorageVdiInfo *ret, StorageError **error);
/* The first in the order of the plugin. */
bool vdi_get_by_name(Manager *manager, const Operation *operation, const char *sr, const char *name,
                     StorageVdiInfo *ret, StorageError **error);
bool vdi_set_name_label(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                        const char *name, StorageError **error);
bool vdi_set_name_description(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                              const char *description, StorageError **error);
/* One of the volume's keys (vdi-info.h); value NULL removes it. */
bool vdi_set_key(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                 const char *key, const char *value, StorageError **error);

/* Remembers what a plugin said of a volume of the repository in use, so that attaching it need not ask; unless somebody is
 * at work on it, or its URIs may change. */
void vdi_learn(Use *use, const SmapiVolume *found);
bool vdi_fail_in_use(StorageError **error, const char *vdi, const char *operation); /* returns false */
