/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An operation of a VM that xenopsd does: checked and marked, asked for, waited for, and followed into the rows. On a
 * worker. */
#pragma once

#include "vm.h"

typedef struct Lifecycle {
        Call *call;
        Xenops *xenops;
        Bus *bus;
        const char *vm; /* ref */
        Str uuid;
        int64_t operation;
        int64_t power_state; /* when the operation began */
        /* In the last transaction, after the rows were brought to what xenopsd says; set by what went well. */
        void (*finish)(Txn *txn, struct Lifecycle *l);
        void *data;          /* for finish */
        Str suspend_vdi;     /* of a VM that is suspended when the operation begins; owned */
        Str unneeded;        /* an image that finish took from the VM, which goes at the end; owned */
        GPtrArray *networks; /* whose bridges are held until the end; NULL: none */
} Lifecycle;

Lifecycle lifecycle(Call *call, const char *vm, int64_t operation);
/* Between the two, changes to the VM that xenopsd tells of are left for lifecycle_end to see. */
bool lifecycle_begin(Lifecycle *l, XapiError **error);
/* `ok` and *error are what the operation itself came to. Returns what it came to in all. */
bool lifecycle_end(Lifecycle *l, bool ok, XapiError **error);

/* The bridges of the VM's interfaces are there, until the end at least. */
bool lifecycle_hold_networks(Lifecycle *l, XapiError **error);
/* The end of a call to xenopsd that makes a task: waits for it. Takes task and e. */
bool lifecycle_wait(Lifecycle *l, bool called, char *task, XenopsError *e, XapiError **error);

/* delay_sec NULL: as if the plug were pulled; else how long the guest has to do it itself. */
bool lifecycle_shut_down(Lifecycle *l, const double *delay_sec, XapiError **error);
bool lifecycle_unpause(Lifecycle *l, XapiError **error);
/* As l->finish: the VM is halted, and has no image. */
void lifecycle_finish_halted(Txn *txn, Lifecycle *l);
/* xenopsd forgets the VM, if it knew it. */
void lifecycle_forget(Lifecycle *l);
/* No domain is left: of a running VM, or of a suspended one, whose image goes, too. Sets l->finish. */
bool lifecycle_halt(Lifecycle *l, XapiError **error);
