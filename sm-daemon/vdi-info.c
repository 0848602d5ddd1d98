/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vdi-info.h"

#include <string.h>

#include <glib.h>

#define NEVER "1970-01-01T00:00:00Z"

static char *key_text(const SmapiVolume *volume, const char *key, const char *fallback)
{
        const char *value = bus_dict_get(&volume->keys, key);

        return bus_strdup(value != NULL ? value : fallback);
}

static bool key_bool(const SmapiVolume *volume, const char *key, bool fallback)
{
        const char *value = bus_dict_get(&volume->keys, key);

        return value != NULL ? strcmp(value, "true") == 0 : fallback;
}

void vdi_info_from_volume(const SmapiVolume *volume, StorageVdiInfo *ret)
{
        *ret = (StorageVdiInfo){
                .vdi = bus_strdup(volume->key),
                .uuid = bus_strdup(volume->uuid),
                .content_id = key_text(volume, KEY_CONTENT_ID, ""),
                .name_label = bus_strdup(volume->name),
                .name_description = bus_strdup(volume->description),
                .ty = key_text(volume, KEY_TYPE, "user"),
                .metadata_of_pool = key_text(volume, KEY_METADATA_OF, ""),
                .is_a_snapshot = key_bool(volume, KEY_IS_A_SNAPSHOT, false),
                .snapshot_time = key_text(volume, KEY_SNAPSHOT_TIME, NEVER),
                .snapshot_of = key_text(volume, KEY_SNAPSHOT_OF, ""),
                .read_only = !volume->read_write,
                .virtual_size = volume->virtual_size,
                .physical_utilisation = volume->physical_utilisation,
                .persistent = key_bool(volume, KEY_PERSISTENT, true),
                .sharable = volume->sharable,
        };
        for (size_t i = 0; i < volume->keys.n; i++) {
                const BusPair *pair = &volume->keys.items[i];

                if (g_str_has_prefix(pair->key, KEY_SM_CONFIG))
                        bus_dict_set(&ret->sm_config, pair->key + strlen(KEY_SM_CONFIG), pair->value);
        }
}

static void set_unless(BusDict *keys, const char *key, const char *value, const char *fallback)
{
        if (value != NULL && value[0] != '\0' && strcmp(value, fallback) != 0)
                bus_dict_set(keys, key, value);
}

void vdi_info_keys(const StorageVdiInfo *info, BusDict *ret)
{
        set_unless(ret, KEY_TYPE, info->ty, "user");
        set_unless(ret, KEY_CONTENT_ID, info->content_id, "");
        set_unless(ret, KEY_METADATA_OF, info->metadata_of_pool, "");
        set_unless(ret, KEY_SNAPSHOT_TIME, info->snapshot_time, NEVER);
        set_unless(ret, KEY_SNAPSHOT_OF, info->snapshot_of, "");
        if (info->is_a_snapshot)
                bus_dict_set(ret, KEY_IS_A_SNAPSHOT, "true");
        if (!info->persistent)
                bus_dict_set(ret, KEY_PERSISTENT, "false");
        for (size_t i = 0; i < info->sm_config.n; i++) {
                g_autofree char *key = g_strconcat(KEY_SM_CONFIG, info->sm_config.items[i].key, NULL);

                bus_dict_set(ret, key, info->sm_config.items[i].value);
        }
}

/* ["Healthy", text], or the name alone; what is neither is no reason to call an SR ill. */
static StorageSrHealth health_from_json(const json_t *health)
{
        const json_t *name = json_is_array(health) ? json_array_get(health, 0) : health;
        int tag = json_is_string(name) ? bus_tag_index(&storage_type_sr_health, json_string_value(name)) : -1;

        return tag >= 0 ? (StorageSrHealth)tag : STORAGE_SR_HEALTH_HEALTHY;
}

void sr_info_from_sr(const SmapiSr *sr, StorageSrInfo *ret)
{
        *ret = (StorageSrInfo){
                .sr_uuid = bus_strdup(sr->uuid),
                .name_label = bus_strdup(sr->name),
                .name_description = bus_strdup(sr->description),
                .total_space = sr->total_space,
                .free_space = sr->free_space,
                .clustered = sr->clustered,
                .health = health_from_json(sr->health),
        };
}
