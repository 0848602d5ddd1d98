/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The objects: typed rows in memory, made durable by SQLite, seen by others only once they are durable. */
#pragma once

#include "error.h"
#include "loop.h"
#include "model.h"

typedef struct Store Store;
typedef struct Txn Txn;

/* Opens (or makes) the database at path (":memory:" for tests). An older schema is migrated, a newer one refused. */
Store *store_open(const char *path, XapiError **error);
void store_close(Store *store); /* waits until all that was committed is durable or refused */

/* ---- Reading: what is durable. Any thread, no I/O. ---- */

const Row *store_get(Store *store, const Class *class, const char *ref);          /* returns owned, or NULL */
const Row *store_get_by_uuid(Store *store, const Class *class, const char *uuid); /* returns owned, or NULL */
/* All rows of a class, in the order of creation. Returns owned rows in an owned array (store_rows_free). */
const Row **store_rows(Store *store, const Class *class, size_t *ret_n);
/* Those with this name_label, in the order of creation; costs what they are, not what the class is. */
const Row **store_rows_by_label(Store *store, const Class *class, const char *name_label, size_t *ret_n);
void store_rows_free(const Row **rows, size_t n);
size_t store_count(Store *store, const Class *class);
bool store_find(Store *store, const char *ref,
                const Class **ret_class); /* which class has this ref; false: none */
uint64_t store_generation(Store *store);

/* ---- Changing. A transaction sees the newest state, durable or not, and holds the store's lock from txn_begin to
 * its end: microseconds, so no waiting, no bus, no I/O in between. ---- */

Txn *txn_begin(Store *store);
const Row *txn_get(Txn *txn, const Class *class, const char *ref); /* borrowed until the end; NULL: none */
const Row *txn_get_by_uuid(Txn *txn, const Class *class, const char *uuid);
/* Calls function for each row of the class; false from it ends the walk. */
void txn_each(Txn *txn, const Class *class, bool (*function)(const Row *row, void *data), void *data);
/* The row, to be changed in place (value slots: slot_str and friends). Borrowed; same pointer when asked again.
 * NULL: none. A row that ends up equal to what it was makes no event. */
Row *txn_edit(Txn *txn, const Class *class, const char *ref);
/* A new row of a class that is in the database, or a message: all fields at their initial values, uuid and ref new
 * unless given ("" or NULL: make one). */
Row *txn_create(Txn *txn, const Class *class, const char *ref, const char *uuid);
/* Puts an unpublished row (record_read's) in as a new object; takes it. Its ref and uuid are made where empty. */
Row *txn_insert(Txn *txn, Row *row);
void txn_delete(Txn *txn, const Class *class, const char *ref);
/* The row never reaches the disk: a restart forgets it (tasks of synchronous calls). For rows made in this txn. */
void txn_make_volatile(Txn *txn, const Class *class, const char *ref);
/* From now on it does, if it was such a row. */
void txn_keep(Txn *txn, const Class *class, const char *ref);
void txn_touch(Txn *txn, const Class *class,
               const char *ref); /* an event though nothing changed (event.inject) */
void txn_abort(Txn *txn);

/* Called in txn_commit with the lock held, once for each row that the transaction made or changed (relations' other
 * ends included), before it is decided whether the row is equal to what it was: it may txn_edit that row, or others, to
 * derive fields from other fields (allowed_operations). It is not called again for rows that it edited itself. */
void store_set_derive(Store *store, void (*derive)(Txn *txn, const Row *row, void *data), void *data);

/* The other ends of relations follow by themselves when the transaction ends: setting VBD.VM changes VM.VBDs, deleting a
 * VBD takes it out of VM.VBDs. Where one end is a single reference that one drives: what was put into the set end is
 * ignored. A single reference to what is deleted stays as it is, as upstream's do. */

/* Ends the transaction. `done` is called once, on the writer's thread, when all is durable and visible (error NULL),
 * or refused and undone (the error is borrowed). May be NULL. */
void txn_commit(Txn *txn, void (*done)(const XapiError *error, void *data), void *data);
bool txn_commit_wait(Txn *txn, XapiError **error); /* not on the loop */
/* For what has to be written down however long the disk refuses: should this transaction be refused, the change is made
 * again, in one of its own and on the writer's thread, every STORE_OWED_MSEC until it is stored. Takes `data`, which
 * free_data frees in the end. What is still owed when the store is closed is lost. */
void txn_owe(Txn *txn, void (*change)(Txn *txn, void *data), void *data, void (*free_data)(void *data));
#define STORE_OWED_MSEC 200
/* Whether the disk takes what is written to it: true at once where it just did, else it is tried. */
bool store_check_writable(Store *store, XapiError **error); /* not on the loop */
#define STORE_TRUSTED_USEC 1000000

/* ---- Following changes ---- */

/* Called on the writer's thread after each batch has become visible, once for the batch. Returns once the function that
 * was set before no longer runs. */
void store_on_change(Store *store, void (*function)(uint64_t generation, void *data), void *data);

typedef struct Change {
        const Class *class;
        Str ref;                      /* owned by the array */
        const Row *row;               /* NULL: deleted */
        uint64_t generation, created; /* created: 0 where it is not known any more */
} Change;
/* What changed after generation `since` in the classes for which wanted[class->index] is true, deletions included (of
 * objects made after `since`, too), oldest first, each object once in its latest state. 0: everything, no deletions.
 * Also the newest generation at that moment and, unless ret_counts is NULL, how many objects each class had, by
 * Class.index. False, and nothing returned: `since` is so old that deletions are forgotten. */
bool store_changes(Store *store, uint64_t since, const bool *wanted, Change **ret_changes, size_t *ret_n,
                   uint64_t *ret_generation, size_t *ret_counts);
void store_changes_free(Change *changes, size_t n);
/* Of each class's newest change, by Class.index; room for model_n_classes. */
void store_class_generations(Store *store, uint64_t *ret_generations);

/* Writes to the disk so far, for figures and tests. */
typedef struct StoreStatistics {
        uint64_t transactions, batches, syncs;
} StoreStatistics;
void store_statistics(Store *store, StoreStatistics *ret);

#define STORE_GET(Type, CLASS, store, ref) ((const Type *)store_get((store), &(CLASS), (ref)))
