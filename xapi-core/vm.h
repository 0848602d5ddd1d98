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
bool vm_start(Call *call, const VmStartParams *p, XapiError **error);
bool vm_start_on(Call *call, const VmStartOnParams *p, XapiError **error);
bool vm_pause(Call *call, const VmPauseParams *p, XapiError **error);
bool vm_unpause(Call *call, const VmUnpauseParams *p, XapiError **error);
bool vm_suspend(Call *call, const VmSuspendParams *p, XapiError **error);
bool vm_resume(Call *call, const VmResumeParams *p, XapiError **error);
bool vm_resume_on(Call *call, const VmResumeOnParams *p, XapiError **error);
bool vm_clean_shutdown(Call *call, const VmCleanShutdownParams *p, XapiError **error);
bool vm_hard_shutdown(Call *call, const VmHardShutdownParams *p, XapiError **error);
bool vm_shutdown(Call *call, const VmShutdownParams *p, XapiError **error);
bool vm_clean_reboot(Call *call, const VmCleanRebootParams *p, XapiError **error);
bool vm_hard_reboot(Call *call, const VmHardRebootParams *p, XapiError **error);
bool vm_power_state_reset(Call *call, const VmPowerStateResetParams *p, XapiError **error);

/* classes/vm-create.c */
bool vm_create(Call *call, const VmCreateParams *p, XapiError **error);
bool vm_destroy(Call *call, const VmDestroyParams *p, XapiError **error);
void vm_fresh_generation_id(VmRow *vm);
void vm_ensure_mac_seed(VmRow *vm);
void vm_make_metrics(Txn *txn, VmRow *vm);

/* What a VM's next device may be called (VM.get_allowed_VBD_devices, VM.get_allowed_VIF_devices). Returns owned. */
Set *vbd_free_devices(Txn *txn, const VmRow *vm, const Type *element);
Set *vif_free_devices(Txn *txn, const VmRow *vm, const Type *element);
