/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xenlight.h"

void xl_guest_state(Xenlight *xenlight, const XenopsVm *vm, uint32_t domid, XenopsVmState *state)
{
}
