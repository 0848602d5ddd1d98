/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the store's own files share. Everything here is guarded by Store.lock unless it says otherwise. */
#pragma once

#include <pthread.h>

#include "store-database.h"
#include "store-index.h"
#include "store.h"

typedef struct Slot Slot;

/* An entry of a class's list of changes, oldest generation first: a live object's slot, or a tombstone. */
typedef struct ChangeLink {
        struct ChangeLink *previous, *next;
        uint64_t generation;
        Slot *slot; /* NULL: a Tombstone */
} ChangeLink;

typedef struct Tombstone {
        ChangeLink change;
        struct Tombstone *younger; /* of any class */
        struct ClassState *class;
        uint64_t created; /* 0: not known any more */
        char ref[];
} Tombstone;

/* One object: what everybody sees, and the newest version, which only transactions see until it is durable. */
struct Slot {
        ChangeLink change; /* in its class's list once visible */
        struct ClassState *class;
        Str ref;
        IndexLink by_ref, by_uuid, by_label;
        Slot *older, *younger; /* in order of creation */
        Row *visible;          /* NULL: not yet, or no longer */
        Row *head;             /* NULL: not before the open transaction, or deleted */
        int64_t id;            /* key on the disk */
        uint64_t created;
        size_t edit;            /* place in the open transaction, counted from 1; 0: none */
        size_t queued;          /* versions that are not yet visible or refused */
        bool memory_only;       /* never on the disk */
        struct Version *latest; /* of the batch; only the writer's thread touches it */
};

typedef enum FieldKind {
        FIELD_DURABLE,
        FIELD_VOLATILE, /* kept in memory: a change of it alone costs no write */
        FIELD_DERIVED,  /* the set end of a relation: made from the single ends when the store is opened */
} FieldKind;

/* A relation as seen from the end that drives it. */
typedef struct Relation {
        size_t field;
        struct ClassState *other;
        size_t other_field;
        bool many; /* both ends are sets, and either may be changed */
} Relation;

typedef struct ClassState {
        const Class *class;
        Slot *oldest, *youngest;
        size_t n_visible;
        Index by_uuid;       /* of slots, visible or not */
        Index by_label;      /* of visible rows */
        ChangeLink changes;  /* the list's own link: next is the oldest, previous the newest */
        uint64_t generation; /* of the newest change */
        uint64_t forgotten;  /* deletions up to here are no longer known */
        FieldKind *kinds;
        bool *durable; /* by field: FIELD_DURABLE */
        bool has_volatile;
        Relation *relations;
        size_t n_relations;
} ClassState;

/* One object's part of a transaction that has ended. */
typedef struct Version {
        Slot *slot;
        Row *row; /* owned; NULL: deleted */
        bool durable;
        bool created;
        uint64_t generation; /* the writer's */
} Version;

/* A change that is made again if it is refused. */
typedef struct Owed {
        struct Owed *next;
        void (*change)(Txn *txn, void *data);
        void *data;
        void (*free_data)(void *data);
} Owed;

/* A transaction on its way to the disk. */
typedef struct Commit {
        struct Commit *next;
        Owed *owed;
        bool probe; /* changes nothing, and is written all the same */
        void (*done)(const XapiError *error, void *data);
        void *data;
        size_t n;
        Version versions[];
} Commit;

typedef struct Edit {
        Slot *slot;
        Row *row; /* NULL: deleted */
        bool created, touched, kept;
} Edit;

struct Txn {
        Store *store;
        bool open;
        Edit *edits;
        size_t n, room;
        Owed *owed;
};

typedef struct Writer Writer;

struct Store {
        pthread_mutex_t lock; /* recursive: a transaction's own thread may read */
        Index by_ref;
        ClassState *classes; /* by Class.index */
        uint64_t generation; /* newest visible */
        int64_t next_id;
        Txn txn;
        void (*derive)(Txn *txn, const Row *row, void *data);
        void *derive_data;

        Commit *queue, **queue_end;
        Tombstone *oldest_tombstone, *youngest_tombstone;
        size_t n_tombstones;
        size_t n_forgotten; /* tombstones dropped here and still in the database */
        StoreStatistics statistics;
        bool refused;        /* the last write was */
        int64_t stored_usec; /* when the last one was taken */

        Writer *writer;              /* set once */
        Database *database;          /* set once; used by the writer's thread */
        pthread_mutex_t change_lock; /* of these two, held while the function runs; taken without `lock` */
        void (*on_change)(uint64_t generation, void *data);
        void *on_change_data;
};

#define SLOT_OF(link, member) ((Slot *)((char *)(link)-offsetof(Slot, member)))

/* store-classes.c */
void store_classes_init(Store *store);
void store_classes_clear(Store *store);
ClassState *store_class(Store *store, const Class *class);

/* store-slot.c */
Slot *slot_find(Store *store, const Class *class, const char *ref);  /* NULL: no slot of that class */
Slot *slot_new(Store *store, const Class *class, Str ref, Str uuid); /* indexed, in the order of creation */
void slot_free(Store *store, Slot *slot);                            /* taken out of every index and list */
void slot_index_uuid(Slot *slot, const Row *row);                    /* row is its newest version */
/* Makes row what everybody sees; takes it. Returns what was seen before, owned, or NULL. */
Row *slot_show(Store *store, Slot *slot, Row *row, uint64_t generation);
void slot_hide(Slot *slot); /* nobody sees it any more */
void store_bury(Store *store, ClassState *class, const char *ref, uint64_t created, uint64_t generation);
void store_forget(Store *store, size_t keep); /* drops the oldest tombstones */

/* txn.c */
void owed_free(Owed *owed); /* and all that follow it */

/* store-load.c */
bool store_load(Store *store, XapiError **error);

/* txn.c */
const Row *txn_row(const Txn *txn, const Slot *slot); /* its newest version; NULL: deleted */
Row *txn_edit_slot(Txn *txn, Slot *slot);             /* NULL: deleted */

/* txn-relations.c: fills in the other ends of what the transaction changed. */
void txn_follow_relations(Txn *txn);
