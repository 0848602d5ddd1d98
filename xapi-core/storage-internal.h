/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files about SRs, PBDs and VDIs share. */
#pragma once

#include <stdatomic.h>

#include "bus/storage.h"
#include "call.h"
#include "manager.h"
#include "operations.h"
#include "storage.h"
#include "xenapi.h"

#define STORAGE_CALL_USEC (UINT64_C(10) * 60 * 1000000) /* what takes moments, unless the storage hangs */
#define STORAGE_DATA_USEC (UINT64_C(24) * 60 * 60 * 1000000) /* what may move a disk's data */

/* Whether this runs down: what waits on the storage thread ends early. */
bool storage_stopping(Storage *storage);
/* Runs the loop until loop_stop, before anybody is served. Somebody else's loop_stop, when *done is not set yet, is a
 * signal: it ends the process at once, which may be killed at any instant anyway. */
void storage_run_loop(Manager *manager, atomic_bool *done);

/* A datapath of sm-daemon's for as long as disks are copied: its name is one of few, so that what a killed process left
 * attached is let go of by the next one. NULL with TOO_BUSY when all are taken, or the session has its share (shares.h).
 * Returns a name that lives for ever. */
#define STORAGE_COPIES_MAX 16
const char *storage_copy_begin(Storage *storage, const char *session, XapiError **error);
void storage_copy_end(Storage *storage, const char *session, const char *dp);

/* ---- sm-daemon's answers (storage-error.c) ---- */

/* The XenAPI's error for one of sm-daemon's; takes it. sr and vdi are the refs that it is about, or "". False. */
bool storage_fail(const char *sr, const char *vdi, StorageError *taken, XapiError **error);
/* After a call that may be repeated without harm: true, and *error gone, when sm-daemon died under it and it is to be
 * made once more. *attempt begins at 0. */
bool storage_retry(StorageError **error, int *attempt);

/* ---- between the bus and rows (storage-rows.c) ---- */

/* Borrows the texts; items are freed with g_free. */
BusDict storage_dict(const Map *map);
Map *storage_map(const Type *type, const BusDict *dict); /* returns owned */
/* What the repository says of itself. */
void sr_fold(Txn *txn, const char *sr, const StorageSrInfo *info);
/* One of its disks has another size now; 0: there is none. What clients write down of a disk may be any number. */
void sr_replace_allocation(Txn *txn, const char *sr, int64_t old_bytes, int64_t new_bytes);
/* What the repository says of a volume that has an object: its sizes and names; the rest is the object's. */
void vdi_fold(Txn *txn, VdiRow *vdi, const StorageVdiInfo *info);
bool vdi_differs(const VdiRow *vdi, const StorageVdiInfo *info); /* whether vdi_fold would change anything */
/* The object of a volume: the one that a scan may have made meanwhile, else a new one, with what the volume says. The
 * repository's virtual_allocation follows. Borrowed until the transaction's end. */
VdiRow *vdi_row_for(Txn *txn, const char *sr, const StorageVdiInfo *info);
/* When the objects of all volumes are there: of which disk this one is a snapshot. */
void vdi_row_relate(Txn *txn, VdiRow *vdi, const StorageVdiInfo *info);
/* Deletes the object and the VBDs that connect it. The repository's virtual_allocation follows. */
void vdi_row_delete(Txn *txn, const char *vdi);
/* Deletes the VBDs that connect it. */
void vdi_row_disconnect(Txn *txn, const VdiRow *vdi);
/* Puts a PBD in, which is taken; returns it borrowed. What the SR allows follows. */
PbdRow *pbd_row_insert(Txn *txn, PbdRow *taken);

/* ---- drivers (storage-drivers.c) ---- */

const SmRow *sm_of_type(Txn *txn, const char *type); /* borrowed until the transaction's end; NULL: none */
bool sm_has_feature(const SmRow *sm, const char *feature); /* sm may be NULL: false */
/* Ours, of drivers whose clones and snapshots share nothing with what they were made of, and leave it as it was. */
#define SM_COPIES_ARE_FULL "COPIES_ARE_FULL"
#define SM_COPY            "VDI_COPY"     /* Volume.copy within a repository */
#define SM_COPY_TO         "VDI_COPY_TO_" /* and to others, of the type whose name follows in capitals */
bool sr_has_feature(Store *store, const char *sr, const char *feature); /* of its driver */
/* Whether the driver of the one copies to the other, which is several times as fast as what we can do. */
bool sr_copies_to(Store *store, const char *from, const char *to);
/* Asks sm-daemon what there is, and makes the SM objects say so. False: it does not answer. */
bool storage_drivers_update(Manager *manager);

/* ---- a repository on this host (storage-plug.c) ---- */

/* SR_HAS_NO_PBDS unless a PBD of this host is plugged. */
bool sr_require_plugged(Call *call, const char *sr, XapiError **error);
/* The PBD by which the host has the repository, borrowed until the transaction's end; NULL: none. */
const PbdRow *sr_pbd_of(Txn *txn, const SrRow *sr, const char *host);
/* The repository's uuid; HANDLE_INVALID where there is no such SR. Returns owned, or NULL. */
Str sr_uuid(Store *store, const char *sr, XapiError **error);
/* One at a time for a repository: what attaches or detaches it. Held across waits, so on workers and the storage
 * thread only; no other lock is taken under it but the store's. */
void sr_lock(Storage *storage, const char *uuid);
void sr_unlock(Storage *storage, const char *uuid);
/* Tells sm-daemon to attach what the PBD names, makes the host's own repository if it was never made, and puts sizes
 * and the PBD's state into the rows. With the lock. */
bool pbd_attach(Manager *manager, const char *dbg, const char *pbd, XapiError **error);
/* The sizes as of now; silent where sm-daemon does not answer. Adds to a transaction by sr_fold. */
bool sr_stat(Manager *manager, const char *dbg, const char *uuid, StorageSrInfo *ret);
/* What the SR's volumes allow depends on its being plugged: makes it right again. In transactions of its own. */
void sr_update_volumes(Store *store, const char *sr);

/* ---- what a killed process left (storage-leftovers.c) ---- */

/* For a volume that the call makes. Returns owned (g_free). */
char *storage_content_id(const Call *call);
/* Removes the volumes that operations were making which a process before this one did not live to finish. On the
 * storage thread, when the repositories are attached. */
void storage_remove_leftovers(Manager *manager);

/* ---- an operation of a repository, and perhaps of a volume in it (storage-operation.c) ---- */

typedef struct SrOperation {
        Call *call;
        const char *sr_ref;                  /* given where there is no volume */
        const char *vdi_ref;                 /* NULL: of the repository alone */
        int64_t sr_operation, vdi_operation; /* -1: none to be marked */
        bool sizes;                          /* the repository's sizes are asked for at the end */
        const char *made; /* location of a volume that goes again if all comes to nothing; NULL: none */
        const char
            *from_sr; /* uuid of the repository that has what storage_make is to copy; NULL: this one */
        /* Filled in by storage_begin, owned until storage_end: */
        Str sr, sr_uuid, location;
        VdiRow *vdi; /* as it was */
} SrOperation;

/* Checks and marks; the SR must be plugged here. False: nothing is marked, and storage_end is not to be called. */
bool storage_begin(SrOperation *o, XapiError **error);
/* The same; where another operation is in the way, that one has until then (clock_usec) to end. */
bool storage_begin_by(SrOperation *o, uint64_t until_usec, XapiError **error);
/* Unmarks; if all went well (ok), calls finish(txn, data), which may be NULL, in the same transaction. `ok` and *error
 * are what the operation itself came to. */
bool storage_end(SrOperation *o, bool ok, void (*finish)(Txn *txn, void *data), void *data,
                 XapiError **error);

/* ---- the ends of operations, for those who wait for one (storage-endings.c) ---- */

typedef struct Endings Endings;

Endings *storage_endings(Storage *storage); /* borrowed */
Endings *endings_new(void);
void endings_free(Endings *endings);
uint64_t endings_count(Endings *endings); /* so far */
void endings_add(void *endings);          /* one more; whoever waits looks again. Any thread */
/* Waits until there are more than were `seen`. False: not before that time (clock_usec). */
bool endings_wait(Endings *endings, uint64_t seen, uint64_t until_usec);

/* ---- a new volume (storage-make.c) ---- */

/* storage_vdi_create, _clone, _snapshot; NULL: a full copy, which is ended when the call is cancelled. */
typedef bool (*StorageMakeFunction)(Bus *bus, uint64_t timeout_usec, const char *dbg, const char *sr,
                                    const StorageVdiInfo *info, StorageVdiInfo *ret, StorageError **error);

/* Makes it once, also where sm-daemon dies meanwhile. Sets info->content_id, by which it is found again. */
bool storage_make(const SrOperation *o, StorageMakeFunction make, StorageVdiInfo *info, StorageVdiInfo *ret,
                  XapiError **error);
