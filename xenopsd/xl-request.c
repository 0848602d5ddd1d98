/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include <glib.h>

#include "message-switch/lib/daemon.h"
#include "xenlight.h"

static bool is_shut_down(BackendContext *context, const char *vm)
{
        BackendDomain domain;
        return !xl_stat(context->backend, vm, &domain) || domain.shut_down;
}

bool xl_request(BackendContext *context, const XenopsVm *vm, BackendReason reason, XenopsError **error)
{
        XlContext *xl = (XlContext *)context;
        uint32_t domid;
        int rc;
        libxl_ctx *ctx = xl_ctx(context, error);
        if (!ctx || !xl_domid(context, vm->id, &domid, error))
                return false;
        if (is_shut_down(context, vm->id))
                return true;
        if (reason == BACKEND_REBOOT) {
                rc = libxl_domain_reboot(ctx, domid, xl_how(context));
        } else {
                rc = libxl_domain_shutdown(ctx, domid, xl_how(context));
                if (rc == ERROR_NOPARAVIRT) /* there is still the power button */
                        rc = libxl_send_trigger(ctx, domid, LIBXL_TRIGGER_POWER, 0, xl_how(context));
        }
        xl->asking = rc == 0;
        if (rc == ERROR_NOPARAVIRT)
                return xenops_fail_failed_to_acknowledge_shutdown_request(error);
        return rc == 0 || xl_fail(context, error, rc, "cannot ask the guest");
}

int xl_wait_acknowledged(BackendContext *context, const char *vm, uint64_t deadline_usec)
{
        XlContext *xl = (XlContext *)context;
        if (!xl->asking)
                return 0;
        int rc = xl_await_until(context, deadline_usec, 0);
        xl->asking = false;
        if (rc == 0 || is_shut_down(context, vm))
                return 0;
        return rc == ERROR_ABORTED                                  ? -ECANCELED
               : rc == ERROR_TIMEDOUT || rc == ERROR_GUEST_TIMEDOUT ? -ETIME
                                                                    : -EIO;
}

int xl_wait_shut_down(BackendContext *context, const char *vm, uint64_t deadline_usec)
{
        if (is_shut_down(context, vm))
                return 0;
        return xl_table_wait(xl_of(context)->table, vm, deadline_usec, context->cancel);
}
