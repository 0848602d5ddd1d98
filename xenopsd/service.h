/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xenopsd on the bus: the generated dispatch table filled with functions. */
#pragma once

#include "manager.h"

/* Serves org.xen.xapi.xenops.classic from now on; the manager is borrowed. */
BusService *xenopsd_serve(Manager *manager);

/* The functions of the table. service-vm.c, service-device.c: */
void service_vm_fill(XenopsService *table);
void service_device_fill(XenopsService *table);
/* What VBD.list and VIF.list say of it. */
void service_fill_vbds(Manager *manager, const VmConfig *config, XenopsVbdStatList *ret);
void service_fill_vifs(Manager *manager, const VmConfig *config, XenopsVifStatList *ret);
