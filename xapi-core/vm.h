/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of class VM share. */
#pragma once

#include "call.h"
#include "operations.h"
#include "xenapi-handlers.h"
#include "xenops.h"

const char *vm_power_state_text(int64_t state); /* "halted" */
/* VM_BAD_POWER_STATE [vm; the states of the bit set, joined; actual]; false. */
bool vm_fail_power_state(const VmRow *vm, unsigned states, XapiError **error);

/* classes/vm-lifecycle.c */
/* As VM.start. */
bool vm_start_on_any(Call *call, const char *vm, bool paused, XapiError **error);
/* For the operation `as`: shutdown, clean_shutdown or hard_shutdown. */
bool vm_shutdown_as(Call *call, const char *vm, int64_t as, XapiError **error);
bool vm_check_host(Call *call, const char *host, XapiError **error); /* HANDLE_INVALID */

/* classes/vm-create.c */
void vm_fresh_generation_id(VmRow *vm);
void vm_ensure_mac_seed(VmRow *vm);
void vm_make_metrics(Txn *txn, VmRow *vm);
/* Its VBDs and VIFs go. */
void vm_delete_devices(Txn *txn, const VmRow *vm);
/* memory_overhead follows memory_static_max, VCPUs_max and HVM_shadow_multiplier. */
void vm_update_overhead(VmRow *vm);
/* The vendor's device needs a hardware platform that has it. */
void vm_ensure_platform_version(VmRow *vm);

/* classes/vm-config.c: a change that is an operation, done at once on the loop, between the two. vm_change checks it and
 * returns the row to change; vm_changed makes allowed_operations right, and returns true. */
VmRow *vm_change(Call *call, const char *ref, int64_t operation, XapiError **error);
bool vm_changed(Call *call, const VmRow *vm);

/* classes/vm-limits.c */
bool vm_fail_vcpus(int64_t value, XapiError **error); /* INVALID_VALUE; false */
bool vm_check_shadow_multiplier(double value, XapiError **error);

/* What a VM's next device may be called (VM.get_allowed_VBD_devices, VM.get_allowed_VIF_devices). Returns owned. */
Set *vbd_free_devices(Txn *txn, const VmRow *vm, const Type *element);
Set *vif_free_devices(Txn *txn, const VmRow *vm, const Type *element);

/* classes/vm-place.c */
/* Whether the VM can run on the host, its memory aside: HOST_DISABLED, VM_REQUIRES_SR... */
bool vm_check_place(Txn *txn, const VmRow *vm, const HostRow *host, XapiError **error);
void vm_add_required_srs(Txn *txn, const VmRow *vm, Set **srs);          /* of its disks */
bool vm_check_recoverable(Txn *txn, const VmRow *vm, XapiError **error); /* VM_REQUIRES_SR */

/* classes/vm-appliance.c: keeps the operations of a VM's appliance right; as store_set_derive wants it. */
void vm_appliance_derive(Txn *txn, const Row *row, void *data);
