/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "vm.h"
#include "xenapi.h"
#include "xenops.h"

static const char *state_text(XenopsPowerState state)
{
        switch (state) {
        case XENOPS_POWER_STATE_RUNNING:
                return "running";
        case XENOPS_POWER_STATE_PAUSED:
                return "paused";
        case XENOPS_POWER_STATE_SUSPENDED:
                return "suspended";
        case XENOPS_POWER_STATE_HALTED:
                break;
        }
        return "halted";
}

static bool fail_storage(const XenopsBackendFailure *f, XapiError **error)
{
        *error = xapi_error_new_array(f->code, f->params.n, (const char *const *)f->params.items);
        return false;
}

static bool fail_seconds(const char *code, const char *vm, double seconds, XapiError **error)
{
        g_autofree char *text = g_strdup_printf("%.0f", seconds);

        return xapi_fail(error, code, vm, text, NULL);
}

static bool fail_memory(const XenopsMemoryShortage *m, XapiError **error)
{
        g_autofree char *needed = g_strdup_printf("%lld", (long long)m->needed_kib * 1024);
        g_autofree char *available = g_strdup_printf("%lld", (long long)m->free_kib * 1024);

        return xapi_fail(error, ERR_HOST_NOT_ENOUGH_FREE_MEMORY, needed, available, NULL);
}

static bool fail_other(const XenopsError *e, XapiError **error)
{
        char *text = xenops_error_text(e);

        xapi_fail_internal(error, "xenopsd: %s", text);
        free(text);
        return false;
}

static bool fail(const char *vm, const char *device, const XenopsError *e, XapiError **error)
{
        switch (e->tag) {
        case XENOPS_ERROR_BAD_POWER_STATE:
                return xapi_fail(error, ERR_VM_BAD_POWER_STATE, vm, state_text(e->bad_power_state.expected),
                                 state_text(e->bad_power_state.found), NULL);
        case XENOPS_ERROR_FAILED_TO_ACKNOWLEDGE_SHUTDOWN_REQUEST:
                return xapi_fail(error, ERR_VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT, vm, NULL);
        case XENOPS_ERROR_FAILED_TO_ACKNOWLEDGE_SUSPEND_REQUEST:
                return xapi_fail(error, ERR_VM_FAILED_SUSPEND_ACKNOWLEDGMENT, vm, NULL);
        case XENOPS_ERROR_FAILED_TO_SHUTDOWN:
                return fail_seconds(ERR_VM_SHUTDOWN_TIMEOUT, vm, e->failed_to_shutdown.seconds, error);
        case XENOPS_ERROR_FAILED_TO_SUSPEND:
                return fail_seconds(ERR_VM_SUSPEND_TIMEOUT, vm, e->failed_to_suspend.seconds, error);
        case XENOPS_ERROR_STORAGE_BACKEND_ERROR:
                return fail_storage(&e->storage_backend_error, error);
        case XENOPS_ERROR_CANNOT_FREE_THIS_MUCH_MEMORY:
                return fail_memory(&e->cannot_free_this_much_memory, error);
        case XENOPS_ERROR_VMS_FAILED_TO_COOPERATE:
                return xapi_fail(error, ERR_VMS_FAILED_TO_COOPERATE, NULL);
        case XENOPS_ERROR_CANCELLED:
                return xapi_fail(error, ERR_TASK_CANCELLED, e->cancelled, NULL);
        case XENOPS_ERROR_BOOTLOADER_ERROR:
                return xapi_fail(error, ERR_BOOTLOADER_FAILED, vm, e->bootloader_error.reason, NULL);
        case XENOPS_ERROR_NO_BOOTABLE_DEVICE:
                return xapi_fail(error, ERR_BOOTLOADER_FAILED, vm, "There is no bootable device", NULL);
        case XENOPS_ERROR_DEVICE_IS_CONNECTED:
                return xapi_fail(error, ERR_DEVICE_ALREADY_ATTACHED, device, NULL);
        case XENOPS_ERROR_DEVICE_NOT_CONNECTED:
                return xapi_fail(error, ERR_DEVICE_ALREADY_DETACHED, device, NULL);
        case XENOPS_ERROR_DEVICE_DETACH_REJECTED:
                return xapi_fail(error, ERR_DEVICE_DETACH_REJECTED, e->device_detach_rejected.class, device,
                                 e->device_detach_rejected.reason, NULL);
        case XENOPS_ERROR_DEVICE_ATTACH_TIMEOUT:
                return xapi_fail(error, ERR_DEVICE_ATTACH_TIMEOUT, e->device_attach_timeout.class, device,
                                 NULL);
        case XENOPS_ERROR_UNIMPLEMENTED:
                return xapi_fail(error, ERR_NOT_IMPLEMENTED, e->unimplemented, NULL);
        default:
                return fail_other(e, error);
        }
}

bool xenops_fail(const char *vm, XenopsError *taken, XapiError **error)
{
        return xenops_fail_device(vm, vm, taken, error);
}

bool xenops_fail_device(const char *vm, const char *device, XenopsError *taken, XapiError **error)
{
        fail(vm, device, taken, error);
        xenops_error_free(taken);
        return false;
}
