/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A change of one VM that takes time: it waits its turn in the VM's queue, then runs on a thread of its own. */
#pragma once

#include <stdbool.h>

#include "manager.h"
#include "steps.h"

typedef struct Operation Operation;

typedef struct OperationKind {
        const char *name; /* for logs */
        /* False: *error is set, and the VM is as it was or halted, never in between. */
        bool (*run)(Operation *operation, XenopsError **error);
        bool yields; /* an urgent operation of the same VM cancels it */
        bool silent; /* tells of changes itself */
        bool
            rests; /* one ends what it does while it can still leave all as it is, and its waiting for other daemons */
} OperationKind;

struct Operation {
        Job job;
        Manager *manager;
        const OperationKind *kind;
        Task *task;
        char *vm;
        const BusMethod *method; /* NULL: not from a client */
        void *arguments;         /* the method's: XenopsVmStartArgs...; NULL: not from a client */

        /* While it runs: */
        VmConfig *config; /* as it was when the operation began */
        Backend *backend;
        BackendContext *context; /* ends with the task's cancelling */
        BackendContext *undo;    /* does not: for what must be done in any case */
        Cancel *patience;        /* ends with it the waiting for other daemons */
        uint64_t grace_end_usec; /* 0: it was not needed yet */
        Cancel never;
        Cancel rest; /* asked for when one that rests is to make way */
        char *
            reservation; /* squeezed's, of memory that the domain does not have yet; owned (free); NULL: none */
};

extern const OperationKind operation_start, operation_shutdown, operation_reboot, operation_suspend,
    operation_resume, operation_pause, operation_unpause, operation_fast_resume, operation_delay,
    operation_request_rdp, operation_set_vcpus, operation_set_shadow_multiplier,
    operation_set_memory_dynamic_range, operation_set_xsdata, operation_s3suspend, operation_s3resume,
    operation_check, operation_recover;
extern const OperationKind operation_vbd_plug, operation_vbd_unplug, operation_vbd_eject,
    operation_vbd_insert, operation_vbd_eject_wanted;
extern const OperationKind operation_vif_plug, operation_vif_unplug, operation_vif_move,
    operation_vif_set_carrier, operation_vif_set_locking_mode, operation_vif_set_ipv4_configuration,
    operation_vif_set_ipv6_configuration, operation_vif_set_trunks;

/* Queues what a client asked for by `method`; `arguments` are that method's: what they hold is taken, and they are left
 * zeroed. *ret_task is the task's id, owned (free): the old one's where debug_info repeats an operation's id. */
bool operation_submit(Manager *manager, const OperationKind *kind, const char *method, const char *debug_info,
                      const char *vm, void *arguments, bool urgent, char **ret_task, XenopsError **error);
/* Queues what xenopsd does by itself. */
void operation_submit_own(Manager *manager, const OperationKind *kind, const char *vm);

/* The domain, with *error Bad_power_state if there is none. */
bool operation_domain(const Operation *operation, BackendDomain *ret, XenopsError **error);
/* Reads the configuration again, after it was edited. */
bool operation_refresh(Operation *operation, XenopsError **error);
const char *operation_debug_info(const Operation *operation);
/* For how long an operation that has lost its patience, as it now has, waits for other daemons to take back what they gave: a short time in
 * all (manager->grace_ms), so that mostly nothing is left when it ends. Not 0. */
uint64_t operation_grace_usec(Operation *operation);
