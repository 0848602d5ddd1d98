/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vif.h"

#include <stdlib.h>

#include <glib.h>

bool vif_plug(Operation *operation, const XenopsVif *vif, XenopsError **error)
{
        return operation->backend->operations->vif_plug(operation->context, vif, error);
}

void vif_unplug_anyway(Operation *operation, const XenopsVif *vif)
{
        XenopsError *error = NULL;
        if (operation->backend->operations->vif_unplug(operation->undo, &vif->id, true, &error))
                return;
        char *text = xenops_error_text(error);
        log_error("An interface could not be disconnected", "XAPI_VM", operation->vm, "XAPI_DEVICE",
                  vif->id.device, "ERROR", text, NULL);
        free(text);
        xenops_error_free(error);
}

static const XenopsVif *vif_of(const Operation *operation, const XenopsDeviceId *id, XenopsError **error)
{
        const XenopsVif *vif = vm_config_vif(operation->config, id->device ? id->device : "");
        if (!vif)
                xenops_fail_does_not_exist(error, "VIF", id->device ? id->device : "");
        return vif;
}

static bool vif_is_plugged(const Operation *operation, const XenopsVif *vif)
{
        BackendDevice device;
        if (!operation->backend->operations->vif_stat(operation->backend, &vif->id, &device))
                return false;
        g_free(device.memo);
        return true;
}

static void vif_changed(const Operation *operation, const XenopsVif *vif)
{
        updates_add(operation->manager->updates, UPDATE_VIF, operation->vm, vif->id.device);
}

static bool run_plug(Operation *operation, XenopsError **error)
{
        const XenopsVifPlugArgs *arguments = operation->arguments;
        const XenopsVif *vif = vif_of(operation, &arguments->id, error);
        BackendDomain domain;
        if (!vif || !operation_domain(operation, &domain, error))
                return false;
        if (vif_is_plugged(operation, vif))
                return true;
        Journal *journal = operation->manager->journal;
        if (!journal_begin_device(journal, operation->vm, JOURNAL_PLUG_VIF, vif->id.device, error))
                return false;
        bool good = vif_plug(operation, vif, error);
        journal_end(journal, operation->vm);
        vif_changed(operation, vif);
        return good;
}

void vif_recover(Operation *operation, const char *device)
{
        const XenopsVif *vif = vm_config_vif(operation->config, device);
        BackendDomain domain;
        if (vif && operation->backend->operations->stat(operation->backend, operation->vm, &domain))
                vif_unplug_anyway(operation, vif);
}

static bool run_unplug(Operation *operation, XenopsError **error)
{
        const XenopsVifUnplugArgs *arguments = operation->arguments;
        const XenopsVif *vif = vif_of(operation, &arguments->id, error);
        if (!vif)
                return false;
        if (!vif_is_plugged(operation, vif))
                return true;
        bool good =
            operation->backend->operations->vif_unplug(operation->context, &vif->id, arguments->force, error);
        vif_changed(operation, vif);
        return good;
}

/* data: an XenopsVif that takes the place of the one with its id. */
static bool edit_vif(VmConfig *config, void *data, XenopsError **error)
{
        const XenopsVif *changed = data;
        XenopsVif *vif = vm_config_vif(config, changed->id.device);
        if (!vif)
                return xenops_fail_does_not_exist(error, "VIF", changed->id.device);
        xenops_vif_clear(vif);
        bus_value_copy(&xenops_type_vif, vif, changed);
        return true;
}

/* Changes an interface by `change`: in the domain if it is plugged, and in the configuration. */
static bool vif_change(Operation *operation, const XenopsDeviceId *id,
                       void (*change)(XenopsVif *vif, const void *arguments), XenopsError **error)
{
        const XenopsVif *vif = vif_of(operation, id, error);
        if (!vif)
                return false;
        XenopsVif *changed = xenops_vif_dup(vif);
        change(changed, operation->arguments);
        bool good = !vif_is_plugged(operation, vif) ||
                    operation->backend->operations->vif_change(operation->context, changed, error);
        good = good && vm_store_edit(operation->manager->vms, operation->vm, edit_vif, changed, error);
        vif_changed(operation, vif);
        xenops_vif_free(changed);
        return good;
}

static void change_network(XenopsVif *vif, const void *arguments)
{
        xenops_network_clear(&vif->backend);
        bus_value_copy(&xenops_type_network, &vif->backend, &((const XenopsVifMoveArgs *)arguments)->network);
}

static void change_carrier(XenopsVif *vif, const void *arguments)
{
        vif->carrier = ((const XenopsVifSetCarrierArgs *)arguments)->carrier;
}

static void change_locking_mode(XenopsVif *vif, const void *arguments)
{
        xenops_locking_mode_clear(&vif->locking_mode);
        bus_value_copy(&xenops_type_locking_mode, &vif->locking_mode,
                       &((const XenopsVifSetLockingModeArgs *)arguments)->locking_mode);
}

static void change_ipv4(XenopsVif *vif, const void *arguments)
{
        xenops_ipv4_configuration_clear(&vif->ipv4_configuration);
        bus_value_copy(&xenops_type_ipv4_configuration, &vif->ipv4_configuration,
                       &((const XenopsVifSetIpv4ConfigurationArgs *)arguments)->ipv4_configuration);
}

static void change_ipv6(XenopsVif *vif, const void *arguments)
{
        xenops_ipv6_configuration_clear(&vif->ipv6_configuration);
        bus_value_copy(&xenops_type_ipv6_configuration, &vif->ipv6_configuration,
                       &((const XenopsVifSetIpv6ConfigurationArgs *)arguments)->ipv6_configuration);
}

static void change_trunks(XenopsVif *vif, const void *arguments)
{
        const BusInts *trunks = &((const XenopsVifSetTrunksArgs *)arguments)->trunks;
        free(vif->trunks.items);
        vif->trunks = (BusInts){ 0 };
        for (size_t i = 0; i < trunks->n; i++)
                *BUS_LIST_ADD(&vif->trunks) = trunks->items[i];
}

static bool run_move(Operation *operation, XenopsError **error)
{
        return vif_change(operation, &((XenopsVifMoveArgs *)operation->arguments)->id, change_network, error);
}

static bool run_set_carrier(Operation *operation, XenopsError **error)
{
        return vif_change(operation, &((XenopsVifSetCarrierArgs *)operation->arguments)->id, change_carrier,
                          error);
}

static bool run_set_locking_mode(Operation *operation, XenopsError **error)
{
        return vif_change(operation, &((XenopsVifSetLockingModeArgs *)operation->arguments)->id,
                          change_locking_mode, error);
}

static bool run_set_ipv4(Operation *operation, XenopsError **error)
{
        return vif_change(operation, &((XenopsVifSetIpv4ConfigurationArgs *)operation->arguments)->id,
                          change_ipv4, error);
}

static bool run_set_ipv6(Operation *operation, XenopsError **error)
{
        return vif_change(operation, &((XenopsVifSetIpv6ConfigurationArgs *)operation->arguments)->id,
                          change_ipv6, error);
}

static bool run_set_trunks(Operation *operation, XenopsError **error)
{
        return vif_change(operation, &((XenopsVifSetTrunksArgs *)operation->arguments)->id, change_trunks,
                          error);
}

const OperationKind operation_vif_plug = { "VIF.plug", run_plug, true, false };
const OperationKind operation_vif_unplug = { "VIF.unplug", run_unplug, false, false };
const OperationKind operation_vif_move = { "VIF.move", run_move, false, false };
const OperationKind operation_vif_set_carrier = { "VIF.set_carrier", run_set_carrier, false, false };
const OperationKind operation_vif_set_locking_mode = { "VIF.set_locking_mode", run_set_locking_mode, false,
                                                       false };
const OperationKind operation_vif_set_ipv4_configuration = { "VIF.set_ipv4_configuration", run_set_ipv4,
                                                             false, false };
const OperationKind operation_vif_set_ipv6_configuration = { "VIF.set_ipv6_configuration", run_set_ipv6,
                                                             false, false };
const OperationKind operation_vif_set_trunks = { "VIF.set_trunks", run_set_trunks, false, false };
