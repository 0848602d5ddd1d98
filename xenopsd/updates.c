/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "updates.h"

#include <errno.h>
#include <pthread.h>

#include <glib.h>

#include "message-switch/lib/waiters.h"

/* An object, or a barrier, at the place of its latest change. */
typedef struct Change {
        uint64_t number;
        UpdateId id;
        bool gone;
        UpdateBarrier *barrier; /* NULL: an object's */
        GList link;             /* in Updates.changes; its data is the change */
} Change;

typedef struct Getter {
        Updates *updates;
        void (*done)(UpdateBatch *batch, void *data);
        void *data;
} Getter;

struct Updates {
        Loop *loop;
        Waiters *waiters;

        pthread_mutex_t lock;
        GHashTable *by_id;    /* UpdateId -> Change */
        GHashTable *barriers; /* int64 -> Change */
        GQueue changes;       /* by number */
        GQueue gone;          /* of Change, borrowed, in the order of going */
        uint64_t last;
};

static guint update_id_hash(gconstpointer p)
{
        const UpdateId *id = p;
        return g_str_hash(id->id) * 31 + (id->device ? g_str_hash(id->device) : 0) + (guint)id->kind;
}

static gboolean update_id_equal(gconstpointer p, gconstpointer q)
{
        const UpdateId *a = p, *b = q;
        return a->kind == b->kind && g_str_equal(a->id, b->id) && g_strcmp0(a->device, b->device) == 0;
}

static UpdateId update_id_copy(const UpdateId *id)
{
        return (UpdateId){ id->kind, g_strdup(id->id), g_strdup(id->device) };
}

static void update_ids_free(UpdateId *ids, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                g_free(ids[i].id);
                g_free(ids[i].device);
        }
        g_free(ids);
}

static UpdateId *update_ids_copy(const UpdateId *ids, size_t n)
{
        UpdateId *copy = g_new(UpdateId, n);
        for (size_t i = 0; i < n; i++)
                copy[i] = update_id_copy(&ids[i]);
        return copy;
}

void update_batch_clear(UpdateBatch *batch)
{
        for (size_t i = 0; i < batch->n_barriers; i++)
                update_ids_free(batch->barriers[i].ids, batch->barriers[i].n_ids);
        g_free(batch->barriers);
        update_ids_free(batch->ids, batch->n_ids);
        *batch = (UpdateBatch){ 0 };
}

static void change_free(Change *change)
{
        g_free(change->id.id);
        g_free(change->id.device);
        if (change->barrier) {
                update_ids_free(change->barrier->ids, change->barrier->n_ids);
                g_free(change->barrier);
        }
        g_free(change);
}

static void change_drop(Updates *updates, Change *change)
{
        g_queue_unlink(&updates->changes, &change->link);
        if (change->gone)
                g_queue_remove(&updates->gone, change);
        if (change->barrier)
                g_hash_table_remove(updates->barriers, &change->barrier->id);
        else
                g_hash_table_remove(updates->by_id, &change->id);
        change_free(change);
}

static void change_append(Updates *updates, Change *change)
{
        change->number = ++updates->last;
        change->link.data = change;
        g_queue_push_tail_link(&updates->changes, &change->link);
}

static UpdateBatch updates_collect(Updates *updates, uint64_t since)
{
        UpdateBatch batch = { .next = updates->last };
        GList *first = NULL;
        size_t n_ids = 0, n_barriers = 0;
        for (GList *l = updates->changes.tail; l && ((Change *)l->data)->number > since; l = l->prev) {
                first = l;
                if (((Change *)l->data)->barrier)
                        n_barriers++;
                else
                        n_ids++;
        }
        batch.ids = g_new(UpdateId, n_ids);
        batch.barriers = g_new(UpdateBarrier, n_barriers);
        for (GList *l = first; l; l = l->next) {
                const Change *change = l->data;
                const UpdateBarrier *barrier = change->barrier;
                if (barrier)
                        batch.barriers[batch.n_barriers++] =
                            (UpdateBarrier){ barrier->id, barrier->n_ids,
                                             update_ids_copy(barrier->ids, barrier->n_ids) };
                else
                        batch.ids[batch.n_ids++] = update_id_copy(&change->id);
        }
        return batch;
}

static void updates_change(Updates *updates, UpdateKind kind, const char *id, const char *device, bool gone)
{
        UpdateId key = { kind, (char *)id, (char *)device };
        pthread_mutex_lock(&updates->lock);
        Change *change = g_hash_table_lookup(updates->by_id, &key);
        if (change) {
                g_queue_unlink(&updates->changes, &change->link);
                if (change->gone)
                        g_queue_remove(&updates->gone, change);
        } else {
                change = g_new0(Change, 1);
                change->id = update_id_copy(&key);
                g_hash_table_insert(updates->by_id, &change->id, change);
        }
        change->gone = gone;
        change_append(updates, change);
        if (gone)
                g_queue_push_tail(&updates->gone, change);
        while (updates->gone.length > UPDATES_GONE_MAX)
                change_drop(updates, updates->gone.head->data);
        waiters_advance(updates->waiters, updates->last);
        pthread_mutex_unlock(&updates->lock);
}

void updates_add(Updates *updates, UpdateKind kind, const char *id, const char *device)
{
        updates_change(updates, kind, id, device, false);
}

void updates_gone(Updates *updates, UpdateKind kind, const char *id, const char *device)
{
        updates_change(updates, kind, id, device, true);
}

void updates_forget(Updates *updates, UpdateKind kind, const char *id, const char *device)
{
        UpdateId key = { kind, (char *)id, (char *)device };
        pthread_mutex_lock(&updates->lock);
        Change *change = g_hash_table_lookup(updates->by_id, &key);
        if (change)
                change_drop(updates, change);
        pthread_mutex_unlock(&updates->lock);
}

int updates_inject_barrier(Updates *updates, int64_t barrier, const char *vm, size_t n_devices,
                           const UpdateId *devices)
{
        pthread_mutex_lock(&updates->lock);
        Change *change = g_hash_table_lookup(updates->barriers, &barrier);
        if (change) {
                change_drop(updates, change);
        } else if (g_hash_table_size(updates->barriers) >= UPDATES_BARRIERS_MAX) {
                pthread_mutex_unlock(&updates->lock);
                return -ENOSPC;
        }
        change = g_new0(Change, 1);
        change->barrier = g_new0(UpdateBarrier, 1);
        change->barrier->id = barrier;
        change->barrier->ids = g_new(UpdateId, n_devices + 1);
        change->barrier->ids[0] = (UpdateId){ UPDATE_VM, g_strdup(vm), NULL };
        for (size_t i = 0; i < n_devices; i++)
                change->barrier->ids[i + 1] = update_id_copy(&devices[i]);
        change->barrier->n_ids = n_devices + 1;
        g_hash_table_insert(updates->barriers, &change->barrier->id, change);
        change_append(updates, change);
        waiters_advance(updates->waiters, updates->last);
        pthread_mutex_unlock(&updates->lock);
        return 0;
}

void updates_remove_barrier(Updates *updates, int64_t barrier)
{
        pthread_mutex_lock(&updates->lock);
        Change *change = g_hash_table_lookup(updates->barriers, &barrier);
        if (change)
                change_drop(updates, change);
        pthread_mutex_unlock(&updates->lock);
}

uint64_t updates_last(Updates *updates)
{
        pthread_mutex_lock(&updates->lock);
        uint64_t last = updates->last;
        pthread_mutex_unlock(&updates->lock);
        return last;
}

static void answer(uint64_t since, void *data)
{
        Getter *getter = data;
        Updates *updates = getter->updates;
        pthread_mutex_lock(&updates->lock);
        UpdateBatch batch = updates_collect(updates, since);
        pthread_mutex_unlock(&updates->lock);
        getter->done(&batch, getter->data);
        g_free(getter);
}

void updates_wait(Updates *updates, uint64_t since, uint64_t deadline_usec,
                  void (*done)(UpdateBatch *batch, void *data), void *data)
{
        Getter *getter = g_new(Getter, 1);
        *getter = (Getter){ updates, done, data };
        waiters_wait(updates->waiters, since > updates_last(updates) ? 0 : since, deadline_usec, answer,
                     getter);
}

Updates *updates_new(Loop *loop)
{
        Updates *updates = g_new0(Updates, 1);
        updates->loop = loop;
        updates->waiters = waiters_new(loop);
        pthread_mutex_init(&updates->lock, NULL);
        updates->by_id = g_hash_table_new(update_id_hash, update_id_equal);
        updates->barriers = g_hash_table_new(g_int64_hash, g_int64_equal);
        g_queue_init(&updates->changes);
        g_queue_init(&updates->gone);
        updates->last = clock_real_usec();
        waiters_advance(updates->waiters, updates->last);
        return updates;
}

static void updates_finish(void *data)
{
        Updates *updates = data;
        waiters_free(updates->waiters);
        while (updates->changes.head)
                change_drop(updates, updates->changes.head->data);
        g_hash_table_destroy(updates->by_id);
        g_hash_table_destroy(updates->barriers);
        pthread_mutex_destroy(&updates->lock);
        g_free(updates);
}

void updates_free(Updates *updates)
{
        if (updates)
                loop_post(updates->loop, updates_finish, updates);
}
