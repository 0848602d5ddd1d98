/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening and closing, and reading what is visible. */
#include "store.h"

#include <assert.h>

#include "store-internal.h"
#include "store-vfs.h"
#include "writer.h"

static void store_free(Store *store)
{
        database_close(store->database);
        for (size_t i = 0; i < model_n_classes; i++)
                while (store->classes[i].oldest != NULL)
                        slot_free(store, store->classes[i].oldest);
        store_forget(store, 0);
        store_classes_clear(store);
        index_clear(&store->by_ref);
        g_free(store->txn.edits);
        pthread_mutex_destroy(&store->lock);
        pthread_mutex_destroy(&store->change_lock);
        g_free(store);
}

static Store *store_new(void)
{
        Store *store = g_new0(Store, 1);
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
        pthread_mutex_init(&store->lock, &attributes);
        pthread_mutexattr_destroy(&attributes);
        pthread_mutex_init(&store->change_lock, NULL);
        index_init(&store->by_ref);
        store_classes_init(store);
        store->txn.store = store;
        store->queue_end = &store->queue;
        return store;
}

Store *store_open(const char *path, XapiError **error)
{
        Store *store = store_new();
        store->database = database_open(path, &database_schema, error);
        if (store->database == NULL || !store_load(store, error)) {
                store_free(store);
                return NULL;
        }
        store->writer = writer_new(store);
        return store;
}

void store_close(Store *store)
{
        if (store == NULL)
                return;
        writer_free(store->writer);
        store_free(store);
}

static const Row *slot_get(const Slot *slot)
{
        return slot == NULL || slot->visible == NULL ? NULL : row_ref(slot->visible);
}

const Row *store_get(Store *store, const Class *class, const char *ref)
{
        pthread_mutex_lock(&store->lock);
        const Row *row = slot_get(slot_find(store, class, ref));
        pthread_mutex_unlock(&store->lock);
        return row;
}

const Row *store_get_by_uuid(Store *store, const Class *class, const char *uuid)
{
        const Row *row = NULL;
        pthread_mutex_lock(&store->lock);
        IndexLink *link = index_find(&store_class(store, class)->by_uuid, uuid);
        for (; link != NULL && row == NULL; link = index_find_next(link))
                row = slot_get(SLOT_OF(link, by_uuid));
        pthread_mutex_unlock(&store->lock);
        return row;
}

static int row_compare_created(const void *a, const void *b)
{
        const Row *x = *(const Row *const *)a, *y = *(const Row *const *)b;
        return x->created < y->created ? -1 : x->created > y->created;
}

const Row **store_rows_by_label(Store *store, const Class *class, const char *name_label, size_t *ret_n)
{
        g_autoptr(GPtrArray) rows = g_ptr_array_new();
        pthread_mutex_lock(&store->lock);
        IndexLink *link = index_find(&store_class(store, class)->by_label, name_label);
        for (; link != NULL; link = index_find_next(link))
                g_ptr_array_add(rows, (gpointer)slot_get(SLOT_OF(link, by_label)));
        pthread_mutex_unlock(&store->lock);
        g_ptr_array_sort(rows, row_compare_created);
        *ret_n = rows->len;
        return (const Row **)g_ptr_array_free(g_steal_pointer(&rows), false);
}

const Row **store_rows(Store *store, const Class *class, size_t *ret_n)
{
        size_t n = 0;
        pthread_mutex_lock(&store->lock);
        ClassState *state = store_class(store, class);
        const Row **rows = g_new(const Row *, state->n_visible + 1);
        for (const Slot *slot = state->oldest; slot != NULL; slot = slot->younger)
                if (slot->visible != NULL)
                        rows[n++] = row_ref(slot->visible);
        assert(n == state->n_visible);
        pthread_mutex_unlock(&store->lock);
        *ret_n = n;
        return rows;
}

void store_rows_free(const Row **rows, size_t n)
{
        for (size_t i = 0; i < n; i++)
                row_unref(rows[i]);
        g_free(rows);
}

size_t store_count(Store *store, const Class *class)
{
        pthread_mutex_lock(&store->lock);
        size_t n = store_class(store, class)->n_visible;
        pthread_mutex_unlock(&store->lock);
        return n;
}

bool store_find(Store *store, const char *ref, const Class **ret_class)
{
        pthread_mutex_lock(&store->lock);
        const Slot *slot = slot_find(store, NULL, ref);
        bool found = slot != NULL && slot->visible != NULL;
        if (found)
                *ret_class = slot->class->class;
        pthread_mutex_unlock(&store->lock);
        return found;
}

uint64_t store_generation(Store *store)
{
        pthread_mutex_lock(&store->lock);
        uint64_t generation = store->generation;
        pthread_mutex_unlock(&store->lock);
        return generation;
}

void store_statistics(Store *store, StoreStatistics *ret)
{
        pthread_mutex_lock(&store->lock);
        *ret = store->statistics;
        ret->syncs = store_vfs_syncs();
        pthread_mutex_unlock(&store->lock);
}

void store_on_change(Store *store, void (*function)(uint64_t generation, void *data), void *data)
{
        pthread_mutex_lock(&store->change_lock);
        store->on_change = function;
        store->on_change_data = data;
        pthread_mutex_unlock(&store->change_lock);
}

void store_set_derive(Store *store, void (*derive)(Txn *txn, const Row *row, void *data), void *data)
{
        pthread_mutex_lock(&store->lock);
        store->derive = derive;
        store->derive_data = data;
        pthread_mutex_unlock(&store->lock);
}
