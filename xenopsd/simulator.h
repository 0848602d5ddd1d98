/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of the simulator that its files share. */
#pragma once

#include "backend.h"
#include "sim-console.h"
#include "sim-fault.h"
#include "sim-table.h"

typedef struct Simulator {
        Backend backend;
        Ledger *ledger;
        SimMemory *memory;
        SimTable *table;
        SimFaults *faults;
        SimConsoles *consoles;
        int64_t memory_mib;
} Simulator;

/* The VM's domain, locked, after what is injected for the step has happened. NULL: *error is set. */
SimDomain *simulator_enter(BackendContext *context, const char *vm, const char *step, XenopsError **error);
/* Writes, unlocks and lets go of it. False, with *error set, when it could not be written. */
bool simulator_leave(BackendContext *context, SimDomain *domain, XenopsError **error);
/* Unlocks and lets go of what was not changed. */
void simulator_abandon(BackendContext *context, SimDomain *domain);
bool simulator_fail_errno(XenopsError **error, const char *what, int r);

/* sim-device.c */
bool simulator_vbd_stat(Backend *backend, const XenopsDeviceId *id, BackendDevice *ret);
bool simulator_vif_stat(Backend *backend, const XenopsDeviceId *id, BackendDevice *ret);
bool simulator_vbd_plug(BackendContext *context, const XenopsVbd *vbd, const BackendDisk *disk,
                        XenopsError **error);
bool simulator_vbd_unplug(BackendContext *context, const XenopsDeviceId *id, bool force, XenopsError **error);
bool simulator_vbd_change(BackendContext *context, const XenopsVbd *vbd, const BackendDisk *disk,
                          XenopsError **error);
bool simulator_vif_plug(BackendContext *context, const XenopsVif *vif, XenopsError **error);
bool simulator_vif_unplug(BackendContext *context, const XenopsDeviceId *id, bool force, XenopsError **error);
bool simulator_vif_change(BackendContext *context, const XenopsVif *vif, XenopsError **error);

/* sim-image.c */
bool simulator_save(BackendContext *context, const XenopsVm *vm, const char *path, XenopsError **error);
bool simulator_restore(BackendContext *context, const XenopsVm *vm, const char *path, XenopsError **error);

/* sim-state.c */
void simulator_state(Backend *backend, const XenopsVm *vm, XenopsVmState *state);
void simulator_host_stat(Backend *backend, XenopsHost *host);
char *simulator_console_data(Backend *backend);
char *simulator_diagnostics(Backend *backend);
int simulator_open_console(Backend *backend, const XenopsVm *vm, XenopsConsoleProtocol protocol,
                           XenopsError **error);

/* sim-trigger.c */
bool simulator_trigger(Backend *backend, const char *command, const BusStrings *arguments,
                       XenopsError **error);
