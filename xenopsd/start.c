/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VM.start, VM.shutdown, VM.reboot, and what a guest does by itself. */
#include "lifecycle.h"

#include <stdlib.h>

#include <glib.h>

static bool run_start(Operation *operation, XenopsError **error)
{
        const XenopsVmStartArgs *arguments = operation->arguments;
        Journal *journal = operation->manager->journal;
        BackendDomain domain;
        bool exists = operation->backend->operations->stat(operation->backend, operation->vm, &domain);
        if (exists && !domain.shut_down)
                return !domain.paused || arguments->paused ||
                       xenops_fail_bad_power_state(error, XENOPS_POWER_STATE_PAUSED,
                                                   XENOPS_POWER_STATE_HALTED);
        if (!journal_begin(journal, operation->vm, JOURNAL_START, error))
                return false;
        bool good = (!exists || lifecycle_take_down(operation, operation->context, error)) &&
                    lifecycle_bring_up(operation, NULL, arguments->paused, error) &&
                    lifecycle_set_suspended(operation, false, error);
        journal_end(journal, operation->vm);
        if (good)
                manager_changed(operation->manager, operation->config);
        return good;
}

static bool run_shutdown(Operation *operation, XenopsError **error)
{
        const XenopsVmShutdownArgs *arguments = operation->arguments;
        BackendDomain domain;
        if (arguments->delay) {
                if (!operation_domain(operation, &domain, error) ||
                    !lifecycle_ask(operation, BACKEND_POWEROFF, *arguments->delay, error))
                        return false;
        } else if (!operation->backend->operations->stat(operation->backend, operation->vm, &domain)) {
                return lifecycle_set_suspended(operation, false, error);
        }
        bool good = lifecycle_shut_down(operation, error);
        manager_changed(operation->manager, operation->config);
        return good;
}

static bool run_reboot(Operation *operation, XenopsError **error)
{
        const XenopsVmRebootArgs *arguments = operation->arguments;
        BackendDomain domain;
        if (!operation_domain(operation, &domain, error) ||
            (arguments->delay && !lifecycle_ask(operation, BACKEND_REBOOT, *arguments->delay, error)))
                return false;
        bool good = lifecycle_reboot(operation, error);
        manager_changed(operation->manager, operation->config);
        return good;
}

static const XenopsActionList *actions_of(const XenopsVm *vm, BackendReason reason)
{
        return reason == BACKEND_CRASH    ? &vm->on_crash
               : reason == BACKEND_REBOOT ? &vm->on_reboot
                                          : &vm->on_shutdown;
}

/* False: somebody wants something else done to the VM, at once. */
static bool rest(Operation *operation, XenopsError **error)
{
        uint64_t usec = rests_note(operation->manager->rests, operation->vm, clock_usec());
        if (usec > 0)
                log_warning("A guest ends again and again: it rests", "XAPI_VM", operation->vm, NULL);
        return !cancel_sleep(&operation->rest, usec) || xenops_fail_cancelled(error, operation->vm);
}

/* What a guest was like when it crashed. It ends as its configuration says all the same if that cannot be written. */
static void dump_core(Operation *operation)
{
        const BackendOperations *backend = operation->backend->operations;
        XenopsError *error = NULL;
        if (!backend->core_dump)
                return;
        BackendContext *context = backend->context_new(operation->backend, &operation->rest);
        bool good = backend->core_dump(context, &operation->config->metadata.vm, &error);
        backend->context_free(context);
        if (good)
                return;
        char *text = xenops_error_text(error);
        log_warning("A crashed guest could not be dumped", "XAPI_VM", operation->vm, "ERROR", text, NULL);
        free(text);
        xenops_error_free(error);
}

static bool run_action(Operation *operation, XenopsAction action, XenopsError **error)
{
        switch (action) {
        case XENOPS_ACTION_SHUTDOWN:
                return lifecycle_shut_down(operation, error);
        case XENOPS_ACTION_START:
        case XENOPS_ACTION_SOFTREBOOT:
                return rest(operation, error) && lifecycle_reboot(operation, error);
        case XENOPS_ACTION_COREDUMP:
                dump_core(operation);
                return !cancel_asked(&operation->rest) || xenops_fail_cancelled(error, operation->vm);
        case XENOPS_ACTION_PAUSE: /* a domain that shut down stays as it is */
                break;
        }
        return true;
}

/* A guest shut down: what its configuration says is done, unless an operation has seen to it. */
static bool run_check(Operation *operation, XenopsError **error)
{
        const BackendOperations *backend = operation->backend->operations;
        const XenopsVm *vm = &operation->config->metadata.vm;
        BackendDomain domain;
        if (!backend->stat(operation->backend, operation->vm, &domain) || !domain.shut_down)
                return true;
        bool good;
        if (domain.reason == BACKEND_SUSPEND) {
                /* Nobody waits for it any more. */
                good = rest(operation, error) && backend->fast_resume(operation->context, vm, error);
        } else {
                const XenopsActionList *actions = actions_of(vm, domain.reason);
                good = true;
                for (size_t i = 0; i < actions->n && good; i++)
                        good = run_action(operation, actions->items[i], error);
        }
        log_info("A guest ended", "XAPI_VM", operation->vm, NULL);
        manager_changed(operation->manager, operation->config);
        return good;
}

const OperationKind operation_start = { "VM.start", run_start, true, false };
const OperationKind operation_shutdown = { "VM.shutdown", run_shutdown, true, false };
const OperationKind operation_reboot = { "VM.reboot", run_reboot, true, false };
const OperationKind operation_check = { "check", run_check, .silent = true, .rests = true };
