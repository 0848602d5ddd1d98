/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making and removing VM objects. */
#include "blob.h"
#include "manager.h"
#include "rows.h"
#include "uuid.h"
#include "vdi.h"
#include "vm-handlers.h"
#include "vm-memory.h"
#include "xenapi.h"

/* ---- create ---- */

/* Two random 63-bit numbers: what a guest's generation counter reads. */
void vm_fresh_generation_id(VmRow *vm)
{
        guint64 a = (guint64)g_random_int() << 31 | g_random_int() >> 1;
        guint64 b = (guint64)g_random_int() << 31 | g_random_int() >> 1;
        g_autofree char *text = g_strdup_printf("%019" G_GUINT64_FORMAT ":%019" G_GUINT64_FORMAT, a, b);

        slot_str(&vm->generation_id, text);
}

/* Interfaces without a MAC of their own derive it from this. */
void vm_ensure_mac_seed(VmRow *vm)
{
        char uuid[UUID_TEXT_SIZE];

        if (map_get_str(vm->other_config, "mac_seed"))
                return;
        uuid_make(uuid);
        slot_map(&vm->other_config, map_with_str(vm->other_config, "mac_seed", uuid));
}

void vm_make_metrics(Txn *txn, VmRow *vm)
{
        VmMetricsRow *metrics = (VmMetricsRow *)txn_create(txn, &CLASS_VM_METRICS, NULL, NULL);

        metrics->current_domain_type = DOMAIN_TYPE_UNSPECIFIED;
        slot_str(&vm->metrics, metrics->row.ref);
}

#define VENDOR_DEVICE_PLATFORM_VERSION 2

void vm_ensure_platform_version(VmRow *vm)
{
        if (vm->has_vendor_device && vm->hardware_platform_version < VENDOR_DEVICE_PLATFORM_VERSION)
                vm->hardware_platform_version = VENDOR_DEVICE_PLATFORM_VERSION;
}

void vm_update_overhead(VmRow *vm)
{
        vm->memory_overhead =
            vm_memory_overhead_bytes(vm->memory_static_max, vm->VCPUs_max, vm->HVM_shadow_multiplier);
}

static void settle(Txn *txn, VmRow *vm)
{
        vm->domid = -1;
        vm->is_default_template = false;
        vm->is_control_domain = false;
        vm->is_a_snapshot = false;
        vm->is_snapshot_from_vmpp = false;
        vm->is_vmss_snapshot = false;
        slot_map(&vm->blocked_operations, map_empty(vm->blocked_operations->type));
        if (vm->domain_type == DOMAIN_TYPE_UNSPECIFIED)
                vm->domain_type = *vm->HVM_boot_policy ? DOMAIN_TYPE_HVM : DOMAIN_TYPE_PV;
        vm_ensure_mac_seed(vm);
        vm_ensure_platform_version(vm);
        vm_update_overhead(vm);
        vm_make_metrics(txn, vm);
}

static bool check_power_state(const VmRow *vm, XapiError **error)
{
        if (vm->power_state == VM_POWER_STATE_HALTED || vm->power_state == VM_POWER_STATE_RUNNING)
                return true;
        return vm_fail_power_state(vm, 1u << VM_POWER_STATE_HALTED, error);
}

bool vm_create(Call *call, const VmCreateParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)row_copy(p->args);

        slot_str(&vm->uuid, "");
        vm = (VmRow *)txn_insert(call_txn(call), &vm->row);
        if (!check_power_state(vm, error))
                return false;
        vm->power_state = VM_POWER_STATE_HALTED;
        settle(call->txn, vm);
        operation_update(call->txn, &VM_OPERATION_RULES, vm->row.ref);
        return call_return_str(call, vm->row.ref);
}

/* ---- destroy ---- */

static void delete_all(Txn *txn, const Class *class, Set *refs)
{
        Set *kept = set_ref(refs); /* each deletion takes one out of the VM's own set */

        for (uint32_t i = 0; i < kept->n; i++)
                txn_delete(txn, class, kept->items[i].s);
        set_unref(kept);
}

/* The VDIs and networks are left to see what they allow now. */
void vm_delete_devices(Txn *txn, const VmRow *vm)
{
        Set *vbds = set_ref(vm->VBDs), *vifs = set_ref(vm->VIFs);

        for (uint32_t i = 0; i < vbds->n; i++) {
                const VbdRow *vbd = (const VbdRow *)txn_get(txn, &CLASS_VBD, vbds->items[i].s);
                auto_str vdi = str_ref(vbd->VDI);

                txn_delete(txn, &CLASS_VBD_METRICS, vbd->metrics);
                txn_delete(txn, &CLASS_VBD, vbds->items[i].s);
                operation_update(txn, &VDI_OPERATION_RULES, vdi);
        }
        for (uint32_t i = 0; i < vifs->n; i++) {
                const VifRow *vif = (const VifRow *)txn_get(txn, &CLASS_VIF, vifs->items[i].s);

                txn_delete(txn, &CLASS_VIF_METRICS, vif->metrics);
                txn_delete(txn, &CLASS_VIF, vifs->items[i].s);
        }
        set_unref(vbds);
        set_unref(vifs);
}

/* The children of a snapshot that goes become its parent's. */
static void reparent(Txn *txn, const VmRow *vm)
{
        Set *children = set_ref(vm->children);

        for (uint32_t i = 0; i < children->n; i++) {
                VmRow *child = (VmRow *)txn_edit(txn, &CLASS_VM, children->items[i].s);

                if (child)
                        slot_str(&child->parent, vm->parent);
        }
        set_unref(children);
}

static void delete_vm(Txn *txn, const char *ref)
{
        const VmRow *vm = (const VmRow *)txn_get(txn, &CLASS_VM, ref);

        reparent(txn, vm);
        vm = (const VmRow *)txn_get(txn, &CLASS_VM, ref);
        vm_delete_devices(txn, vm);
        delete_all(txn, &CLASS_CONSOLE, vm->consoles);
        delete_all(txn, &CLASS_VTPM, vm->VTPMs);
        blobs_delete(txn, vm->blobs);
        txn_delete(txn, &CLASS_VM_METRICS, vm->metrics);
        txn_delete(txn, &CLASS_VM_GUEST_METRICS, vm->guest_metrics);
        txn_delete(txn, &CLASS_VM, ref);
}

/* The memory image of a suspended VM, or of a snapshot with memory, is nobody else's. */
static void remove_image(Call *call, const char *vdi)
{
        XapiError *error = NULL;

        if (!vdi_destroy_quietly(call, vdi, &error))
                log_warning("The memory image of a VM could not be removed", "XAPI_VDI", vdi, NULL);
        xapi_error_free(error);
}

static bool begin_destroy(Call *call, const char *ref, Str *ret_uuid, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        const VmRow *vm;

        if (!operation_begin(txn, &VM_OPERATION_RULES, ref, VM_OPERATIONS_DESTROY, call->task, error)) {
                txn_abort(txn);
                return false;
        }
        vm = (const VmRow *)txn_get(txn, &CLASS_VM, ref);
        if (vm->is_default_template) {
                txn_abort(txn);
                return xapi_fail(error, ERR_VM_CANNOT_DELETE_DEFAULT_TEMPLATE, ref, NULL);
        }
        if (!vm->is_a_snapshot && !vm->is_a_template)
                *ret_uuid = str_ref(vm->uuid);
        txn_commit(txn, NULL, NULL);
        return true;
}

typedef struct Refused {
        const char *vm, *task;
} Refused;

static void end_destroy(Txn *txn, void *data)
{
        const Refused *refused = data;

        operation_end(txn, &VM_OPERATION_RULES, refused->vm, refused->task);
}

/* False: there is a domain of which the row does not tell, because a server before this one did not live to see it started;
 * now it does. */
static bool forget(Call *call, const char *ref, const char *uuid, XapiError **error)
{
        Xenops *xenops = call->manager->xenops;
        Refused refused = { ref, call->task };
        XapiError *ignored = NULL;
        XenopsError *e = NULL;
        bool forgotten;

        do
                forgotten =
                    xenops_vm_remove(call->manager->daemon->bus, XENOPS_CALL_USEC, call->task, uuid, &e);
        while (!forgotten && xenops_is_lost(xenops, &e));
        if (forgotten || e->tag == XENOPS_ERROR_DOES_NOT_EXIST || xenops_error_failure(e)) {
                xenops_error_free(e);
                return true;
        }
        xenops_fail(ref, e, error);
        xenops_enter(xenops, uuid);
        if (!xenops_leave(xenops, ref, false, end_destroy, &refused, &ignored))
                xapi_error_free(ignored);
        return false;
}

bool vm_destroy(Call *call, const VmDestroyParams *p, XapiError **error)
{
        auto_str uuid = NULL, image = NULL;
        Txn *txn;

        if (!begin_destroy(call, p->self, &uuid, error) || (uuid && !forget(call, p->self, uuid, error)))
                return false;
        txn = txn_begin(call->store);
        image = str_ref(((const VmRow *)txn_get(txn, &CLASS_VM, p->self))->suspend_VDI);
        vdi_will_go(txn, call, image);
        delete_vm(txn, p->self);
        if (!txn_commit_wait(txn, error))
                return false;
        remove_image(call, image);
        return true;
}
