/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <string.h>

#include <glib.h>

#include "operation.h"

/* ---- what is the same for every kind of device ---- */

static bool check_id(const XenopsDeviceId *id, XenopsError **error)
{
        return (vm_id_valid(id->vm) && vm_id_valid(id->device)) ||
               xenops_fail_internal(error,
                                    "a device's id is that of its VM and its own, each 1 to %u of "
                                    "A-Z a-z 0-9 . _ -",
                                    VM_ID_MAX);
}

static void changed(Manager *manager, UpdateKind kind, const XenopsDeviceId *id)
{
        updates_add(manager->updates, kind, id->vm, id->device);
}

/* The list of a VM's devices of a kind, as bus_list_add has it; items begin with their id. */
typedef struct DeviceClass {
        const char *name; /* in errors */
        UpdateKind kind;
        const BusType *type;
        size_t list_offset; /* in XenopsMetadata */
} DeviceClass;

static const DeviceClass class_vbd = { "VBD", UPDATE_VBD, &xenops_type_vbd, offsetof(XenopsMetadata, vbds) };
static const DeviceClass class_vif = { "VIF", UPDATE_VIF, &xenops_type_vif, offsetof(XenopsMetadata, vifs) };

static BusList *devices_of(const VmConfig *config, const DeviceClass *class)
{
        return (BusList *)(void *)((char *)&config->metadata + class->list_offset);
}

/* NULL: no such device. Every device's struct begins with its id. */
static void *device_of(const VmConfig *config, const DeviceClass *class, const char *device)
{
        BusList *list = devices_of(config, class);
        for (size_t i = 0; i < list->n; i++) {
                char *item = (char *)list->items + i * class->type->size;
                if (g_strcmp0(((XenopsDeviceId *)(void *)item)->device, device) == 0)
                        return item;
        }
        return NULL;
}

typedef struct DeviceEdit {
        const DeviceClass *class;
        const void *device; /* to be added, in place of the one with its id */
        const char *id;     /* to be removed */
} DeviceEdit;

static bool edit_add(VmConfig *config, void *data, XenopsError **error)
{
        const DeviceEdit *edit = data;
        const XenopsDeviceId *id = edit->device;
        void *slot = device_of(config, edit->class, id->device);
        if (slot) {
                bus_value_clear(edit->class->type, slot);
        } else {
                if (devices_of(config, edit->class)->n >= VM_DEVICES_MAX)
                        return xenops_fail_internal(error, "more than %u devices", VM_DEVICES_MAX);
                slot = bus_list_add(devices_of(config, edit->class), edit->class->type->size);
        }
        bus_value_copy(edit->class->type, slot, edit->device);
        return true;
}

static bool device_add(Manager *manager, const DeviceClass *class, const void *device, XenopsDeviceId *ret,
                       XenopsError **error)
{
        const XenopsDeviceId *id = device;
        DeviceEdit edit = { class, device, NULL };
        if (!check_id(id, error) || !vm_store_edit(manager->vms, id->vm, edit_add, &edit, error))
                return false;
        changed(manager, class->kind, id);
        bus_value_copy(&xenops_type_device_id, ret, id);
        return true;
}

static bool edit_remove(VmConfig *config, void *data, XenopsError **error)
{
        const DeviceEdit *edit = data;
        char *item = device_of(config, edit->class, edit->id);
        BusList *list = devices_of(config, edit->class);
        size_t size = edit->class->type->size;
        if (!item)
                return xenops_fail_does_not_exist(error, edit->class->name, edit->id);
        bus_value_clear(edit->class->type, item);
        char *end = (char *)list->items + list->n * size;
        memmove(item, item + size, (size_t)(end - item) - size);
        list->n--;
        return true;
}

static bool device_remove(Manager *manager, const DeviceClass *class, const XenopsDeviceId *id, bool plugged,
                          XenopsError **error)
{
        DeviceEdit edit = { class, NULL, id->device };
        if (plugged)
                return xenops_fail_device_is_connected(error);
        if (!vm_store_edit(manager->vms, id->vm, edit_remove, &edit, error))
                return false;
        updates_gone(manager->updates, class->kind, id->vm, id->device);
        return true;
}

/* The VM's version and the device in it. NULL: *error is set. */
static VmConfig *device_get(Manager *manager, const DeviceClass *class, const XenopsDeviceId *id, void **ret,
                            XenopsError **error)
{
        if (!check_id(id, error))
                return NULL;
        VmConfig *config = vm_store_get(manager->vms, id->vm, error);
        if (!config)
                return NULL;
        *ret = device_of(config, class, id->device);
        if (*ret)
                return config;
        vm_config_unref(config);
        xenops_fail_does_not_exist(error, class->name, id->device);
        return NULL;
}

/* ---- VBDs ---- */

static void fill_vbd(Manager *manager, const XenopsVbd *vbd, XenopsVbdStat *ret)
{
        bus_value_copy(&xenops_type_vbd, &ret->vbd, vbd);
        manager_vbd_state(manager, vbd, &ret->state);
}

static bool on_vbd_add(void *data, const ServiceCall *call, XenopsVbdAddArgs *args, XenopsDeviceId *ret,
                       XenopsError **error)
{
        return device_add(data, &class_vbd, &args->vbd, ret, error);
}

static bool on_vbd_stat(void *data, const ServiceCall *call, XenopsVbdStatArgs *args, XenopsVbdStat *ret,
                        XenopsError **error)
{
        void *vbd;
        auto_vm_config *config = device_get(data, &class_vbd, &args->id, &vbd, error);
        if (config)
                fill_vbd(data, vbd, ret);
        return config;
}

void service_fill_vbds(Manager *manager, const VmConfig *config, XenopsVbdStatList *ret)
{
        for (size_t i = 0; i < config->metadata.vbds.n; i++)
                fill_vbd(manager, &config->metadata.vbds.items[i], BUS_LIST_ADD(ret));
}

static bool on_vbd_list(void *data, const ServiceCall *call, XenopsVbdListArgs *args, XenopsVbdStatList *ret,
                        XenopsError **error)
{
        auto_vm_config *config = vm_store_get(((Manager *)data)->vms, args->id ? args->id : "", error);
        if (config)
                service_fill_vbds(data, config, ret);
        return config;
}

static bool on_vbd_remove(void *data, const ServiceCall *call, XenopsVbdRemoveArgs *args, XenopsError **error)
{
        void *vbd;
        auto_vm_config *config = device_get(data, &class_vbd, &args->id, &vbd, error);
        if (!config)
                return false;
        XenopsVbdState state;
        manager_vbd_state(data, vbd, &state);
        bool plugged = state.plugged;
        bus_value_clear(&xenops_type_vbd_state, &state);
        return device_remove(data, &class_vbd, &args->id, plugged, error);
}

/* ---- VIFs ---- */

static void fill_vif(Manager *manager, const XenopsVif *vif, XenopsVifStat *ret)
{
        bus_value_copy(&xenops_type_vif, &ret->vif, vif);
        manager_vif_state(manager, vif, &ret->state);
}

static bool on_vif_add(void *data, const ServiceCall *call, XenopsVifAddArgs *args, XenopsDeviceId *ret,
                       XenopsError **error)
{
        return device_add(data, &class_vif, &args->vif, ret, error);
}

static bool on_vif_stat(void *data, const ServiceCall *call, XenopsVifStatArgs *args, XenopsVifStat *ret,
                        XenopsError **error)
{
        void *vif;
        auto_vm_config *config = device_get(data, &class_vif, &args->id, &vif, error);
        if (config)
                fill_vif(data, vif, ret);
        return config;
}

void service_fill_vifs(Manager *manager, const VmConfig *config, XenopsVifStatList *ret)
{
        for (size_t i = 0; i < config->metadata.vifs.n; i++)
                fill_vif(manager, &config->metadata.vifs.items[i], BUS_LIST_ADD(ret));
}

static bool on_vif_list(void *data, const ServiceCall *call, XenopsVifListArgs *args, XenopsVifStatList *ret,
                        XenopsError **error)
{
        auto_vm_config *config = vm_store_get(((Manager *)data)->vms, args->id ? args->id : "", error);
        if (config)
                service_fill_vifs(data, config, ret);
        return config;
}

static bool on_vif_remove(void *data, const ServiceCall *call, XenopsVifRemoveArgs *args, XenopsError **error)
{
        void *vif;
        auto_vm_config *config = device_get(data, &class_vif, &args->id, &vif, error);
        if (!config)
                return false;
        XenopsVifState state;
        manager_vif_state(data, vif, &state);
        bool plugged = state.plugged;
        bus_value_clear(&xenops_type_vif_state, &state);
        return device_remove(data, &class_vif, &args->id, plugged, error);
}

/* ---- kinds of which a VM cannot be given any yet ---- */

static bool on_pci_list(void *data, const ServiceCall *call, XenopsPciListArgs *args, XenopsPciStatList *ret,
                        XenopsError **error)
{
        auto_vm_config *config = vm_store_get(((Manager *)data)->vms, args->id ? args->id : "", error);
        return config;
}

static bool on_vgpu_list(void *data, const ServiceCall *call, XenopsVgpuListArgs *args,
                         XenopsVgpuStatList *ret, XenopsError **error)
{
        auto_vm_config *config = vm_store_get(((Manager *)data)->vms, args->id ? args->id : "", error);
        return config;
}

static bool on_vusb_list(void *data, const ServiceCall *call, XenopsVusbListArgs *args,
                         XenopsVusbStatList *ret, XenopsError **error)
{
        auto_vm_config *config = vm_store_get(((Manager *)data)->vms, args->id ? args->id : "", error);
        return config;
}

/* ---- operations ---- */

#define OPERATION(name, Args)                                                                                \
        static bool on_##name(void *data, const ServiceCall *call, Args *args, char **ret,                   \
                              XenopsError **error)                                                           \
        {                                                                                                    \
                return operation_submit(data, &operation_##name, call->method, args->debug_info,             \
                                        args->id.vm, args, false, ret, error);                               \
        }

OPERATION(vbd_plug, XenopsVbdPlugArgs)
OPERATION(vbd_unplug, XenopsVbdUnplugArgs)
OPERATION(vbd_eject, XenopsVbdEjectArgs)
OPERATION(vbd_insert, XenopsVbdInsertArgs)
OPERATION(vif_plug, XenopsVifPlugArgs)
OPERATION(vif_unplug, XenopsVifUnplugArgs)
OPERATION(vif_move, XenopsVifMoveArgs)
OPERATION(vif_set_carrier, XenopsVifSetCarrierArgs)
OPERATION(vif_set_locking_mode, XenopsVifSetLockingModeArgs)
OPERATION(vif_set_ipv4_configuration, XenopsVifSetIpv4ConfigurationArgs)
OPERATION(vif_set_ipv6_configuration, XenopsVifSetIpv6ConfigurationArgs)
OPERATION(vif_set_trunks, XenopsVifSetTrunksArgs)

void service_device_fill(XenopsService *table)
{
        table->vbd_add = on_vbd_add;
        table->vbd_stat = on_vbd_stat;
        table->vbd_list = on_vbd_list;
        table->vbd_remove = on_vbd_remove;
        table->vbd_plug = on_vbd_plug;
        table->vbd_unplug = on_vbd_unplug;
        table->vbd_eject = on_vbd_eject;
        table->vbd_insert = on_vbd_insert;
        table->vif_add = on_vif_add;
        table->vif_stat = on_vif_stat;
        table->vif_list = on_vif_list;
        table->vif_remove = on_vif_remove;
        table->vif_plug = on_vif_plug;
        table->vif_unplug = on_vif_unplug;
        table->vif_move = on_vif_move;
        table->vif_set_carrier = on_vif_set_carrier;
        table->vif_set_locking_mode = on_vif_set_locking_mode;
        table->vif_set_ipv4_configuration = on_vif_set_ipv4_configuration;
        table->vif_set_ipv6_configuration = on_vif_set_ipv6_configuration;
        table->vif_set_trunks = on_vif_set_trunks;
        table->pci_list = on_pci_list;
        table->vgpu_list = on_vgpu_list;
        table->vusb_list = on_vusb_list;
}
