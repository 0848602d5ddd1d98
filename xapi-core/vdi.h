/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks made and removed on behalf of other operations. These wait, and belong on a worker. */
#pragma once

#include "call.h"

/* Those that make a disk return its ref, owned, or NULL. They check and mark what the XenAPI's own messages do, for the
 * call's task, which may have one operation of each disk under way at a time. */

/* A new disk in this SR, of at least that many bytes; type is a VDI_TYPE_ value. */
Str vdi_create_in(Call *call, const char *sr, const char *label, int64_t bytes, int64_t type,
                  XapiError **error);
/* As VDI.clone: a writable disk in the same SR that begins with what this one holds. */
Str vdi_clone_of(Call *call, const char *vdi, XapiError **error);
/* As VDI.snapshot: a read-only disk in the same SR that keeps what this one holds now. */
Str vdi_snapshot_of(Call *call, const char *vdi, XapiError **error);
/* As VDI.copy into a new disk of this SR, which may be the disk's own. */
Str vdi_copy_to(Call *call, const char *vdi, const char *sr, XapiError **error);
/* Removes a disk and its object; true where there is no such object. */
bool vdi_destroy_quietly(Call *call, const char *vdi, XapiError **error);
/* Removes a disk that is a part of no VM, on a thread of its own, for those who may not wait; what cannot be done is logged. */
void vdi_remove_later(Manager *manager, const char *vdi);
/* Notes in the call's task that the disk goes after the transaction, so that it does even if this process does not live
 * to remove it, unless it is a part of a VM then. */
void vdi_will_go(Txn *txn, const Call *call, const char *vdi);
