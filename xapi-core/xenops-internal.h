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

/* Puts a report into the rows of the VM. */
void xenops_fold(Txn *txn, Manager *manager, const char *vm, const XenopsReport *report);
