/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much of the host's processors a VM gets, and of which: what VM.VCPUs_params and host.guest_VCPUs_params ask for. */
#pragma once

#include "bus/xenops.h"
#include "xenapi.h"

#define SCHEDULER_WEIGHT       256 /* of those that ask for none */
#define SCHEDULER_WEIGHT_MAX   65535
#define SCHEDULER_PERCENT_VCPU 100  /* the cap that is a whole processor */
#define SCHEDULER_CPUS_MAX     4096 /* of a host */

/* Of the VM "weight", "cap" (in percent of a processor; 0: none) and "mask": "0,1" for all its virtual processors, or
 * "0,1;2,3", one after the other, the first for those that are not named. Of the host "mask": only on those. What is no
 * number, or none that can be, is as if it were not there. *ret is overwritten; xenops_scheduler_params_clear. */
void scheduler_params_read(const Map *vm, const Map *host, int64_t vcpus, XenopsSchedulerParams *ret);
