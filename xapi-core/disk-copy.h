/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of one disk put onto another. Waits, and belongs on a worker. */
#pragma once

#include "disk-open.h"

/* Both repositories are attached here, and nobody writes to either disk. `fresh`: the target reads as zeros so far, so
 * that holes stay holes. Reports the call's progress and ends early, with TASK_CANCELLED, when the call is cancelled.
 * VDI_COPY_FAILED where reading or writing fails. */
bool disk_copy(Call *call, const DiskPlace *from, const DiskPlace *to, int64_t bytes, bool fresh,
               XapiError **error);

/* The part of it that knows nothing of repositories. `go_on(data, done)` is asked now and then. 0, -ECANCELED, or
 * -errno; nothing is under way afterwards but after a failure. */
int disk_copy_bytes(DiskStream *from, DiskStream *to, DiskRing *ring, int64_t bytes, bool fresh,
                    bool (*go_on)(void *data, int64_t done_bytes), void *data);
