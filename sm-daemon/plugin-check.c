/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a plugin said in the declared shape, but cannot be true. */
#include <string.h>

#include "idl/runtime/uuid.h"
#include "plugin.h"

static bool fail_lie(StorageError **error, const char *method, const char *what)
{
        g_autofree char *text = g_strdup_printf("%s says what cannot be true: %s", method, what);
        char *params[] = { (char *)"", (char *)"The storage plugin failed", text };

        return storage_fail_backend_error(error, PLUGIN_FAILURE, &(BusStrings){ .n = 3, .items = params });
}

/* NULL: nothing is wrong. */
static const char *lie_of(const SmapiVolume *volume, const char *key)
{
        if (volume->key[0] == '\0' || strlen(volume->key) > PLUGIN_KEY_MAX)
                return "a volume without a name, or with too long a one";
        if (key != NULL && strcmp(volume->key, key) != 0)
                return "it tells of another volume";
        if (volume->virtual_size < 0 || volume->virtual_size > PLUGIN_VOLUME_SIZE_MAX)
                return "a volume's size";
        /* More than the size is true of an image with tables of its own. */
        if (volume->physical_utilisation < 0 || volume->physical_utilisation > PLUGIN_VOLUME_SIZE_MAX)
                return "what a volume takes up";
        if (volume->uuid != NULL && volume->uuid[0] != '\0' && !uuid_is_valid(volume->uuid))
                return "a volume's uuid";
        return NULL;
}

bool plugin_check_volume(const SmapiVolume *volume, const char *key, const char *method, StorageError **error)
{
        const char *lie = lie_of(volume, key);

        return lie == NULL || fail_lie(error, method, lie);
}

bool plugin_check_volumes(const SmapiVolumeList *volumes, const char *method, StorageError **error)
{
        g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GHashTable) uuids = g_hash_table_new(g_str_hash, g_str_equal);

        for (size_t i = 0; i < volumes->n; i++) {
                const SmapiVolume *volume = &volumes->items[i];

                if (!plugin_check_volume(volume, NULL, method, error))
                        return false;
                if (!g_hash_table_add(keys, volume->key))
                        return fail_lie(error, method, "two volumes of one name");
                if (volume->uuid != NULL && volume->uuid[0] != '\0' && !g_hash_table_add(uuids, volume->uuid))
                        return fail_lie(error, method, "two volumes of one uuid");
        }
        return true;
}

bool plugin_check_sr(const SmapiSr *sr, const char *method, StorageError **error)
{
        if (sr->total_space < 0 || sr->total_space > PLUGIN_SR_SIZE_MAX || sr->free_space < 0 ||
            sr->free_space > sr->total_space)
                return fail_lie(error, method, "the repository's sizes");
        return true;
}
