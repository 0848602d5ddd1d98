/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vbd.h"
#include "classes.h"
#include "device-number.h"
#include "hotplug.h"
#include "manager.h"
#include "rows.h"
#include "vm.h"
#include "xenapi.h"

/* ---- create ---- */

/* All that can be put into a drive or onto a bus. */
static bool check_vdi(Txn *txn, const VbdRow *vbd, XapiError **error)
{
        const VdiRow *vdi;

        if (vbd->empty)
                return true;
        vdi = (const VdiRow *)txn_require(txn, &CLASS_VDI, vbd->VDI, error);
        if (!vdi)
                return false;
        /* What it held would be what a VM, and the host's restoring of it, goes on with. */
        if (vdi->type == VDI_TYPE_SUSPEND && vdi_holds_memory(txn, vdi))
                return xapi_fail(error, ERR_VDI_INCOMPATIBLE_TYPE, vbd->VDI, ENUM_VDI_TYPE.values[vdi->type],
                                 NULL);
        if (vdi->read_only && vbd->mode == VBD_MODE_RW)
                return xapi_fail(error, ERR_VDI_READONLY, vbd->VDI, NULL);
        return true;
}

static bool check_kind(const VbdRow *vbd, XapiError **error)
{
        if (vbd->type == VBD_TYPE_CD && vbd->mode != VBD_MODE_RO)
                return xapi_fail(error, ERR_VBD_CDS_MUST_BE_READONLY, NULL);
        if (vbd->type != VBD_TYPE_CD && vbd->empty)
                return xapi_fail(error, ERR_VBD_NOT_REMOVABLE_MEDIA, "in constructor", NULL);
        return true;
}

/* Which of Xen's disk numbers are taken; two names of one disk are the same device. */
static bool taken(Txn *txn, const VmRow *vm, const DeviceNumber *wanted, bool any_bus)
{
        for (uint32_t i = 0; i < vm->VBDs->n; i++) {
                const VbdRow *vbd = (const VbdRow *)txn_get(txn, &CLASS_VBD, vm->VBDs->items[i].s);
                DeviceNumber n;

                if (vbd && device_number_parse(vbd->userdevice, &n) && n.disk == wanted->disk &&
                    n.partition == wanted->partition && (any_bus || n.bus == wanted->bus))
                        return true;
        }
        return false;
}

static bool is_free(Txn *txn, const VmRow *vm, int64_t disk)
{
        return !taken(txn, vm, &(DeviceNumber){ .bus = DEVICE_BUS_XEN, .disk = disk }, false);
}

bool vbd_choose_device(Txn *txn, const VmRow *vm, VbdRow *vbd, XapiError **error)
{
        DeviceNumber n;

        if (strcmp(vbd->userdevice, "autodetect") == 0) {
                for (n.disk = 0; n.disk < DEVICE_NUMBERS; n.disk++) {
                        g_autofree char *text = g_strdup_printf("%d", (int)n.disk);

                        if (!is_free(txn, vm, n.disk))
                                continue;
                        slot_str(&vbd->userdevice, text);
                        return true;
                }
                return xapi_fail(error, ERR_DEVICE_ALREADY_EXISTS, vbd->userdevice, NULL);
        }
        if (!device_number_parse(vbd->userdevice, &n))
                return xapi_fail(error, ERR_INVALID_DEVICE, vbd->userdevice, NULL);
        if (taken(txn, vm, &n, true))
                return xapi_fail(error, ERR_DEVICE_ALREADY_EXISTS, vbd->userdevice, NULL);
        return true;
}

VbdRow *vbd_insert(Txn *txn, VbdRow *vbd)
{
        slot_str(&vbd->row.ref, "");
        slot_str(&vbd->uuid, "");
        slot_str(&vbd->metrics, txn_create(txn, &CLASS_VBD_METRICS, NULL, NULL)->ref);
        slot_str(&vbd->device, "");
        vbd->currently_attached = false;
        if (vbd->empty)
                slot_str(&vbd->VDI, NULL_REF);
        slot_map(&vbd->current_operations, map_empty(vbd->current_operations->type));
        slot_map(&vbd->runtime_properties, map_empty(vbd->runtime_properties->type));
        vbd = (VbdRow *)txn_insert(txn, &vbd->row);
        operation_update(txn, &VBD_OPERATION_RULES, vbd->row.ref);
        operation_update(txn, &VDI_OPERATION_RULES, vbd->VDI);
        return vbd;
}

static bool create(Call *call, const VbdCreateParams *p, XapiError **error)
{
        VbdRow *vbd = (VbdRow *)row_copy(p->args);
        const VmRow *vm;

        vm = (const VmRow *)txn_require(call_txn(call), &CLASS_VM, vbd->VM, error);
        if (!vm || !check_vdi(call->txn, vbd, error) || !check_kind(vbd, error) ||
            !vbd_choose_device(call->txn, vm, vbd, error)) {
                row_unref(&vbd->row);
                return false;
        }
        return call_return_str(call, vbd_insert(call->txn, vbd)->row.ref);
}

/* ---- destroy ---- */

static bool fail_attached(Txn *txn, const VbdRow *vbd, XapiError **error)
{
        const VmRow *vm = (const VmRow *)txn_get(txn, &CLASS_VM, vbd->VM);
        g_autofree char *text =
            g_strdup_printf("VBD '%s' still attached to '%s'", vbd->uuid, vm ? vm->uuid : "");

        return xapi_fail(error, ERR_OPERATION_NOT_ALLOWED, text, NULL);
}

static bool destroy(Call *call, const VbdDestroyParams *p, XapiError **error)
{
        const VbdRow *vbd = (const VbdRow *)txn_require(call_txn(call), &CLASS_VBD, p->self, error);
        auto_str vdi = NULL;

        if (!vbd)
                return false;
        if (vbd->currently_attached)
                return fail_attached(call->txn, vbd, error);
        vdi = str_ref(vbd->VDI);
        txn_delete(call->txn, &CLASS_VBD_METRICS, vbd->metrics);
        txn_delete(call->txn, &CLASS_VBD, p->self);
        operation_update(call->txn, &VDI_OPERATION_RULES, vdi);
        return true;
}

/* ---- plug, unplug ---- */

static const HotplugClass DEVICES = { &VBD_OPERATION_RULES, VBD_FIELD_VM, VBD_FIELD_userdevice };

static bool ask_plug(Hotplug *h, char **ret_task, XenopsError **refusal, XapiError **error)
{
        Manager *m = h->call->manager;

        return xenops_describe_vbd(m->xenops, m, h->vm, (const VbdRow *)h->row, error) &&
               xenops_vbd_plug(h->bus, XENOPS_CALL_USEC, h->call->task, &h->id, ret_task, refusal);
}

static bool plug(Call *call, const VbdPlugParams *p, XapiError **error)
{
        Hotplug h = { .call = call,
                      .class = &DEVICES,
                      .device = p->self,
                      .operation = VBD_OPERATIONS_PLUG,
                      .ask = ask_plug };

        return hotplug_run(&h, error);
}

static bool ask_unplug(Hotplug *h, char **ret_task, XenopsError **refusal, XapiError **error)
{
        return xenops_vbd_unplug(h->bus, XENOPS_CALL_USEC, h->call->task, &h->id,
                                 h->operation == VBD_OPERATIONS_UNPLUG_FORCE, ret_task, refusal);
}

static bool unplug_by(Call *call, const char *self, int64_t operation, XapiError **error)
{
        Hotplug h = {
                .call = call, .class = &DEVICES, .device = self, .operation = operation, .ask = ask_unplug
        };

        return hotplug_run(&h, error);
}

static bool unplug(Call *call, const VbdUnplugParams *p, XapiError **error)
{
        return unplug_by(call, p->self, VBD_OPERATIONS_UNPLUG, error);
}

static bool unplug_force(Call *call, const VbdUnplugForceParams *p, XapiError **error)
{
        return unplug_by(call, p->self, VBD_OPERATIONS_UNPLUG_FORCE, error);
}

/* ---- media ---- */

static bool is_attached(const Hotplug *h)
{
        return ((const VbdRow *)h->row)->currently_attached && h->vm->power_state != VM_POWER_STATE_HALTED;
}

/* Without emulated hardware a guest has a drive while there is a disc in it. */
static bool comes_with_disc(const Hotplug *h)
{
        return h->vm->domain_type != DOMAIN_TYPE_HVM && xenops_is_live(h->vm->power_state);
}

static bool ask_plug_with_disc(Hotplug *h, char **ret_task, XenopsError **refusal, XapiError **error)
{
        Manager *m = h->call->manager;
        VbdRow vbd = *(const VbdRow *)h->row; /* borrows all of it */

        vbd.VDI = h->data;
        return xenops_describe_vbd(m->xenops, m, h->vm, &vbd, error) &&
               xenops_vbd_plug(h->bus, XENOPS_CALL_USEC, h->call->task, &h->id, ret_task, refusal);
}

static bool ask_insert(Hotplug *h, char **ret_task, XenopsError **refusal, XapiError **error)
{
        g_autofree char *text = xenops_disk_of_vdi(h->call->store, h->data);
        XenopsDisk disk = { .tag = XENOPS_DISK_VDI, .vdi = text };

        if (!is_attached(h))
                return !comes_with_disc(h) || ask_plug_with_disc(h, ret_task, refusal, error);
        return xenops_vbd_insert(h->bus, XENOPS_CALL_USEC, h->call->task, &h->id, &disk, ret_task, refusal);
}

static bool ask_eject(Hotplug *h, char **ret_task, XenopsError **refusal, XapiError **error)
{
        return !is_attached(h) ||
               xenops_vbd_eject(h->bus, XENOPS_CALL_USEC, h->call->task, &h->id, ret_task, refusal);
}

static void finish_medium(Txn *txn, Hotplug *h)
{
        VbdRow *vbd = (VbdRow *)txn_edit(txn, &CLASS_VBD, h->device);
        auto_str old = str_ref(vbd->VDI);

        vbd->empty = !h->data;
        slot_str(&vbd->VDI, h->data ? h->data : NULL_REF);
        operation_update(txn, &VDI_OPERATION_RULES, old);
        operation_update(txn, &VDI_OPERATION_RULES, vbd->VDI);
}

static bool insert(Call *call, const VbdInsertParams *p, XapiError **error)
{
        Hotplug h = { .call = call,
                      .class = &DEVICES,
                      .device = p->vbd,
                      .operation = VBD_OPERATIONS_INSERT,
                      .ask = ask_insert,
                      .finish = finish_medium,
                      .data = p->vdi };
        const Row *vdi = store_require(call->store, &CLASS_VDI, p->vdi, error);

        if (!vdi)
                return false;
        row_unref(vdi);
        return hotplug_run(&h, error);
}

static bool eject(Call *call, const VbdEjectParams *p, XapiError **error)
{
        Hotplug h = { .call = call,
                      .class = &DEVICES,
                      .device = p->vbd,
                      .operation = VBD_OPERATIONS_EJECT,
                      .ask = ask_eject,
                      .finish = finish_medium };

        return hotplug_run(&h, error);
}

/* ---- the rest ---- */

static bool assert_attachable(Call *call, const VbdAssertAttachableParams *p, XapiError **error)
{
        const VbdRow *vbd = (const VbdRow *)txn_require(call_txn(call), &CLASS_VBD, p->self, error);

        return vbd && check_vdi(call->txn, vbd, error);
}

static bool set_mode(Call *call, const VbdSetModeParams *p, XapiError **error)
{
        VbdRow *vbd = (VbdRow *)txn_require_edit(call_txn(call), &CLASS_VBD, p->self, error);
        const VmRow *vm = vbd ? (const VmRow *)txn_require(call->txn, &CLASS_VM, vbd->VM, error) : NULL;

        if (!vm)
                return false;
        if (vm->power_state != VM_POWER_STATE_HALTED)
                return vm_fail_power_state(vm, 1u << VM_POWER_STATE_HALTED, error);
        vbd->mode = p->value;
        return true;
}

const VbdHandlers vbd_handlers = {
        .create = { PLACE_LOOP, create },
        .destroy = { PLACE_LOOP, destroy },
        .plug = { PLACE_THREAD, plug },
        .unplug = { PLACE_THREAD, unplug },
        .unplug_force = { PLACE_THREAD, unplug_force },
        .insert = { PLACE_THREAD, insert },
        .eject = { PLACE_THREAD, eject },
        .assert_attachable = { PLACE_LOOP, assert_attachable },
        .set_mode = { PLACE_LOOP, set_mode },
};

/* VM.get_allowed_VBD_devices */
Set *vbd_free_devices(Txn *txn, const VmRow *vm, const Type *element)
{
        int64_t n = vm->is_control_domain ? DEVICE_NUMBERS_CONTROL_DOMAIN : DEVICE_NUMBERS;
        Value *items = g_new(Value, (size_t)n);
        size_t n_free = 0;
        Set *set;

        for (int64_t i = 0; i < n; i++)
                if (is_free(txn, vm, i))
                        items[n_free++].s = str_printf("%d", (int)i);
        set = set_new(element, n_free, items);
        for (size_t i = 0; i < n_free; i++)
                str_unref(items[i].s);
        g_free(items);
        return set;
}
