/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vbd.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "disk.h"

const char *vbd_disk_text(const XenopsDisk *disk)
{
        return !disk ? "" : disk->tag == XENOPS_DISK_LOCAL ? disk->local : disk->vdi;
}

#define STUCK_DISK  "A disk could not be let go of"
#define STUCK_DRIVE "A drive could not be emptied"

static void log_failure(const char *what, const Operation *operation, const char *device, XenopsError *taken)
{
        char *text = xenops_error_text(taken);
        log_error(what, "XAPI_VM", operation->vm, "XAPI_DEVICE", device, "ERROR", text, NULL);
        free(text);
        xenops_error_free(taken);
}

void vbd_detach_anyway(Operation *operation, const XenopsVbd *vbd)
{
        XenopsError *error = NULL;
        if (vbd->backend && !disk_detach(operation, vbd->id.device, vbd->backend, &error))
                log_failure(STUCK_DISK, operation, vbd->id.device, error);
}

void vbd_unplug_anyway(Operation *operation, const XenopsVbd *vbd)
{
        XenopsError *error = NULL;
        if (!operation->backend->operations->vbd_unplug(operation->undo, &vbd->id, true, &error))
                log_failure(STUCK_DISK, operation, vbd->id.device, error);
        vbd_detach_anyway(operation, vbd);
}

/* Attaches vbd's disk and gives it to the back end by `function`. */
static bool vbd_connect(Operation *operation, const XenopsVbd *vbd,
                        bool (*function)(BackendContext *, const XenopsVbd *, const BackendDisk *,
                                         XenopsError **),
                        XenopsError **error)
{
        auto_disk_path disk = { 0 };
        if (vbd->backend && !disk_attach(operation, vbd->id.device, vbd->backend,
                                         vbd->mode == XENOPS_VBD_MODE_READ_WRITE, &disk, error))
                return false;
        BackendDisk backend_disk = { disk.path, disk.nbd, vbd_disk_text(vbd->backend) };
        if (function(operation->context, vbd, &backend_disk, error))
                return true;
        vbd_detach_anyway(operation, vbd);
        return false;
}

bool vbd_plug(Operation *operation, const XenopsVbd *vbd, XenopsError **error)
{
        return vbd_connect(operation, vbd, operation->backend->operations->vbd_plug, error);
}

static const XenopsVbd *vbd_of(const Operation *operation, const XenopsDeviceId *id, XenopsError **error)
{
        const XenopsVbd *vbd = vm_config_vbd(operation->config, id->device ? id->device : "");
        if (!vbd)
                xenops_fail_does_not_exist(error, "VBD", id->device ? id->device : "");
        return vbd;
}

static bool vbd_is_plugged(const Operation *operation, const XenopsVbd *vbd)
{
        BackendDevice device;
        if (!operation->backend->operations->vbd_stat(operation->backend, &vbd->id, &device))
                return false;
        g_free(device.memo);
        return true;
}

static void vbd_changed(const Operation *operation, const XenopsVbd *vbd)
{
        updates_add(operation->manager->updates, UPDATE_VBD, operation->vm, vbd->id.device);
}

static bool run_plug(Operation *operation, XenopsError **error)
{
        const XenopsVbdPlugArgs *arguments = operation->arguments;
        const XenopsVbd *vbd = vbd_of(operation, &arguments->id, error);
        BackendDomain domain;
        if (!vbd || !operation_domain(operation, &domain, error))
                return false;
        if (vbd_is_plugged(operation, vbd))
                return true;
        Journal *journal = operation->manager->journal;
        if (!journal_begin_device(journal, operation->vm, JOURNAL_PLUG_VBD, vbd->id.device, error))
                return false;
        bool good = vbd_plug(operation, vbd, error);
        journal_end(journal, operation->vm);
        vbd_changed(operation, vbd);
        return good;
}

static bool unplug(Operation *operation, const XenopsVbd *vbd, bool force, XenopsError **error)
{
        if (!operation->backend->operations->vbd_unplug(operation->context, &vbd->id, force, error))
                return false;
        vbd_changed(operation, vbd);
        return !vbd->backend || disk_detach(operation, vbd->id.device, vbd->backend, error);
}

static bool run_unplug(Operation *operation, XenopsError **error)
{
        const XenopsVbdUnplugArgs *arguments = operation->arguments;
        const XenopsVbd *vbd = vbd_of(operation, &arguments->id, error);
        Journal *journal = operation->manager->journal;
        if (!vbd)
                return false;
        if (!vbd_is_plugged(operation, vbd))
                return true;
        if (!journal_begin_device(journal, operation->vm, JOURNAL_UNPLUG_VBD, vbd->id.device, error))
                return false;
        bool good = unplug(operation, vbd, arguments->force, error);
        journal_end(journal, operation->vm);
        return good;
}

/* data: an XenopsVbd that takes the place of the one with its id. */
static bool edit_vbd(VmConfig *config, void *data, XenopsError **error)
{
        const XenopsVbd *changed = data;
        XenopsVbd *vbd = vm_config_vbd(config, changed->id.device);
        if (!vbd)
                return xenops_fail_does_not_exist(error, "VBD", changed->id.device);
        xenops_vbd_clear(vbd);
        bus_value_copy(&xenops_type_vbd, vbd, changed);
        return true;
}

/* Puts another disk, or none, in a drive: in the domain if it is plugged, and in the configuration. */
static bool vbd_set_disk(Operation *operation, const XenopsVbd *vbd, const XenopsDisk *disk,
                         XenopsError **error)
{
        XenopsVbd *changed = xenops_vbd_dup(vbd);
        xenops_disk_free(changed->backend);
        changed->backend = disk ? xenops_disk_dup(disk) : NULL;
        const BackendOperations *backend = operation->backend->operations;
        bool good = true;
        if (vbd_is_plugged(operation, vbd))
                good = vbd_connect(operation, changed, backend->vbd_change, error);
        if (good && !disk)
                vbd_detach_anyway(operation, vbd);
        good = good && vm_store_edit(operation->manager->vms, operation->vm, edit_vbd, changed, error);
        vbd_changed(operation, vbd);
        xenops_vbd_free(changed);
        return good;
}

static bool vbd_eject(Operation *operation, const XenopsVbd *vbd, XenopsError **error)
{
        Journal *journal = operation->manager->journal;
        if (!journal_begin_device(journal, operation->vm, JOURNAL_EJECT_VBD, vbd->id.device, error))
                return false;
        bool good = vbd_set_disk(operation, vbd, NULL, error);
        journal_end(journal, operation->vm);
        return good;
}

static bool run_eject(Operation *operation, XenopsError **error)
{
        const XenopsVbdEjectArgs *arguments = operation->arguments;
        const XenopsVbd *vbd = vbd_of(operation, &arguments->id, error);
        if (!vbd)
                return false;
        if (vbd->ty == XENOPS_VBD_TYPE_DISK)
                return xenops_fail_media_not_ejectable(error);
        if (!vbd->backend)
                return xenops_fail_media_not_present(error);
        return vbd_eject(operation, vbd, error);
}

/* ---- what guests want out ---- */

void vbd_eject_wanted(Manager *manager, const char *vm, const char *device)
{
        pthread_mutex_lock(&manager->ejects_lock);
        /* However often it says so, it waits for one operation. */
        bool is_new = vm_store_has(manager->vms, vm) &&
                      g_hash_table_add(manager->ejects, g_strconcat(vm, " ", device, NULL));
        pthread_mutex_unlock(&manager->ejects_lock);
        if (is_new)
                operation_submit_own(manager, &operation_vbd_eject_wanted, vm);
}

/* -> the devices, whose wishes are forgotten. */
static GPtrArray *take_wanted(Manager *manager, const char *vm)
{
        g_autofree char *prefix = g_strconcat(vm, " ", NULL);
        GPtrArray *devices = g_ptr_array_new_with_free_func(g_free);
        GHashTableIter iter;
        gpointer key;
        pthread_mutex_lock(&manager->ejects_lock);
        g_hash_table_iter_init(&iter, manager->ejects);
        while (g_hash_table_iter_next(&iter, &key, NULL)) {
                if (!g_str_has_prefix(key, prefix))
                        continue;
                g_ptr_array_add(devices, g_strdup((char *)key + strlen(prefix)));
                g_hash_table_iter_remove(&iter);
        }
        pthread_mutex_unlock(&manager->ejects_lock);
        return devices;
}

void vbd_eject_forget(Manager *manager, const char *vm)
{
        g_ptr_array_unref(take_wanted(manager, vm));
}

static bool run_eject_wanted(Operation *operation, XenopsError **error)
{
        g_autoptr(GPtrArray) devices = take_wanted(operation->manager, operation->vm);
        bool good = true;
        for (guint i = 0; i < devices->len && good; i++) {
                const XenopsVbd *vbd = vm_config_vbd(operation->config, devices->pdata[i]);
                if (vbd && vbd->ty == XENOPS_VBD_TYPE_CDROM && vbd->backend)
                        good = vbd_eject(operation, vbd, error) && operation_refresh(operation, error);
        }
        return good;
}

static bool run_insert(Operation *operation, XenopsError **error)
{
        const XenopsVbdInsertArgs *arguments = operation->arguments;
        const XenopsVbd *vbd = vbd_of(operation, &arguments->id, error);
        Journal *journal = operation->manager->journal;
        if (!vbd)
                return false;
        if (vbd->backend)
                return xenops_fail_media_present(error);
        if (!journal_begin_device(journal, operation->vm, JOURNAL_INSERT_VBD, vbd->id.device, error))
                return false;
        bool good = vbd_set_disk(operation, vbd, &arguments->disk, error);
        journal_end(journal, operation->vm);
        return good;
}

/* The medium that was to go in is in no configuration. */
static void undo_insert(Operation *operation, const XenopsVbd *vbd)
{
        const BackendOperations *backend = operation->backend->operations;
        const BackendDisk none = { NULL, NULL, "" };
        XenopsError *error = NULL;
        if (vbd_is_plugged(operation, vbd) && !backend->vbd_change(operation->undo, vbd, &none, &error))
                log_failure(STUCK_DRIVE, operation, vbd->id.device, error);
        error = NULL;
        if (!disk_detach(operation, vbd->id.device, NULL, &error))
                log_failure(STUCK_DRIVE, operation, vbd->id.device, error);
}

static void recover_drive(Operation *operation, const XenopsVbd *vbd, JournalEntry entry)
{
        XenopsError *error = NULL;
        if (entry == JOURNAL_INSERT_VBD && !vbd->backend)
                undo_insert(operation, vbd);
        else if (entry == JOURNAL_EJECT_VBD && vbd->backend && !vbd_set_disk(operation, vbd, NULL, &error))
                log_failure(STUCK_DRIVE, operation, vbd->id.device, error);
        vbd_changed(operation, vbd);
}

void vbd_recover(Operation *operation, const char *device, JournalEntry entry)
{
        const XenopsVbd *vbd = vm_config_vbd(operation->config, device);
        BackendDomain domain;
        if (!vbd)
                return;
        if (entry == JOURNAL_INSERT_VBD || entry == JOURNAL_EJECT_VBD)
                recover_drive(operation, vbd, entry);
        /* A domain that was to let go of its disk may use it still. */
        else if (entry == JOURNAL_PLUG_VBD &&
                 operation->backend->operations->stat(operation->backend, operation->vm, &domain))
                vbd_unplug_anyway(operation, vbd);
        else if (!vbd_is_plugged(operation, vbd))
                vbd_detach_anyway(operation, vbd);
}

const OperationKind operation_vbd_plug = { "VBD.plug", run_plug, true, false };
const OperationKind operation_vbd_unplug = { "VBD.unplug", run_unplug, true, false };
const OperationKind operation_vbd_eject = { "VBD.eject", run_eject, true, false };
const OperationKind operation_vbd_eject_wanted = { "VBD.eject, by the guest", run_eject_wanted, true, false };
const OperationKind operation_vbd_insert = { "VBD.insert", run_insert, true, false };
