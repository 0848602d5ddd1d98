/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "standing.h"

#include <pthread.h>
#include <stdlib.h>

#include <glib.h>

#include "nbd-device.h"

struct Standing {
        GHashTable *answered;  /* device -> how much, of those that were asked something */
        pthread_mutex_t mutex; /* of what follows */
        GHashTable *slow;      /* devices */
};

Standing *standing_new(void)
{
        Standing *standing = g_new0(Standing, 1);

        standing->answered = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        standing->slow = g_hash_table_new(NULL, NULL);
        pthread_mutex_init(&standing->mutex, NULL);
        return standing;
}

void standing_free(Standing *standing)
{
        g_hash_table_unref(standing->answered);
        g_hash_table_unref(standing->slow);
        pthread_mutex_destroy(&standing->mutex);
        g_free(standing);
}

bool standing_look(Standing *standing, int device)
{
        gpointer key = GINT_TO_POINTER(device);
        const uint64_t *before = g_hash_table_lookup(standing->answered, key);
        uint64_t answered;
        bool asked, stands;

        asked = nbd_device_counts(device, &answered);
        stands = asked && before != NULL && *before == answered;
        if (asked)
                g_hash_table_insert(standing->answered, key, g_memdup2(&answered, sizeof(answered)));
        else
                g_hash_table_remove(standing->answered, key);
        pthread_mutex_lock(&standing->mutex);
        if (stands)
                g_hash_table_add(standing->slow, key);
        else
                g_hash_table_remove(standing->slow, key);
        pthread_mutex_unlock(&standing->mutex);
        return stands;
}

bool standing_is_slow(Standing *standing, int device)
{
        bool slow;

        pthread_mutex_lock(&standing->mutex);
        slow = g_hash_table_remove(standing->slow, GINT_TO_POINTER(device));
        pthread_mutex_unlock(&standing->mutex);
        return slow;
}

void standing_forget(Standing *standing, int device)
{
        standing_is_slow(standing, device);
}
