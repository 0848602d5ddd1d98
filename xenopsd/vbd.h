/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks of VMs. */
#pragma once

#include "operation.h"

/* Attaches the disk, if there is one in the drive, and connects it. */
bool vbd_plug(Operation *operation, const XenopsVbd *vbd, XenopsError **error);
/* Disconnects and detaches, in any case: what cannot be done is logged. */
void vbd_unplug_anyway(Operation *operation, const XenopsVbd *vbd);
/* Detaches what a domain that is gone may have left attached; logs what cannot be done. */
void vbd_detach_anyway(Operation *operation, const XenopsVbd *vbd);
/* After an xenopsd that died in the middle of this: what was half plugged is unplugged, what no domain uses is detached, and
 * a drive whose medium was being changed is empty; logs what cannot be done. */
void vbd_recover(Operation *operation, const char *device, JournalEntry entry);
/* Takes out, in its turn, what the guest wants out of that drive, if it is one. Any thread. */
void vbd_eject_wanted(Manager *manager, const char *vm, const char *device);
/* After the VM was forgotten. */
void vbd_eject_forget(Manager *manager, const char *vm);
/* "SR/VDI" or a path; "" for an empty drive. Borrowed. */
const char *vbd_disk_text(const XenopsDisk *disk);
