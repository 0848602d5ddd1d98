/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the files that are xenops.h. */
#pragma once

#include "xenops.h"

/* What xenopsd says of a VM and its devices. */
typedef struct XenopsReport {
        XenopsVmStat vm;
        XenopsVbdStatList vbds;
        XenopsVifStatList vifs;
        bool known; /* false: xenopsd has no such VM */
} XenopsReport;

bool xenops_stopping(Xenops *xenops);

/* What stands for the VDI behind its SR's uuid, in xenops_disk_of_vdi's text. Borrowed. */
const char *xenops_location(const VdiRow *vdi);

/* Who waits for tasks of xenopsd: xenops_wait, in xenops-task.c. */
typedef struct XenopsTasks XenopsTasks;
XenopsTasks *xenops_tasks_new(void);
void xenops_tasks_free(XenopsTasks *tasks); /* when nobody waits any more */
XenopsTasks *xenops_tasks(Xenops *xenops);
/* Something happened to the task; whoever waits for it looks. From any thread. */
void xenops_tasks_wake(XenopsTasks *tasks, const char *task);
void xenops_tasks_wake_all(XenopsTasks *tasks);

/* Puts a report into the rows of the VM. */
void xenops_fold(Txn *txn, Manager *manager, const char *vm, const XenopsReport *report);

/* Puts what the guest's agent says into the guest's metrics; last_updated moves where that is news. Keys and values that
 * are too long are left out, as is what goes beyond so many in a map. */
void xenops_fold_guest(VmGuestMetricsRow *guest, const XenopsVmState *state);
#define XENOPS_GUEST_KEYS_MAX       256
#define XENOPS_GUEST_TEXT_BYTES_MAX 1024
