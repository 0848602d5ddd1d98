/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk opened through sm-daemon, by a datapath of ours. Waits, and belongs on a worker. */
#pragma once

#include "call.h"
#include "disk-stream.h"

typedef struct DiskPlace {
        const char *sr_ref, *vdi_ref; /* for errors */
        const char *sr_uuid, *location;
} DiskPlace;

/* The repository is attached here. The datapath `dp` (storage_copy_begin) has the disk from now on, whatever it comes to:
 * disk_close_all lets go of it. NULL with *error. */
DiskStream *disk_open(Call *call, const char *dp, const DiskPlace *place, bool write, XapiError **error);
/* Ends the datapath, also where sm-daemon dies meanwhile; all streams must be freed. */
void disk_close_all(Call *call, const char *dp);
/* What a disk's read, write or flush failed with, for clients; false. */
bool disk_fail(Call *call, const DiskPlace *place, int r, XapiError **error);
/* From now on a cancelled call also ends what waits for the streams, NULL among them; until both are NULL again. */
typedef struct DiskCancel {
        DiskStream *streams[2];
        void (*more)(void *data); /* called as well; may be NULL */
        void *data;
} DiskCancel;
void disk_cancel_begin(Call *call, DiskCancel *cancel);
void disk_cancel_end(Call *call);

/* Steps of a call's progress as bytes go by. False: the call is cancelled. */
typedef struct DiskProgress {
        Call *call;
        int64_t bytes; /* in all */
        int step;
} DiskProgress;
bool disk_progress(DiskProgress *progress, int64_t done_bytes);
