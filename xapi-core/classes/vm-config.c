/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a VM is set up, where that is a change of its row and nothing else. */
#include <time.h>

#include "bios-strings.h"
#include "generic.h"
#include "rows.h"
#include "vm-handlers.h"
#include "xenapi.h"

#define FIELD(name) (&CLASS_VM.fields[VM_FIELD_##name])
#define PARAMS(p)   ((const Value *)(p))
#define ONLY(state) (1u << VM_POWER_STATE_##state)

/* ---- changes that are operations ---- */

VmRow *vm_change(Call *call, const char *ref, int64_t operation, XapiError **error)
{
        if (!operation_begin(call_txn(call), &VM_OPERATION_RULES, ref, operation, "", error))
                return NULL;
        return (VmRow *)txn_edit(call->txn, &CLASS_VM, ref);
}

bool vm_changed(Call *call, const VmRow *vm)
{
        operation_update(call->txn, &VM_OPERATION_RULES, vm->row.ref);
        return true;
}

/* ---- maps; what allowed_operations says follows at the next occasion ---- */

bool vm_set_other_config(Call *call, const VmSetOtherConfigParams *p, XapiError **error)
{
        return generic_set(call, FIELD(other_config), PARAMS(p), error);
}

bool vm_add_to_other_config(Call *call, const VmAddToOtherConfigParams *p, XapiError **error)
{
        return generic_add(call, FIELD(other_config), PARAMS(p), error);
}

bool vm_remove_from_other_config(Call *call, const VmRemoveFromOtherConfigParams *p, XapiError **error)
{
        return generic_remove(call, FIELD(other_config), PARAMS(p), error);
}

bool vm_set_platform(Call *call, const VmSetPlatformParams *p, XapiError **error)
{
        return generic_set(call, FIELD(platform), PARAMS(p), error);
}

bool vm_add_to_platform(Call *call, const VmAddToPlatformParams *p, XapiError **error)
{
        return generic_add(call, FIELD(platform), PARAMS(p), error);
}

bool vm_remove_from_platform(Call *call, const VmRemoveFromPlatformParams *p, XapiError **error)
{
        return generic_remove(call, FIELD(platform), PARAMS(p), error);
}

bool vm_set_blocked_operations(Call *call, const VmSetBlockedOperationsParams *p, XapiError **error)
{
        return generic_set(call, FIELD(blocked_operations), PARAMS(p), error);
}

bool vm_add_to_blocked_operations(Call *call, const VmAddToBlockedOperationsParams *p, XapiError **error)
{
        return generic_add(call, FIELD(blocked_operations), PARAMS(p), error);
}

bool vm_remove_from_blocked_operations(Call *call, const VmRemoveFromBlockedOperationsParams *p,
                                       XapiError **error)
{
        return generic_remove(call, FIELD(blocked_operations), PARAMS(p), error);
}

/* ---- firmware ---- */

static bool nvram_changed(Call *call, const char *self, bool ok)
{
        if (ok)
                operation_update(call->txn, &VM_OPERATION_RULES, self);
        return ok;
}

bool vm_set_NVRAM(Call *call, const VmSetNvramParams *p, XapiError **error)
{
        return vm_change(call, p->self, VM_OPERATIONS_CHANGING_NVRAM, error) &&
               nvram_changed(call, p->self, generic_set(call, FIELD(NVRAM), PARAMS(p), error));
}

bool vm_add_to_NVRAM(Call *call, const VmAddToNvramParams *p, XapiError **error)
{
        return vm_change(call, p->self, VM_OPERATIONS_CHANGING_NVRAM, error) &&
               nvram_changed(call, p->self, generic_add(call, FIELD(NVRAM), PARAMS(p), error));
}

bool vm_remove_from_NVRAM(Call *call, const VmRemoveFromNvramParams *p, XapiError **error)
{
        return vm_change(call, p->self, VM_OPERATIONS_CHANGING_NVRAM, error) &&
               nvram_changed(call, p->self, generic_remove(call, FIELD(NVRAM), PARAMS(p), error));
}

/* What the firmware of a running guest writes. */
bool vm_set_NVRAM_EFI_variables(Call *call, const VmSetNvramEfiVariablesParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->self, error);

        if (!vm)
                return false;
        slot_map(&vm->NVRAM, map_with_str(vm->NVRAM, "EFI-variables", p->value));
        return true;
}

bool vm_set_bios_strings(Call *call, const VmSetBiosStringsParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->self, error);
        Map *strings;

        if (!vm)
                return false;
        if (vm->bios_strings->n)
                return xapi_fail(error, ERR_VM_BIOS_STRINGS_ALREADY_SET, NULL);
        strings = bios_strings_custom(p->value, error);
        if (!strings)
                return false;
        slot_map(&vm->bios_strings, strings);
        return true;
}

bool vm_copy_bios_strings(Call *call, const VmCopyBiosStringsParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->vm, error);
        const HostRow *host;

        if (!vm)
                return false;
        if (vm->bios_strings->n)
                return xapi_fail(error, ERR_VM_BIOS_STRINGS_ALREADY_SET, NULL);
        host = (const HostRow *)txn_require(call->txn, &CLASS_HOST, p->host, error);
        if (!host)
                return false;
        slot_map(&vm->bios_strings, map_ref(host->bios_strings));
        return true;
}

/* ---- what kind of domain it becomes: two fields that say one thing ---- */

bool vm_set_domain_type(Call *call, const VmSetDomainTypeParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->self, error);

        if (!vm)
                return false;
        vm->domain_type = p->value;
        slot_str(&vm->HVM_boot_policy, p->value == DOMAIN_TYPE_HVM ? "BIOS order" : "");
        return true;
}

bool vm_set_HVM_boot_policy(Call *call, const VmSetHvmBootPolicyParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->self, error);

        if (!vm)
                return false;
        vm->domain_type = *p->value ? DOMAIN_TYPE_HVM : DOMAIN_TYPE_PV;
        slot_str(&vm->HVM_boot_policy, p->value);
        return true;
}

bool vm_set_has_vendor_device(Call *call, const VmSetHasVendorDeviceParams *p, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, p->self, error);

        if (!vm)
                return false;
        if (vm->power_state != VM_POWER_STATE_HALTED)
                return vm_fail_power_state(vm, ONLY(HALTED), error);
        vm->has_vendor_device = p->value;
        vm_ensure_platform_version(vm);
        return true;
}

/* Another image in the place of a suspended VM's is taken only where it is known to hold the same, which nothing can
 * tell yet of two disks. */
bool vm_set_suspend_VDI(Call *call, const VmSetSuspendVdiParams *p, XapiError **error)
{
        const VmRow *vm = (const VmRow *)txn_require(call_txn(call), &CLASS_VM, p->self, error);

        if (!vm)
                return false;
        if (vm->power_state != VM_POWER_STATE_SUSPENDED)
                return vm_fail_power_state(vm, ONLY(SUSPENDED), error);
        if (!txn_require(call->txn, &CLASS_VDI, p->value, error))
                return false;
        return strcmp(vm->suspend_VDI, p->value) == 0 ||
               xapi_fail(error, ERR_NOT_IMPLEMENTED, "VM.set_suspend_VDI to another disk", NULL);
}

/* ---- templates ---- */

static bool become_template(Call *call, VmRow *vm)
{
        txn_delete(call->txn, &CLASS_VM_METRICS, vm->metrics);
        slot_str(&vm->metrics, NULL_REF);
        vm->is_a_template = true;
        return vm_changed(call, vm);
}

static bool become_vm(Call *call, const char *ref, XapiError **error)
{
        VmRow *vm = (VmRow *)txn_require_edit(call_txn(call), &CLASS_VM, ref, error);
        VmMetricsRow *metrics =
            vm ? (VmMetricsRow *)txn_edit(call->txn, &CLASS_VM_METRICS, vm->metrics) : NULL;

        if (!vm)
                return false;
        if (metrics)
                metrics->install_time = time(NULL);
        vm->is_a_template = false;
        return true;
}

bool vm_set_is_a_template(Call *call, const VmSetIsATemplateParams *p, XapiError **error)
{
        VmRow *vm;

        if (!p->value)
                return become_vm(call, p->self, error);
        vm = vm_change(call, p->self, VM_OPERATIONS_MAKE_INTO_TEMPLATE, error);
        return vm && become_template(call, vm);
}

bool vm_set_is_default_template(Call *call, const VmSetIsDefaultTemplateParams *p, XapiError **error)
{
        return generic_set(call, FIELD(is_default_template), PARAMS(p), error);
}
