/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "updates.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <glib.h>

#include "idl/runtime/uuid.h"

struct Updates {
        pthread_mutex_t mutex;
        pthread_cond_t added;
        char epoch[UUID_TEXT_SIZE]; /* of this process; a token is epoch:number */
        uint64_t next;              /* number of the next change */
        unsigned n_waiting;
        bool closed;
        StorageEventId changes[UPDATES_KEPT]; /* number modulo UPDATES_KEPT */
};

Updates *updates_new(void)
{
        Updates *updates = g_new0(Updates, 1);
        pthread_condattr_t attributes;

        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_mutex_init(&updates->mutex, NULL);
        pthread_cond_init(&updates->added, &attributes);
        pthread_condattr_destroy(&attributes);
        uuid_make(updates->epoch);
        return updates;
}

void updates_close(Updates *updates)
{
        pthread_mutex_lock(&updates->mutex);
        updates->closed = true;
        pthread_cond_broadcast(&updates->added);
        pthread_mutex_unlock(&updates->mutex);
}

void updates_free(Updates *updates)
{
        if (updates == NULL)
                return;
        g_assert(updates->n_waiting == 0);
        for (size_t i = 0; i < UPDATES_KEPT; i++)
                storage_event_id_clear(&updates->changes[i]);
        pthread_cond_destroy(&updates->added);
        pthread_mutex_destroy(&updates->mutex);
        g_free(updates);
}

void updates_add(Updates *updates, StorageEventIdTag tag, const char *id)
{
        /* Every tag carries a text, in the same place. */
        StorageEventId change = { .tag = tag, .task = (char *)id };
        StorageEventId *slot;

        pthread_mutex_lock(&updates->mutex);
        slot = &updates->changes[updates->next % UPDATES_KEPT];
        storage_event_id_clear(slot);
        storage_event_id_assign(slot, &change);
        updates->next++;
        pthread_cond_broadcast(&updates->added);
        pthread_mutex_unlock(&updates->mutex);
}

static uint64_t parse_token(const Updates *updates, const char *from)
{
        size_t len = strlen(updates->epoch);
        uint64_t number;

        if (from == NULL || strncmp(from, updates->epoch, len) != 0 || from[len] != ':' ||
            !g_ascii_string_to_unsigned(from + len + 1, 10, 0, updates->next, &number, NULL))
                return 0;
        return number;
}

static void take_changes(Updates *updates, uint64_t from, StorageUpdates *ret)
{
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        if (updates->next - from > UPDATES_KEPT)
                from = updates->next - UPDATES_KEPT;
        for (; from < updates->next; from++) {
                const StorageEventId *change = &updates->changes[from % UPDATES_KEPT];

                if (g_hash_table_add(seen, g_strdup_printf("%d %s", change->tag, change->task)))
                        storage_event_id_assign(BUS_LIST_ADD(&ret->events), change);
        }
        ret->next = bus_printf("%s:%" G_GUINT64_FORMAT, updates->epoch, updates->next);
}

bool updates_get(Updates *updates, const char *from, uint64_t deadline_usec, StorageUpdates *ret,
                 StorageError **error)
{
        struct timespec until = { .tv_sec = (time_t)(deadline_usec / 1000000),
                                  .tv_nsec = (long)(deadline_usec % 1000000) * 1000 };
        uint64_t number;
        bool admitted;

        pthread_mutex_lock(&updates->mutex);
        number = parse_token(updates, from);
        admitted = number < updates->next || updates->n_waiting < UPDATES_WAITERS;
        if (admitted) {
                updates->n_waiting++;
                while (number == updates->next && !updates->closed &&
                       pthread_cond_timedwait(&updates->added, &updates->mutex, &until) != ETIMEDOUT)
                        ;
                updates->n_waiting--;
                take_changes(updates, number, ret);
        }
        pthread_mutex_unlock(&updates->mutex);
        return admitted || storage_fail_internal(error, "%u calls wait for updates already", UPDATES_WAITERS);
}
