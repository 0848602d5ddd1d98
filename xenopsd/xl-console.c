/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "xenlight.h"

char *xl_console_vnc_path(const Xenlight *xenlight, const char *vm)
{
        return g_strdup_printf("%s/vnc-%s", xenlight->path, vm);
}

void xl_console_state(Xenlight *xenlight, const XenopsVm *vm, uint32_t domid, XenopsVmState *state)
{
}

int xl_open_console(Backend *backend, const XenopsVm *vm, XenopsConsoleProtocol protocol, XenopsError **error)
{
        xenops_fail_unimplemented(error, "VM.open_console");
        return -1;
}
