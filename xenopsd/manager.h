/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xenopsd's root object: owns all state. */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include <glib.h>

#include "backend.h"
#include "journal.h"
#include "leftovers.h"
#include "message-switch/lib/daemon.h"
#include "queue.h"
#include "rest.h"
#include "task.h"
#include "updates.h"
#include "vm-store.h"

typedef struct Manager {
        Bus *bus; /* NULL in tests: no disk of a repository can be attached */
        Loop *loop;
        Workers *workers;
        Backend *backend;
        Ledger *ledger;
        VmStore *vms;
        Journal *journal;
        Leftovers *leftovers;
        Updates *updates;
        Tasks *tasks;
        Queues *queues;
        Rests *rests;
        XenopsHost host;
        int64_t acknowledge_timeout_ms; /* of guests that are asked for something */
        int64_t grace_ms;               /* of other daemons that are silent */
        pthread_mutex_t memory_lock;    /* of what follows; not held while squeezed is asked */
        bool memory_logged_in, memory_logging_in;
        pthread_mutex_t ejects_lock;
        GHashTable *ejects; /* set of "VM DEVICE": what guests want ejected, until it is looked at; vbd.c's */
        char *instance_id;
        int lock_fd;              /* held so that there is one xenopsd in a folder */
        void (*stop)(void *data); /* DEBUG.shutdown */
        void *stop_data;
} Manager;

typedef struct ManagerSettings {
        const char *path; /* folder for what need not outlive a reboot */
        int64_t acknowledge_timeout_ms;
        int64_t grace_ms;                    /* of other daemons, for taking back what they gave */
        int64_t restless_window_ms, rest_ms; /* of guests that restart themselves */
        const char *backend; /* "xenlight", "simulator", or "auto": xenlight where this is a control domain */
        SimulatorSettings simulator; /* its path NULL: in `path` */
        XenlightSettings xenlight;   /* its path NULL: `path` */
} ManagerSettings;

/* Finds domains and VMs again. NULL: *ret_error says why (g_free). */
Manager *manager_new(const ManagerSettings *settings, Loop *loop, Workers *workers, Bus *bus,
                     char **ret_error);
/* Completes or undoes what the last xenopsd left half done, and tells of every VM. Does not wait. */
void manager_start(Manager *manager);
/* After the loop has stopped. True: no operation runs, all may be freed. False: some still wait for a guest or a daemon;
 * the process is to end as if it were killed, and the next one sees to them. */
bool manager_settle(Manager *manager);
void manager_free(Manager *manager); /* when no worker runs; the loop must run, or be freed, after */

/* Has clients look at it again. */
void manager_changed(Manager *manager, const VmConfig *config); /* the VM and its devices */
void manager_vm_changed(Manager *manager, const char *vm);
/* How a VM, a device is now. *ret is overwritten. */
void manager_vm_state(Manager *manager, const VmConfig *config, XenopsVmState *ret);
void manager_vbd_state(Manager *manager, const XenopsVbd *vbd, XenopsVbdState *ret);
void manager_vif_state(Manager *manager, const XenopsVif *vif, XenopsVifState *ret);
/* Forgets a VM that does not run. */
bool manager_remove_vm(Manager *manager, const char *vm, XenopsError **error);
