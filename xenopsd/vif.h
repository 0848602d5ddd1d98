/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network interfaces of VMs. */
#pragma once

#include "operation.h"

bool vif_plug(Operation *operation, const XenopsVif *vif, XenopsError **error);
/* Disconnects in any case: what cannot be done is logged. */
void vif_unplug_anyway(Operation *operation, const XenopsVif *vif);
/* Unplugs what an xenopsd that died has half plugged. */
void vif_recover(Operation *operation, const char *device);
