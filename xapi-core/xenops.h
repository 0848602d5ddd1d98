/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host's VMs do, by way of xenopsd: asked for, waited for, and followed into the rows. */
#pragma once

#include "bus/xenops.h"
#include "call.h"
#include "xenapi.h"

typedef struct Xenops Xenops;

/* Starts to follow xenopsd, which need not be there yet. */
Xenops *xenops_new(Manager *manager);
/* Before the bus is closed: whoever waits gets an error. */
void xenops_stop(Xenops *xenops);
void xenops_free(Xenops *xenops); /* when no worker runs any more */

#define XENOPS_OPERATION_USEC (UINT64_C(2) * 60 * 60 * 1000000) /* how long an operation may take */
#define XENOPS_CALL_USEC      (UINT64_C(60) * 1000000)          /* and a call that starts one */

Manager *xenops_manager(Xenops *xenops);

/* The functions below wait and belong on a worker. */

/* Tells xenopsd how the VM and its devices are to run. */
bool xenops_describe(Xenops *xenops, const char *vm, XapiError **error);
/* The same for one device of it. */
bool xenops_describe_vbd(Xenops *xenops, Manager *manager, const VmRow *vm, const VbdRow *vbd,
                         XapiError **error);
bool xenops_describe_vif(Xenops *xenops, Manager *manager, const VmRow *vm, const VifRow *vif,
                         XapiError **error);
/* Tells a plugged interface which traffic it lets through; *ret_task is to be waited for. */
bool xenops_set_locking(Xenops *xenops, const VmRow *vm, const VifRow *vif, char **ret_task,
                        XapiError **error);
/* Tells xenopsd what a running VM's crash leads to now. */
bool xenops_set_on_crash(Xenops *xenops, const VmRow *vm, XapiError **error);
/* Tells a running VM what its xenstore_data is now; *ret_task is to be waited for. */
bool xenops_set_xenstore_data(Xenops *xenops, const VmRow *vm, char **ret_task, XapiError **error);
/* The id of a device; borrows both. */
XenopsDeviceId xenops_device(const char *vm_uuid, const char *device);
/* "SR uuid/location" of a VDI, as xenopsd and sm-daemon know it. Returns owned (g_free), or NULL: no such VDI. */
char *xenops_disk_of_vdi(Store *store, const char *vdi);
/* Whether a VM in that power state has a domain. */
bool xenops_is_live(int64_t power_state);
/* Waits for a task of xenopsd (taken), which is cancelled when the call is, and forgotten. */
bool xenops_wait(Xenops *xenops, Call *call, const char *vm, char *task, XapiError **error);
/* The same, of a task about one of its devices, whose ref errors about devices name. */
bool xenops_wait_device(Xenops *xenops, Call *call, const char *vm, const char *device, char *task,
                        XapiError **error);

/* Between the two, changes that xenopsd tells of are left for xenops_leave to see. */
void xenops_enter(Xenops *xenops, const char *vm_uuid);
/* Brings the rows to what xenopsd says of the VM, lets `finish` (may be NULL) change more in the same transaction, and
 * waits until all is durable. Where xenopsd does not answer, the rows follow when it does, and only `finish` counts.
 * Where the disk refuses, they follow once it does not; with `insist` this goes on until then. */
bool xenops_leave(Xenops *xenops, const char *vm, bool insist, void (*finish)(Txn *txn, void *data),
                  void *data, XapiError **error);

/* Whether to ask again what may be asked twice: the answer was lost with the switch or with xenopsd, which both come back.
 * Else *error stays. */
bool xenops_is_lost(Xenops *xenops, XenopsError **error);
/* The XenAPI's error for one of xenopsd's; takes it. Returns false. */
bool xenops_fail(const char *vm, XenopsError *taken, XapiError **error);
bool xenops_fail_device(const char *vm, const char *device, XenopsError *taken, XapiError **error);
