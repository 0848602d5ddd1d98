/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A VM made from another one: its disks first, which takes time, then its object and all that belongs to it, in one
 * transaction. */
#pragma once

#include <glib.h>

#include "vm.h"

typedef enum VmCopyKind {
        VM_COPY_CLONE,      /* disks cloned where they are */
        VM_COPY_FULL,       /* disks copied in full */
        VM_COPY_SNAPSHOT,   /* disks snapshotted, the new VM a snapshot */
        VM_COPY_CHECKPOINT, /* the same, with the memory image of a suspended VM */
} VmCopyKind;

typedef struct VmCopy {
        Call *call;
        VmCopyKind kind;
        const char *source; /* ref */
        const char *name;
        const char *uuid;    /* of the new VM; NULL: any */
        const char *sr;      /* VM_COPY_FULL: where the disks go; NULL_REF: each where it is */
        const Set *ignored;  /* VDIs that stay out; NULL: none */
        int64_t power_state; /* of the source, as its snapshot remembers it */
        GArray *disks;       /* of VmCopyDisk */
        Str suspend_vdi;     /* of the new VM; owned; NULL: it will be halted */
} VmCopy;

typedef struct VmCopyDisk {
        Str vbd;  /* of the source */
        Str made; /* the new VDI; NULL: the new VBD has the same medium, or none */
} VmCopyDisk;

/* Makes the disks, and the memory image of a suspended source unless copy->suspend_vdi is there already or a snapshot
 * has none. On a worker. False: none is left. */
bool vm_copy_disks(VmCopy *copy, XapiError **error);
/* Puts the new VM in. Its row is borrowed until the transaction's end. */
VmRow *vm_copy_insert(VmCopy *copy, Txn *txn);
/* Removes the disks that were made, after the transaction failed. On a worker. */
void vm_copy_undo(VmCopy *copy);
void vm_copy_clear(VmCopy *copy);

/* Its parts, for VMs that take their devices from a snapshot: see VmCopy for `kind`. */
void vm_copy_vbd(Txn *txn, const VbdRow *vbd, const char *vm, const char *vdi);
void vm_copy_vif(Txn *txn, const VifRow *vif, const VmRow *vm, bool keep_mac);
