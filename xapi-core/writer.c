/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "writer.h"

#include <assert.h>

#include "condition.h"
#include "persist.h"

#define TOMBSTONES_SLACK 1000 /* dropped from the database so many at a time */

struct Writer {
        Store *store;
        pthread_t thread;
        pthread_cond_t wake; /* with Store.lock */
        bool stop;           /* under Store.lock */
        /* The rest is the thread's own. */
        uint64_t generation; /* newest given to a change */
        uint64_t reserved;   /* on the disk: all given are below */
        Buffer text;
        GPtrArray
            *latest; /* of Version: one for each object of the batch, in the order of their last change */
        GPtrArray *garbage; /* rows to be freed outside the lock */
        Owed *owed;         /* refused changes, to be made again */
        uint64_t owed_due_usec;
};

/* Versions that another of the same batch replaces are never seen: they lend it their marks and drop out. */
static void writer_find_latest(Writer *writer, Commit *batch)
{
        for (Commit *commit = batch; commit != NULL; commit = commit->next) {
                for (size_t i = 0; i < commit->n; i++) {
                        Version *version = &commit->versions[i], *earlier = version->slot->latest;
                        if (earlier != NULL) {
                                version->created |= earlier->created;
                                version->durable |= earlier->durable;
                        }
                        version->slot->latest = version;
                }
        }
        g_ptr_array_set_size(writer->latest, 0);
        for (Commit *commit = batch; commit != NULL; commit = commit->next) {
                for (size_t i = 0; i < commit->n; i++) {
                        Version *version = &commit->versions[i];
                        if (version->slot->latest != version)
                                continue;
                        version->slot->latest = NULL;
                        version->generation = ++writer->generation;
                        /* What was made and deleted within the batch has left nothing on the disk. */
                        if (version->row == NULL && version->slot->visible == NULL)
                                version->durable = false;
                        g_ptr_array_add(writer->latest, version);
                }
        }
}

static bool writer_write_version(Writer *writer, const Version *version, XapiError **error)
{
        Database *database = writer->store->database;
        const Slot *slot = version->slot;
        const char *class = slot->class->class->name;
        if (version->row == NULL)
                return database_remove(database, slot->id, error) &&
                       database_bury(
                           database,
                           &(DatabaseDeletion){ version->generation, .class = class, .ref = slot->ref },
                           error);
        writer->text.len = 0;
        row_write_persistent(&writer->text, version->row, slot->class->durable);
        DatabaseObject object = {
                .id = slot->id,
                .class = class,
                .ref = slot->ref,
                .generation = version->generation,
                .created = version->created ? version->generation : slot->created,
                .record = writer->text.data,
                .record_len = writer->text.len,
        };
        return database_put(database, &object, error);
}

static bool writer_write_batch(Writer *writer, bool reserve, uint64_t forget, XapiError **error)
{
        Database *database = writer->store->database;
        if (!database_begin(database, error))
                return false;
        for (size_t i = 0; i < writer->latest->len; i++) {
                const Version *version = writer->latest->pdata[i];
                if (version->durable && !writer_write_version(writer, version, error))
                        return false;
        }
        if (reserve && !database_reserve(database, writer->generation + GENERATIONS_RESERVED, error))
                return false;
        if (forget > 0 && !database_forget(database, forget, error))
                return false;
        return database_commit(database, error);
}

/* Deletions up to here are to be dropped from the database; 0: not yet. */
static uint64_t writer_forget_until(Store *store)
{
        pthread_mutex_lock(&store->lock);
        uint64_t generation = 0;
        if (store->n_forgotten >= TOMBSTONES_SLACK) {
                generation = store->oldest_tombstone->change.generation - 1;
                store->n_forgotten = 0;
        }
        pthread_mutex_unlock(&store->lock);
        return generation;
}

/* Returns once the batch is durable. Batches that change nothing durable cost no write. */
static bool writer_make_durable(Writer *writer, bool probe, XapiError **error)
{
        bool reserve = probe || (writer->generation >= writer->reserved && writer->latest->len > 0);
        bool durable = reserve;
        for (size_t i = 0; i < writer->latest->len && !durable; i++)
                durable = ((const Version *)writer->latest->pdata[i])->durable;
        if (!durable)
                return true;
        bool stored = writer_write_batch(writer, reserve, writer_forget_until(writer->store), error);
        if (!stored)
                database_rollback(writer->store->database);
        else if (reserve)
                writer->reserved = writer->generation + GENERATIONS_RESERVED;
        pthread_mutex_lock(&writer->store->lock);
        writer->store->statistics.batches += stored;
        writer->store->refused = !stored;
        if (stored)
                writer->store->stored_usec = g_get_monotonic_time();
        pthread_mutex_unlock(&writer->store->lock);
        return stored;
}

static void slot_drop_if_unused(Store *store, Slot *slot)
{
        if (slot->queued == 0 && slot->visible == NULL && slot->head == NULL)
                slot_free(store, slot);
}

static void writer_publish_version(Writer *writer, Version *version)
{
        Slot *slot = version->slot;
        Row *row = version->row, *before;
        if (row == NULL) {
                slot_hide(slot);
                store_bury(writer->store, slot->class, slot->ref,
                           version->created ? version->generation : slot->created, version->generation);
                return;
        }
        row->generation = version->generation;
        row->created = version->created ? version->generation : slot->created;
        slot->created = row->created;
        before = slot_show(writer->store, slot, row_ref(row), version->generation);
        if (before != NULL)
                g_ptr_array_add(writer->garbage, before);
}

static void writer_publish(Writer *writer, Commit *batch)
{
        Store *store = writer->store;
        pthread_mutex_lock(&store->lock);
        for (size_t i = 0; i < writer->latest->len; i++)
                writer_publish_version(writer, writer->latest->pdata[i]);
        for (Commit *commit = batch; commit != NULL; commit = commit->next) {
                store->statistics.transactions += commit->n > 0;
                for (size_t i = 0; i < commit->n; i++) {
                        commit->versions[i].slot->queued--;
                        slot_drop_if_unused(store, commit->versions[i].slot);
                        if (commit->versions[i].row != NULL)
                                g_ptr_array_add(writer->garbage, commit->versions[i].row);
                }
        }
        store_forget(store, TOMBSTONES_MAX);
        store->generation = writer->generation;
        pthread_mutex_unlock(&store->lock);
        for (size_t i = 0; i < writer->garbage->len; i++)
                row_unref(writer->garbage->pdata[i]);
        g_ptr_array_set_size(writer->garbage, 0);
}

static void commit_undo(Store *store, Commit *commit)
{
        for (size_t i = 0; i < commit->n; i++) {
                Slot *slot = commit->versions[i].slot;
                if (slot->head != NULL)
                        row_unref(slot->head);
                slot->head = slot->visible == NULL ? NULL : row_ref(slot->visible);
                slot_index_uuid(slot, slot->head);
                slot->queued--;
                if (commit->versions[i].row != NULL)
                        row_unref(commit->versions[i].row);
                slot_drop_if_unused(store, slot);
        }
}

/* What was queued meanwhile may rest on what is refused, and goes with it. Returns all that is undone. */
static Commit *writer_undo(Writer *writer, Commit *batch)
{
        Store *store = writer->store;
        pthread_mutex_lock(&store->lock);
        Commit **end = &batch;
        while (*end != NULL)
                end = &(*end)->next;
        *end = store->queue;
        store->queue = NULL;
        store->queue_end = &store->queue;
        for (Commit *commit = batch; commit != NULL; commit = commit->next)
                commit_undo(store, commit);
        pthread_mutex_unlock(&store->lock);
        return batch;
}

static void writer_owe(Writer *writer, Owed *owed)
{
        if (writer->owed == NULL) {
                writer->owed_due_usec = clock_usec() + STORE_OWED_MSEC * 1000;
        }
        Owed **end = &writer->owed;
        while (*end != NULL)
                end = &(*end)->next;
        *end = owed;
}

static bool writer_owed_is_due(const Writer *writer)
{
        return writer->owed != NULL && clock_usec() >= writer->owed_due_usec;
}

/* Makes the refused changes anew, each in a transaction, which come with the next batch. */
static void writer_pay(Writer *writer)
{
        Owed *owed = g_steal_pointer(&writer->owed);
        while (owed != NULL) {
                Owed *next = owed->next;
                Txn *txn = txn_begin(writer->store);
                owed->change(txn, owed->data);
                owed->next = txn->owed;
                txn->owed = owed;
                txn_commit(txn, NULL, NULL);
                owed = next;
        }
}

static void writer_tell(Writer *writer, Commit *batch, const XapiError *error)
{
        Store *store = writer->store;
        pthread_mutex_lock(&store->change_lock);
        if (error == NULL && writer->latest->len > 0 && store->on_change != NULL)
                store->on_change(writer->generation, store->on_change_data);
        pthread_mutex_unlock(&store->change_lock);
        Commit *next;
        for (Commit *commit = batch; commit != NULL; commit = next) {
                next = commit->next;
                if (commit->done != NULL)
                        commit->done(error, commit->data);
                if (error == NULL)
                        owed_free(commit->owed);
                else if (commit->owed != NULL)
                        writer_owe(writer, commit->owed);
                g_free(commit);
        }
}

static void writer_run_batch(Writer *writer, Commit *batch)
{
        g_autoptr(XapiError) error = NULL;
        bool probe = false;
        for (const Commit *commit = batch; commit != NULL; commit = commit->next)
                probe |= commit->probe;
        writer_find_latest(writer, batch);
        if (writer_make_durable(writer, probe, &error))
                writer_publish(writer, batch);
        else
                batch = writer_undo(writer, batch);
        writer_tell(writer, batch, error);
}

/* With the store's lock: waits until something is queued. NULL: it is to end, and nothing is. */
static Commit *writer_take_batch(Writer *writer)
{
        Store *store = writer->store;
        while (store->queue == NULL && !writer->stop && !writer_owed_is_due(writer)) {
                if (writer->owed == NULL)
                        pthread_cond_wait(&writer->wake, &store->lock);
                else
                        condition_wait(&writer->wake, &store->lock, writer->owed_due_usec);
        }
        if (!writer->stop && writer_owed_is_due(writer))
                writer_pay(writer);
        Commit *batch = store->queue;
        store->queue = NULL;
        store->queue_end = &store->queue;
        return batch;
}

static void *writer_main(void *data)
{
        Writer *writer = data;
        Store *store = writer->store;
        Commit *batch;
        pthread_mutex_lock(&store->lock);
        while ((batch = writer_take_batch(writer)) != NULL) {
                pthread_mutex_unlock(&store->lock);
                writer_run_batch(writer, batch);
                pthread_mutex_lock(&store->lock);
        }
        pthread_mutex_unlock(&store->lock);
        return NULL;
}

Writer *writer_new(Store *store)
{
        Writer *writer = g_new0(Writer, 1);
        writer->store = store;
        writer->generation = writer->reserved = store->generation;
        writer->latest = g_ptr_array_new();
        writer->garbage = g_ptr_array_new();
        condition_init(&writer->wake);
        if (pthread_create(&writer->thread, NULL, writer_main, writer) != 0)
                g_error("cannot make the writer's thread");
        return writer;
}

void writer_free(Writer *writer)
{
        pthread_mutex_lock(&writer->store->lock);
        writer->stop = true;
        pthread_cond_signal(&writer->wake);
        pthread_mutex_unlock(&writer->store->lock);
        pthread_join(writer->thread, NULL);
        pthread_cond_destroy(&writer->wake);
        owed_free(writer->owed);
        g_ptr_array_free(writer->latest, true);
        g_ptr_array_free(writer->garbage, true);
        buffer_clear(&writer->text);
        g_free(writer);
}

void writer_add(Writer *writer, Commit *commit)
{
        Store *store = writer->store;
        if (store->queue == NULL)
                pthread_cond_signal(&writer->wake);
        *store->queue_end = commit;
        store->queue_end = &commit->next;
}
