/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of one disk put onto another. Waits, and belongs on a worker. */
#pragma once

#include "call.h"

typedef struct DiskPlace {
        const char *sr_ref, *vdi_ref; /* for errors */
        const char *sr_uuid, *location;
} DiskPlace;

/* Both repositories are attached here, and nobody writes to either disk. `fresh`: the target reads as zeros so far, so
 * that holes stay holes. Reports the call's progress and ends early, with TASK_CANCELLED, when the call is cancelled.
 * SR_OPERATION_NOT_SUPPORTED where a disk is neither file nor block device to this process. */
bool disk_copy(Call *call, const DiskPlace *from, const DiskPlace *to, int64_t bytes, bool fresh,
               XapiError **error);

/* The part of it that knows nothing of disks. `go_on(data, done)` is asked now and then. 0, -ECANCELED, or -errno. */
int disk_copy_bytes(int from, int to, int64_t bytes, bool fresh,
                    bool (*go_on)(void *data, int64_t done_bytes), void *data);
