/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of live.h share. Functions return NULL, or what went wrong, owned, unless they say otherwise. */
#pragma once

#include "qmp.h"
#include "server-command.h"

int live_open(const DiskRecord *record, uint64_t deadline_usec, Qmp **ret); /* 0 or negative errno */
char *live_failed(const Qmp *qmp, const char *what);
char *live_failed_errno(const char *what, int r);
bool live_has_node(Qmp *qmp, const char *node);
/* The node that the export has; *ret_node NULL: there is no such export. */
char *live_exported(Qmp *qmp, const char *id, char **ret_node);
char *live_add_layer(Qmp *qmp, const Layer *layer);
bool live_is_layer(GPtrArray *layers, const char *node); /* a node of one of them, or of its file */
#define LIVE_JOB "merge"
/* Ends a merge that is under way (live-merge.h), as if it had never begun. */
char *live_end_merge(Qmp *qmp);
/* Takes the disk from those who use it, who wait (the kernel) or are cut off; and gives it back. */
char *live_close(Qmp *qmp, const DiskRecord *record);
char *live_reopen(Qmp *qmp, const DiskRecord *record, const char *node, bool through);
