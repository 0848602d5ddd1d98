/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "store-compare.h"
#include "store-internal.h"
#include "uuid.h"
#include "writer.h"

Txn *txn_begin(Store *store)
{
        pthread_mutex_lock(&store->lock);
        assert(!store->txn.open);
        store->txn.open = true;
        return &store->txn;
}

const Row *txn_row(const Txn *txn, const Slot *slot)
{
        return slot->edit > 0 ? txn->edits[slot->edit - 1].row : slot->head;
}

/* The slot's place in the transaction. Borrowed until the next one is added. */
static Edit *txn_add_slot(Txn *txn, Slot *slot)
{
        if (slot->edit > 0)
                return &txn->edits[slot->edit - 1];
        if (txn->n == txn->room) {
                txn->room = MAX(16, txn->room * 2);
                txn->edits = g_renew(Edit, txn->edits, txn->room);
        }
        Edit *edit = &txn->edits[txn->n++];
        *edit = (Edit){ .slot = slot };
        slot->edit = txn->n;
        return edit;
}

Row *txn_edit_slot(Txn *txn, Slot *slot)
{
        const Row *row = txn_row(txn, slot);
        if (row == NULL || slot->edit > 0)
                return (Row *)row;
        return txn_add_slot(txn, slot)->row = row_copy(row);
}

const Row *txn_get(Txn *txn, const Class *class, const char *ref)
{
        const Slot *slot = slot_find(txn->store, class, ref);
        return slot == NULL ? NULL : txn_row(txn, slot);
}

const Row *txn_get_by_uuid(Txn *txn, const Class *class, const char *uuid)
{
        const Row *row = NULL;
        IndexLink *link = index_find(&store_class(txn->store, class)->by_uuid, uuid);
        for (; link != NULL && row == NULL; link = index_find_next(link))
                row = txn_row(txn, SLOT_OF(link, by_uuid));
        return row;
}

void txn_each(Txn *txn, const Class *class, bool (*function)(const Row *row, void *data), void *data)
{
        const ClassState *state = store_class(txn->store, class);
        const Slot *last = state->youngest; /* what function itself makes is not walked */
        for (const Slot *slot = state->oldest; slot != NULL; slot = slot->younger) {
                const Row *row = txn_row(txn, slot);
                if ((row != NULL && !function(row, data)) || slot == last)
                        return;
        }
}

Row *txn_edit(Txn *txn, const Class *class, const char *ref)
{
        Slot *slot = slot_find(txn->store, class, ref);
        return slot == NULL ? NULL : txn_edit_slot(txn, slot);
}

Row *txn_insert(Txn *txn, Row *row)
{
        const Class *class = row->class;
        char uuid[UUID_TEXT_SIZE];
        if (*row->ref == '\0') {
                uuid_make(uuid);
                str_unref(row->ref);
                row->ref = str_printf("OpaqueRef:%s", uuid);
        }
        Str *uuid_slot = class->uuid_field < 0 ? NULL : &((Value *)row_values(row))[class->uuid_field].s;
        if (uuid_slot != NULL && **uuid_slot == '\0') {
                uuid_make(uuid);
                str_set(uuid_slot, uuid);
        }
        Slot *slot = slot_find(txn->store, NULL, row->ref);
        if (slot == NULL)
                slot = slot_new(txn->store, class, row->ref, NULL);
        assert(slot->class->class == class && txn_row(txn, slot) == NULL);
        slot_index_uuid(slot, row);
        Edit *edit = txn_add_slot(txn, slot);
        edit->row = row;
        edit->created = true;
        return row;
}

Row *txn_create(Txn *txn, const Class *class, const char *ref, const char *uuid)
{
        Row *row = row_new(class, ref == NULL ? "" : ref);
        if (uuid != NULL && class->uuid_field >= 0)
                str_set(&row_values(row)[class->uuid_field].s, uuid);
        return txn_insert(txn, row);
}

void txn_delete(Txn *txn, const Class *class, const char *ref)
{
        Slot *slot = slot_find(txn->store, class, ref);
        if (slot == NULL || txn_row(txn, slot) == NULL)
                return;
        Edit *edit = txn_add_slot(txn, slot);
        if (edit->row != NULL)
                row_unref(edit->row);
        edit->row = NULL;
}

void txn_make_volatile(Txn *txn, const Class *class, const char *ref)
{
        Slot *slot = slot_find(txn->store, class, ref);
        assert(slot != NULL && slot->edit > 0 && txn->edits[slot->edit - 1].created && slot->visible == NULL);
        slot->memory_only = true;
}

void txn_keep(Txn *txn, const Class *class, const char *ref)
{
        Slot *slot = slot_find(txn->store, class, ref);
        if (slot == NULL || !slot->memory_only || txn_edit_slot(txn, slot) == NULL)
                return;
        slot->memory_only = false;
        txn->edits[slot->edit - 1].touched = txn->edits[slot->edit - 1].kept = true;
}

void txn_touch(Txn *txn, const Class *class, const char *ref)
{
        Slot *slot = slot_find(txn->store, class, ref);
        if (slot != NULL && txn_edit_slot(txn, slot) != NULL)
                txn->edits[slot->edit - 1].touched = true;
}

void txn_owe(Txn *txn, void (*change)(Txn *txn, void *data), void *data, void (*free_data)(void *data))
{
        Owed *owed = g_new(Owed, 1);
        *owed = (Owed){ txn->owed, change, data, free_data };
        txn->owed = owed;
}

void owed_free(Owed *owed)
{
        while (owed != NULL) {
                Owed *next = owed->next;
                if (owed->free_data != NULL)
                        owed->free_data(owed->data);
                g_free(owed);
                owed = next;
        }
}

static void txn_end(Txn *txn)
{
        txn->n = 0;
        txn->open = false;
        pthread_mutex_unlock(&txn->store->lock);
}

void txn_abort(Txn *txn)
{
        assert(txn->open);
        for (size_t i = 0; i < txn->n; i++) {
                Edit *edit = &txn->edits[i];
                Slot *slot = edit->slot;
                slot->edit = 0;
                if (edit->row != NULL)
                        row_unref(edit->row);
                if (slot->head == NULL && slot->visible == NULL && slot->queued == 0)
                        slot_free(txn->store, slot);
                else
                        slot_index_uuid(slot, slot->head != NULL ? slot->head : slot->visible);
        }
        owed_free(g_steal_pointer(&txn->owed));
        txn_end(txn);
}

static void txn_derive(Txn *txn)
{
        Store *store = txn->store;
        size_t n = store->derive == NULL ? 0 : txn->n; /* what derive adds is its own */
        for (size_t i = 0; i < n; i++) {
                const Edit *edit = &txn->edits[i];
                if (edit->row != NULL &&
                    (edit->created || !row_equal(edit->slot->class, edit->slot->head, edit->row)))
                        store->derive(txn, edit->row, store->derive_data);
        }
}

/* Makes what was edited the newest version. False: nothing changed. */
static bool txn_make_version(Edit *edit, Version *ret)
{
        Slot *slot = edit->slot;
        Row *row = edit->row, *before = slot->head;
        bool changed = edit->created || edit->touched || row == NULL || !row_equal(slot->class, before, row);
        slot->edit = 0;
        if (!changed) {
                row_unref(row);
                return false;
        }
        *ret = (Version){
                .slot = slot,
                .row = row,
                .created = edit->created,
                .durable = !slot->memory_only && (before == NULL || row == NULL || edit->kept ||
                                                  row_differs_durably(slot->class, before, row)),
        };
        slot->head = row == NULL ? NULL : row_ref(row);
        slot->queued++;
        slot_index_uuid(slot, row != NULL ? row : before);
        if (before != NULL)
                row_unref(before);
        return true;
}

void txn_commit(Txn *txn, void (*done)(const XapiError *error, void *data), void *data)
{
        assert(txn->open);
        txn_follow_relations(txn);
        txn_derive(txn);
        Commit *commit = g_malloc(sizeof(*commit) + txn->n * sizeof(Version));
        *commit = (Commit){ .done = done, .data = data, .owed = g_steal_pointer(&txn->owed) };
        for (size_t i = 0; i < txn->n; i++)
                if (txn_make_version(&txn->edits[i], &commit->versions[commit->n]))
                        commit->n++;
        /* Even one that changed nothing may rest on what is not durable yet. */
        if (commit->n > 0 || done != NULL || commit->owed != NULL)
                writer_add(txn->store->writer, commit);
        else
                g_free(commit);
        txn_end(txn);
}

typedef struct CommitWait {
        pthread_mutex_t lock;
        pthread_cond_t wake;
        bool ended;
        XapiError *error;
} CommitWait;

static void commit_wait_done(const XapiError *error, void *data)
{
        CommitWait *wait = data;
        pthread_mutex_lock(&wait->lock);
        wait->ended = true;
        wait->error = error == NULL ? NULL : xapi_error_copy(error);
        pthread_cond_signal(&wait->wake);
        pthread_mutex_unlock(&wait->lock);
}

#define COMMIT_WAIT_INIT                                                                                     \
        {                                                                                                    \
                .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER                          \
        }

static bool commit_wait_end(CommitWait *wait, XapiError **error)
{
        pthread_mutex_lock(&wait->lock);
        while (!wait->ended)
                pthread_cond_wait(&wait->wake, &wait->lock);
        pthread_mutex_unlock(&wait->lock);
        pthread_cond_destroy(&wait->wake);
        pthread_mutex_destroy(&wait->lock);
        if (wait->error == NULL)
                return true;
        *error = wait->error;
        return false;
}

bool txn_commit_wait(Txn *txn, XapiError **error)
{
        CommitWait wait = COMMIT_WAIT_INIT;
        txn_commit(txn, commit_wait_done, &wait);
        return commit_wait_end(&wait, error);
}

bool store_check_writable(Store *store, XapiError **error)
{
        CommitWait wait = COMMIT_WAIT_INIT;
        pthread_mutex_lock(&store->lock);
        bool doubtful = store->refused || g_get_monotonic_time() - store->stored_usec > STORE_TRUSTED_USEC;
        if (doubtful) {
                Commit *commit = g_malloc(sizeof(*commit));
                *commit = (Commit){ .done = commit_wait_done, .data = &wait, .probe = true };
                writer_add(store->writer, commit);
        }
        pthread_mutex_unlock(&store->lock);
        return !doubtful || commit_wait_end(&wait, error);
}
