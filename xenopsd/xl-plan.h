/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libxl is told of a domain to be made: a VM's configuration and the devices that were plugged into it meanwhile. */
#pragma once

#include "xenlight.h"

typedef struct XlPlan {
        int64_t target_kib; /* the memory that it begins with */
        size_t n_disks, n_nics;
        libxl_device_disk *disks;
        libxl_device_nic *nics;
} XlPlan;

XlPlan *xl_plan_new(const XenopsVm *vm);
void xl_plan_free(XlPlan *plan); /* NULL is legal */
/* Take what the device holds. */
void xl_plan_add_disk(XlPlan *plan, libxl_device_disk *disk);
void xl_plan_add_nic(XlPlan *plan, libxl_device_nic *nic);
void xl_plan_remove_disk(XlPlan *plan, const char *vdev);
void xl_plan_remove_nic(XlPlan *plan, int devid);

/* Fills a config that was initialised, to be disposed of by the caller in any case. The plan's devices are moved into it. */
bool xl_plan_config(Xenlight *xenlight, const XenopsVm *vm, XlPlan *plan, libxl_domain_config *ret,
                    XenopsError **error);
