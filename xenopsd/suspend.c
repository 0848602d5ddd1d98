/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VM.suspend and VM.resume. */
#include "lifecycle.h"

#include <stdlib.h>

#include "disk.h"

#define SUSPEND_SECONDS 1200.0 /* that a guest has for it */

/* The guest goes on in its domain, where it stopped. */
static void go_on(Operation *operation)
{
        XenopsError *error = NULL;
        BackendDomain domain;
        if (!operation->backend->operations->stat(operation->backend, operation->vm, &domain) ||
            !domain.shut_down)
                return;
        if (operation->backend->operations->fast_resume(operation->undo, &operation->config->metadata.vm,
                                                        &error))
                return;
        char *text = xenops_error_text(error);
        log_error("A guest does not go on", "XAPI_VM", operation->vm, "ERROR", text, NULL);
        free(text);
        xenops_error_free(error);
}

static bool write_image(Operation *operation, const XenopsDisk *suspend_vdi, XenopsError **error)
{
        auto_disk_path disk = { 0 };
        if (!disk_attach(operation, SUSPEND_DEVICE, suspend_vdi, true, &disk, error))
                return false;
        bool good = disk.path ? operation->backend->operations->save(
                                    operation->context, &operation->config->metadata.vm, disk.path, error)
                              : xenops_fail_internal(error, "the suspend disk has no path");
        XenopsError *failed = NULL;
        if (!disk_detach(operation, SUSPEND_DEVICE, suspend_vdi, good ? error : &failed))
                good = false;
        xenops_error_free(failed);
        return good;
}

static bool check_running(Operation *operation, XenopsError **error)
{
        BackendDomain domain;
        return operation_domain(operation, &domain, error) &&
               (!domain.paused ||
                xenops_fail_bad_power_state(error, XENOPS_POWER_STATE_PAUSED, XENOPS_POWER_STATE_RUNNING));
}

static bool ask(Operation *operation, XenopsError **error)
{
        BackendDomain domain;
        return lifecycle_ask(operation, BACKEND_SUSPEND, SUSPEND_SECONDS, error) &&
               operation_domain(operation, &domain, error) &&
               (domain.reason == BACKEND_SUSPEND ||
                xenops_fail_failed_to_suspend(error, operation->vm, SUSPEND_SECONDS));
}

static bool run_suspend(Operation *operation, XenopsError **error)
{
        const XenopsVmSuspendArgs *arguments = operation->arguments;
        Journal *journal = operation->manager->journal;
        if (!check_running(operation, error) ||
            (!operation->backend->operations->save_asks && !ask(operation, error)))
                return false;
        if (!journal_begin(journal, operation->vm, JOURNAL_SUSPEND, error)) {
                go_on(operation);
                return false;
        }
        bool good = write_image(operation, &arguments->suspend_vdi, error) &&
                    journal_begin(journal, operation->vm, JOURNAL_SUSPENDED, error);
        if (good)
                good = lifecycle_set_suspended(operation, true, error) &&
                       lifecycle_take_down(operation, operation->undo, error);
        if (!good) {
                XenopsError *ignored = NULL;
                if (!operation_refresh(operation, &ignored) ||
                    !lifecycle_set_suspended(operation, false, &ignored))
                        xenops_error_free(ignored);
                go_on(operation);
        }
        journal_end(journal, operation->vm);
        manager_changed(operation->manager, operation->config);
        return good;
}

static bool run_resume(Operation *operation, XenopsError **error)
{
        const XenopsVmResumeArgs *arguments = operation->arguments;
        Journal *journal = operation->manager->journal;
        BackendDomain domain;
        if (operation->backend->operations->stat(operation->backend, operation->vm, &domain))
                return xenops_fail_bad_power_state(
                    error, domain.paused ? XENOPS_POWER_STATE_PAUSED : XENOPS_POWER_STATE_RUNNING,
                    XENOPS_POWER_STATE_SUSPENDED);
        if (!journal_begin(journal, operation->vm, JOURNAL_RESUME, error))
                return false;
        bool good = lifecycle_bring_up(operation, &arguments->suspend_vdi, true, error) &&
                    lifecycle_set_suspended(operation, false, error);
        journal_end(journal, operation->vm);
        if (good)
                manager_changed(operation->manager, operation->config);
        return good;
}

static bool run_fast_resume(Operation *operation, XenopsError **error)
{
        return operation->backend->operations->fast_resume(operation->context,
                                                           &operation->config->metadata.vm, error);
}

const OperationKind operation_suspend = { "VM.suspend", run_suspend, true, false };
const OperationKind operation_resume = { "VM.resume", run_resume, true, false };
const OperationKind operation_fast_resume = { "VM.fast_resume", run_fast_resume, false, false };
