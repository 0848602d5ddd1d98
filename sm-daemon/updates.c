/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "updates.h"

#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "idl/runtime/uuid.h"

struct Updates {
        pthread_mutex_t mutex;      /* of what follows */
        char epoch[UUID_TEXT_SIZE]; /* of this process; a token is epoch:number */
        uint64_t next;              /* number of the next change, counted from 0 */
        void (*changed)(uint64_t number, void *data);
        void *data;
        StorageEventId changes[UPDATES_KEPT]; /* number modulo UPDATES_KEPT */
};

Updates *updates_new(void)
{
        Updates *updates = g_new0(Updates, 1);

        pthread_mutex_init(&updates->mutex, NULL);
        uuid_make(updates->epoch);
        return updates;
}

void updates_listen(Updates *updates, void (*changed)(uint64_t number, void *data), void *data)
{
        pthread_mutex_lock(&updates->mutex);
        updates->changed = changed;
        updates->data = data;
        pthread_mutex_unlock(&updates->mutex);
}

void updates_free(Updates *updates)
{
        if (updates == NULL)
                return;
        for (size_t i = 0; i < UPDATES_KEPT; i++)
                storage_event_id_clear(&updates->changes[i]);
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
        if (updates->changed != NULL)
                updates->changed(updates->next, updates->data);
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

uint64_t updates_since(Updates *updates, const char *from)
{
        uint64_t since;

        pthread_mutex_lock(&updates->mutex);
        since = parse_token(updates, from);
        pthread_mutex_unlock(&updates->mutex);
        return since;
}

void updates_take(Updates *updates, uint64_t since, StorageUpdates *ret)
{
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        pthread_mutex_lock(&updates->mutex);
        if (updates->next - since > UPDATES_KEPT)
                since = updates->next - UPDATES_KEPT;
        for (; since < updates->next; since++) {
                const StorageEventId *change = &updates->changes[since % UPDATES_KEPT];

                if (g_hash_table_add(seen, g_strdup_printf("%d %s", change->tag, change->task)))
                        storage_event_id_assign(BUS_LIST_ADD(&ret->events), change);
        }
        ret->next = bus_printf("%s:%" G_GUINT64_FORMAT, updates->epoch, updates->next);
        pthread_mutex_unlock(&updates->mutex);
}
