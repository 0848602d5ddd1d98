/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an xenopsd that died left half done is undone or completed, as the journal says. */
#include "lifecycle.h"

#include <stdlib.h>

#include "disk.h"
#include "vbd.h"
#include "vif.h"

static void let_go_of_image(Operation *operation)
{
        XenopsError *failed = NULL;
        if (!disk_detach(operation, SUSPEND_DEVICE, NULL, &failed))
                xenops_error_free(failed);
}

static bool recover_reboot(Operation *operation, XenopsError **error)
{
        return lifecycle_take_down(operation, operation->undo, error) &&
               lifecycle_bring_up(operation, NULL, false, error);
}

static bool recover_suspend(Operation *operation, bool suspended, XenopsError **error)
{
        let_go_of_image(operation);
        if (!lifecycle_set_suspended(operation, suspended, error))
                return false;
        if (suspended)
                return lifecycle_take_down(operation, operation->undo, error);
        BackendDomain domain;
        /* The guest may have been asked and not have stopped yet: then operation_check has it go on. */
        return operation_domain(operation, &domain, error) &&
               (!domain.shut_down || domain.reason != BACKEND_SUSPEND ||
                operation->backend->operations->fast_resume(operation->undo, &operation->config->metadata.vm,
                                                            error));
}

static void recover_device(Operation *operation, JournalEntry entry)
{
        g_autofree char *device = journal_device(operation->manager->journal, operation->vm);
        if (!device)
                return;
        if (entry == JOURNAL_PLUG_VIF)
                vif_recover(operation, device);
        else
                vbd_recover(operation, device, entry);
}

static bool recover(Operation *operation, JournalEntry entry, XenopsError **error)
{
        switch (entry) {
        case JOURNAL_RESUME:
                let_go_of_image(operation);
                return lifecycle_take_down(operation, operation->undo, error);
        case JOURNAL_START:
        case JOURNAL_SHUTDOWN:
                return lifecycle_take_down(operation, operation->undo, error);
        case JOURNAL_REBOOT:
                return recover_reboot(operation, error);
        case JOURNAL_SUSPEND:
                return recover_suspend(operation, false, error);
        case JOURNAL_SUSPENDED:
                return recover_suspend(operation, true, error);
        case JOURNAL_PLUG_VBD:
        case JOURNAL_PLUG_VIF:
        case JOURNAL_UNPLUG_VBD:
        case JOURNAL_INSERT_VBD:
        case JOURNAL_EJECT_VBD:
                recover_device(operation, entry);
                break;
        case JOURNAL_NOTHING:
                break;
        }
        return true;
}

static bool run_recover(Operation *operation, XenopsError **error)
{
        Journal *journal = operation->manager->journal;
        bool good = recover(operation, journal_get(journal, operation->vm), error);
        journal_end(journal, operation->vm);
        manager_changed(operation->manager, operation->config);
        return good;
}

const OperationKind operation_recover = { "recover", run_recover, .rests = true };
