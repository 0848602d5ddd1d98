/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VMs that have, or are about to have, a domain that is ours, and what was plugged into each. Stands in a ledger, so that
 * the next xenopsd knows which domains and devices are its own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "backend.h"
#include "ledger.h"

typedef struct XlTable XlTable;

#define XL_NO_DOMAIN ((int64_t)-1)

/* A device as it is to be given to libxl, or was. */
typedef struct XlDevice {
        char *kind; /* "vbd" or "vif" */
        char *id;   /* xenopsd's */
        char *node; /* libxl's name of it: "xvda"; "0" */
        char *memo; /* of xenopsd's */
        bool carrier;
} XlDevice;

typedef struct XlVm {
        char *vm;
        int64_t domid; /* XL_NO_DOMAIN: not built yet */
        bool hvm;
        uint64_t started_usec; /* clock_real_usec; 0: not yet */
        size_t n_devices;
        XlDevice *devices;
        /* Not remembered: */
        struct XlPlan *plan; /* what is to be built; the operation's alone, without the lock */
        bool shut_down;      /* Xen told so */
        unsigned refs;
        pthread_cond_t changed;
} XlVm;

XlTable *xl_table_new(Ledger *ledger); /* borrows it */
void xl_table_free(XlTable *table);
char **xl_table_list(XlTable *table); /* owned (g_strfreev) */

/* 0; -EEXIST: it is there already; or what writing failed with. */
int xl_table_add(XlTable *table, const char *vm, bool hvm);
int xl_table_remove(XlTable *table, const char *vm); /* 0 also when it is not there */

/* The entry, locked; NULL: there is none. Every lock is followed by a commit or an unlock; no waiting in between. */
XlVm *xl_table_lock(XlTable *table, const char *vm);
int xl_table_commit(XlTable *table, XlVm *vm); /* remembers it and unlocks; 0, or what writing failed with */
void xl_table_unlock(XlTable *table, XlVm *vm);

XlDevice *xl_vm_device(XlVm *vm, const char *kind, const char *id); /* NULL: not there */
XlDevice *xl_vm_add_device(XlVm *vm, const char *kind, const char *id, const char *node, const char *memo,
                           bool carrier);
void xl_vm_remove_device(XlVm *vm, const char *kind, const char *id);

/* Marks the VM with that domain as shut down and wakes who waits. Returns its name, owned (g_free), or NULL. */
char *xl_table_shut_down(XlTable *table, int64_t domid);
/* What the domain has of disks: libxl's names of them, owned. */
GPtrArray *xl_table_disks(XlTable *table, int64_t domid);
/* The VM with that domain, owned (g_free), and the id of its disk that libxl calls `node`, *ret_device, owned, too; or NULL. */
char *xl_table_disk(XlTable *table, int64_t domid, const char *node, char **ret_device);
/* Waits until `reached` says so, asked without the lock and again after every change of the VM. 0; -ETIME: the deadline
 * (clock_usec) passed; -ECANCELED; -ESRCH: it is not there any more. */
int xl_table_wait(XlTable *table, const char *vm, uint64_t deadline_usec, Cancel *cancel);
