/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bringing two layers of a disk together while its server serves it. Either way the two read the same all the time, however
 * far it has come: what is in the upper one counts, and only when all of one is in the other does the upper, or the lower,
 * go. One merge at a time in a server; live_follow, and whatever else changes the layers, ends one that is under way. */
#pragma once

#include "live.h"

#define MERGE_BYTES_PER_SEC (256u << 20) /* so that the guest has its part of the disk's bandwidth */

typedef enum Merge {
        MERGE_UP, /* what the lower one has and the upper one has not goes into the upper one, which may be any layer */
        MERGE_DOWN, /* what the upper one has goes into the lower one; the upper one is the disk's own image */
} Merge;

typedef enum MergeState {
        MERGE_NONE, /* none is under way: it is done, or has failed, or was ended */
        MERGE_RUNNING,
        MERGE_READY, /* MERGE_DOWN alone: what is written goes to both; live_merge_take is to follow */
} MergeState;

/* Begins to merge the layer `upper` (an index into the chain, 0 on top) with the one below it. NULL, or what went wrong,
 * owned, as all that follow. */
char *live_merge_begin(const DiskRecord *record, Merge merge, const char *upper_path, uint64_t deadline_usec);
char *live_merge_state(const DiskRecord *record, uint64_t deadline_usec, MergeState *ret);
/* Ends the one that is under way, if there is one, as if it had never begun. */
char *live_merge_cancel(const DiskRecord *record, uint64_t deadline_usec);
/* Of one that is ready: takes the disk from those who use it, who wait, and ends the merge, so that all of the upper layer is
 * in the lower one. Then the lower one gets the disk's name, and live_merge_give follows. The record is held meanwhile; on
 * failure the server is to be started again, which finds the upper one on the lower one as ever. */
char *live_merge_take(const DiskRecord *record, uint64_t deadline_usec);
/* Gives the disk back, by the name that it has now, and closes the upper layer. */
char *live_merge_give(const DiskRecord *record, uint64_t deadline_usec);
