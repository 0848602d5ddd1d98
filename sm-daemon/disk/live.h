/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes to the layers of a disk while its server serves it. Whatever they leave half done is in the server alone, which,
 * started again, serves what the image's name is; and is found and finished by live_follow. */
#pragma once

#include <stdint.h>

#include "disk-record.h"

/* All return NULL, or what went wrong, owned (g_free). */

/* Has the server serve what the disk's name is now: the overlays that were put on its image since go on top of what it
 * has open. What a snapshot holds is what had been written by then. */
char *live_follow(const DiskRecord *record, uint64_t deadline_usec);
/* Makes the disk larger, and shows that to whoever uses its device. */
char *live_resize(const DiskRecord *record, int64_t bytes, uint64_t deadline_usec);
