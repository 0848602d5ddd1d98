/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slots, the indexes and lists that they stand in, and the tombstones that they leave. */
#include "store-internal.h"

#include <assert.h>

static Str row_text(const Row *row, int field)
{
        return row == NULL || field < 0 ? NULL : row_values(row)[field].s;
}

static void index_move(Index *index, IndexLink *link, Str key)
{
        if (link->key != NULL && key != NULL && strcmp(link->key, key) == 0)
                return;
        index_remove(index, link);
        if (key != NULL)
                index_add(index, link, key);
}

static void change_unlink(ChangeLink *change)
{
        if (change->next == NULL)
                return;
        change->previous->next = change->next;
        change->next->previous = change->previous;
        change->previous = change->next = NULL;
}

/* Generations are given in increasing order, so the newest change always belongs at the end. */
static void change_append(ClassState *class, ChangeLink *change, uint64_t generation)
{
        assert(generation >= class->generation);
        change_unlink(change);
        change->generation = generation;
        change->previous = class->changes.previous;
        change->next = &class->changes;
        change->previous->next = change;
        class->changes.previous = change;
        class->generation = generation;
}

Slot *slot_find(Store *store, const Class *class, const char *ref)
{
        IndexLink *link = index_find(&store->by_ref, ref);
        if (link == NULL)
                return NULL;
        Slot *slot = SLOT_OF(link, by_ref);
        return class == NULL || slot->class->class == class ? slot : NULL;
}

Slot *slot_new(Store *store, const Class *class, Str ref, Str uuid)
{
        ClassState *state = store_class(store, class);
        Slot *slot = g_new0(Slot, 1);
        slot->class = state;
        slot->change.slot = slot;
        slot->ref = str_ref(ref);
        slot->id = store->next_id++;
        index_add(&store->by_ref, &slot->by_ref, ref);
        index_move(&state->by_uuid, &slot->by_uuid, uuid);
        slot->older = state->youngest;
        if (slot->older != NULL)
                slot->older->younger = slot;
        else
                state->oldest = slot;
        state->youngest = slot;
        return slot;
}

void slot_free(Store *store, Slot *slot)
{
        ClassState *state = slot->class;
        slot_hide(slot);
        index_remove(&store->by_ref, &slot->by_ref);
        index_remove(&state->by_uuid, &slot->by_uuid);
        if (slot->older != NULL)
                slot->older->younger = slot->younger;
        else
                state->oldest = slot->younger;
        if (slot->younger != NULL)
                slot->younger->older = slot->older;
        else
                state->youngest = slot->older;
        row_unref(slot->head);
        str_unref(slot->ref);
        g_free(slot);
}

void slot_index_uuid(Slot *slot, const Row *row)
{
        index_move(&slot->class->by_uuid, &slot->by_uuid, row_text(row, slot->class->class->uuid_field));
}

Row *slot_show(Store *store, Slot *slot, Row *row, uint64_t generation)
{
        ClassState *state = slot->class;
        Row *before = slot->visible;
        if (before == NULL) {
                state->n_visible++;
                slot->created = row->created;
        }
        slot->visible = row;
        index_move(&state->by_label, &slot->by_label, row_text(row, state->class->name_label_field));
        change_append(state, &slot->change, generation);
        return before;
}

void slot_hide(Slot *slot)
{
        if (slot->visible == NULL)
                return;
        slot->class->n_visible--;
        index_remove(&slot->class->by_label, &slot->by_label);
        change_unlink(&slot->change);
        row_unref(slot->visible);
        slot->visible = NULL;
}

void store_bury(Store *store, ClassState *class, const char *ref, uint64_t created, uint64_t generation)
{
        size_t size = strlen(ref) + 1;
        Tombstone *tombstone = g_malloc0(sizeof(*tombstone) + size);
        memcpy(tombstone->ref, ref, size);
        tombstone->class = class;
        tombstone->created = created;
        change_append(class, &tombstone->change, generation);
        if (store->youngest_tombstone != NULL)
                store->youngest_tombstone->younger = tombstone;
        else
                store->oldest_tombstone = tombstone;
        store->youngest_tombstone = tombstone;
        store->n_tombstones++;
}

void store_forget(Store *store, size_t keep)
{
        while (store->n_tombstones > keep) {
                Tombstone *tombstone = store->oldest_tombstone;
                tombstone->class->forgotten = tombstone->change.generation;
                store->oldest_tombstone = tombstone->younger;
                if (store->oldest_tombstone == NULL)
                        store->youngest_tombstone = NULL;
                change_unlink(&tombstone->change);
                g_free(tombstone);
                store->n_tombstones--;
                store->n_forgotten++;
        }
}
