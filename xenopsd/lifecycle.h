/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts that starting, restarting, suspending and recovering share. */
#pragma once

#include "operation.h"

/* A domain with all its devices; when a step fails, what was done is undone. `image` is the disk to resume from, or
 * NULL to boot. The caller keeps the journal. */
bool lifecycle_bring_up(Operation *operation, const XenopsDisk *image, bool paused, XenopsError **error);
/* No domain, and its disks let go of. False: the domain is as it was. The caller keeps the journal. */
bool lifecycle_take_down(Operation *operation, BackendContext *context, XenopsError **error);
/* Lets go of disks of which a domain, that is gone, or its start may have left some attached. */
void lifecycle_let_go(Operation *operation);
/* Shuts the VM's domain down at once, whatever it does. */
bool lifecycle_shut_down(Operation *operation, XenopsError **error);
/* Another domain in place of the one there is. */
bool lifecycle_reboot(Operation *operation, XenopsError **error);
/* Asks the guest and waits at most `seconds`. False: *error is what it failed to do. */
bool lifecycle_ask(Operation *operation, BackendReason reason, double seconds, XenopsError **error);
/* Remembers whether the VM's state stands on a suspend disk. */
bool lifecycle_set_suspended(Operation *operation, bool suspended, XenopsError **error);

#define SUSPEND_DEVICE "suspend" /* the datapath of suspend disks */
