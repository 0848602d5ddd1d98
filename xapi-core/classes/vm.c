/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm.h"

#include "classes.h"

const VmHandlers vm_handlers = {
        .create = { PLACE_LOOP, vm_create },
        .destroy = { PLACE_LOOP, vm_destroy },
        .start = { PLACE_THREAD, vm_start },
        .start_on = { PLACE_THREAD, vm_start_on },
        .pause = { PLACE_THREAD, vm_pause },
        .unpause = { PLACE_THREAD, vm_unpause },
        .suspend = { PLACE_THREAD, vm_suspend },
        .resume = { PLACE_THREAD, vm_resume },
        .resume_on = { PLACE_THREAD, vm_resume_on },
        .clean_shutdown = { PLACE_THREAD, vm_clean_shutdown },
        .hard_shutdown = { PLACE_URGENT, vm_hard_shutdown },
        .shutdown = { PLACE_THREAD, vm_shutdown },
        .clean_reboot = { PLACE_THREAD, vm_clean_reboot },
        .hard_reboot = { PLACE_URGENT, vm_hard_reboot },
        .power_state_reset = { PLACE_THREAD, vm_power_state_reset },
};
