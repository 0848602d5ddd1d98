/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes that come to be: new ones, clones, snapshots and full copies. */
#include <string.h>

#include "message-switch/lib/daemon.h"
#include "message-switch/lib/loop.h"
#include "route.h"
#include "vdi-info.h"
#include "vdi.h"

#define DROP_USEC (60u * 1000000u) /* for what failed to be removed */

static const char *text_or_empty(const char *text)
{
        return text != NULL ? text : "";
}

void vdi_learn(Use *use, const SmapiVolume *found)
{
        Volume *volume;

        if (!plugin_has_feature(use->plugin, PLUGIN_STABLE_URI))
                return;
        volume = repository_volume(use->repository, found->key);
        if (lock_take(&volume->lock, true, 0) == 0) {
                volume_learn(volume, &found->uri, found->sharable, !found->read_write);
                lock_release(&volume->lock);
        }
        volume_release(volume);
}

/* Tells the plugin what it did not take from its call. */
static bool settle_texts(Use *use, SmapiVolume *made, const char *name, const char *description,
                         SmapiError **failed)
{
        const char *dbg = use->operation->dbg;

        if (strcmp(text_or_empty(made->name), name) != 0) {
                if (!smapi_volume_set_name(&use->caller.caller, 0, dbg, use_handle(use), made->key, name,
                                           failed))
                        return false;
                free(made->name);
                made->name = bus_strdup(name);
        }
        if (strcmp(text_or_empty(made->description), description) != 0) {
                if (!smapi_volume_set_description(&use->caller.caller, 0, dbg, use_handle(use), made->key,
                                                  description, failed))
                        return false;
                free(made->description);
                made->description = bus_strdup(description);
        }
        return true;
}

static bool settle_keys(Use *use, SmapiVolume *made, const BusDict *keys, SmapiError **failed)
{
        for (size_t i = 0; i < keys->n; i++) {
                const BusPair *pair = &keys->items[i];

                if (g_strcmp0(bus_dict_get(&made->keys, pair->key), pair->value) == 0)
                        continue;
                if (!smapi_volume_set(&use->caller.caller, 0, use->operation->dbg, use_handle(use), made->key,
                                      pair->key, pair->value, failed))
                        return false;
                bus_dict_set(&made->keys, pair->key, pair->value);
        }
        return true;
}

/* A volume that cannot be what it should (taken): destroyed even when the caller waits no longer. Returns false. */
static bool drop(Use *use, SmapiVolume *made)
{
        const Operation own = { .dbg = use->operation->dbg, .deadline_usec = clock_usec() + DROP_USEC };
        PluginCaller caller = plugin_caller(use->plugin, &own);
        SmapiError *failed = NULL;

        if (!smapi_volume_destroy(&caller.caller, 0, own.dbg, use_handle(use), made->key, &failed)) {
                log_warning("A volume that is of no use stays", "SM_SR", use->repository->id, "SM_VDI",
                            made->key, NULL);
                smapi_error_free(failed);
        }
        smapi_volume_clear(made);
        return false;
}

/* Makes of a volume that the plugin has just made (taken) what was asked for; or destroys it. */
static bool settle(Use *use, SmapiVolume *made, const StorageVdiInfo *info, const BusDict *keys,
                   StorageVdiInfo *ret, StorageError **error)
{
        SmapiError *failed = NULL;

        if (!plugin_check_volume(made, NULL, "The making of a volume", error)) {
                /* It is not removed: who knows which one that would be. */
                smapi_volume_clear(made);
                return false;
        }
        if (!settle_texts(use, made, text_or_empty(info->name_label), text_or_empty(info->name_description),
                          &failed) ||
            !settle_keys(use, made, keys, &failed)) {
                plugin_fail(error, failed);
                return drop(use, made);
        }
        vdi_learn(use, made);
        vdi_info_from_volume(made, ret);
        log_info("Volume made", "SM_SR", use->repository->id, "SM_VDI", made->key, NULL);
        smapi_volume_clear(made);
        return true;
}

bool vdi_create(Manager *manager, const Operation *operation, const char *sr, const StorageVdiInfo *info,
                StorageVdiInfo *ret, StorageError **error)
{
        SmapiError *failed = NULL;
        BusDict keys = { 0 };
        SmapiVolume made;
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_SHARED, sr, NULL, error))
                return false;
        vdi_info_keys(info, &keys);
        if (smapi_volume_create(&use.caller.caller, 0, operation->dbg, use_handle(&use),
                                text_or_empty(info->name_label), text_or_empty(info->name_description),
                                info->virtual_size, info->sharable, &keys, &made, &failed))
                good = settle(&use, &made, info, &keys, ret, error);
        else
                good = plugin_fail(error, failed);
        bus_dict_clear(&keys);
        use_end(&use);
        return good;
}

static bool copy_here(BusCaller *caller, uint64_t timeout_usec, const char *dbg, const char *sr,
                      const char *key, const char *name, const char *description, const BusDict *keys,
                      SmapiVolume *ret, SmapiError **error)
{
        return smapi_volume_copy(caller, timeout_usec, dbg, sr, key, sr, name, description, keys, ret, error);
}

/* The plugin failed, or was ended: it may have made the copy, or a part of it, all the same. Then that is of this moment, and
 * does not go on changing as the guest writes. Returns false. */
static bool copy_failed(Use *use, SmapiError *failed, StorageError **error)
{
        StorageError *ignored = NULL;

        plugin_fail(error, failed);
        if (!route_follow(use, &ignored))
                storage_error_free(ignored);
        return false;
}

/* Of a volume whose disk server is at work the plugin puts a new layer on the image's name, and the server then takes that
 * up: the copy holds what was written until then. */
typedef bool (*Copy)(BusCaller *caller, uint64_t timeout_usec, const char *dbg, const char *sr,
                     const char *key, const char *name, const char *description, const BusDict *keys,
                     SmapiVolume *ret, SmapiError **error);

static bool copy(Manager *manager, const Operation *operation, Copy function, const char *sr,
                 const StorageVdiInfo *info, StorageVdiInfo *ret, StorageError **error)
{
        GPtrArray *images = NULL;
        SmapiError *failed = NULL;
        BusDict keys = { 0 };
        SmapiVolume made;
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, sr, info->vdi, error))
                return false;
        vdi_info_keys(info, &keys);
        /* What it held may have become a part of both, and its own image another one. */
        volume_unlearn(use.volume);
        if (!route_follow(&use, error))
                good = false;
        else if (function == copy_here && route_writes(use.volume))
                good = vdi_fail_in_use(error, info->vdi, "copy");
        else if (function == copy_here && !route_images_begin(&use, &images, error))
                good = false;
        else if (!function(&use.caller.caller, 0, operation->dbg, use_handle(&use), info->vdi,
                           text_or_empty(info->name_label), text_or_empty(info->name_description), &keys,
                           &made, &failed))
                good = copy_failed(&use, failed, error);
        else if (route_follow(&use, error))
                good = settle(&use, &made, info, &keys, ret, error);
        else
                good = drop(&use, &made);
        if (images != NULL)
                route_images_end(&use, images);
        bus_dict_clear(&keys);
        use_end(&use);
        return good;
}

bool vdi_clone(Manager *manager, const Operation *operation, const char *sr, const StorageVdiInfo *info,
               StorageVdiInfo *ret, StorageError **error)
{
        StorageVdiInfo wanted = *info;

        wanted.is_a_snapshot = false;
        wanted.snapshot_of = wanted.snapshot_time = NULL;
        return copy(manager, operation, smapi_volume_clone, sr, &wanted, ret, error);
}

bool vdi_snapshot(Manager *manager, const Operation *operation, const char *sr, const StorageVdiInfo *info,
                  StorageVdiInfo *ret, StorageError **error)
{
        StorageVdiInfo wanted = *info;

        wanted.is_a_snapshot = true;
        wanted.snapshot_of = info->vdi;
        return copy(manager, operation, smapi_volume_snapshot, sr, &wanted, ret, error);
}

/* Both repositories: that with the lesser id first, so that no two who wait for each other's exist. */
static bool begin_both(Use *from, Use *to, Manager *manager, const Operation *operation, const char *from_sr,
                       const char *vdi, const char *sr, StorageError **error)
{
        bool from_first = strcmp(from_sr, sr) < 0;

        if (!from_first && !use_begin(to, manager, operation, USE_SHARED, sr, NULL, error))
                return false;
        if (!use_begin(from, manager, operation, USE_VOLUME, from_sr, vdi, error)) {
                if (!from_first)
                        use_end(to);
                return false;
        }
        if (!from_first || use_begin(to, manager, operation, USE_SHARED, sr, NULL, error))
                return true;
        use_end(from);
        return false;
}

static bool copy_over(Use *from, Use *to, const StorageVdiInfo *info, StorageVdiInfo *ret,
                      StorageError **error)
{
        GPtrArray *images;
        SmapiError *failed = NULL;
        BusDict keys = { 0 };
        SmapiVolume made;
        bool good;

        if (!plugin_copies_to(from->plugin, to->repository->type))
                return storage_fail_unimplemented(error,
                                                  "Copies to repositories of that type, by this plugin");
        if (route_writes(from->volume))
                return vdi_fail_in_use(error, info->vdi, "copy");
        if (!route_images_begin(from, &images, error))
                return false;
        vdi_info_keys(info, &keys);
        if (smapi_volume_copy(&from->caller.caller, 0, from->operation->dbg, use_handle(from), info->vdi,
                              use_handle(to), text_or_empty(info->name_label),
                              text_or_empty(info->name_description), &keys, &made, &failed))
                good = settle(to, &made, info, &keys, ret, error);
        else
                good = plugin_fail(error, failed);
        route_images_end(from, images);
        bus_dict_clear(&keys);
        return good;
}

static bool copy_between(Manager *manager, const Operation *operation, const char *sr, const char *from_sr,
                         const StorageVdiInfo *info, StorageVdiInfo *ret, StorageError **error)
{
        Use from, to;
        bool good;

        if (!begin_both(&from, &to, manager, operation, from_sr, info->vdi, sr, error))
                return false;
        good = copy_over(&from, &to, info, ret, error);
        use_end(&from);
        use_end(&to);
        return good;
}

bool vdi_copy_full(Manager *manager, const Operation *operation, const char *sr, const char *from_sr,
                   const StorageVdiInfo *info, StorageVdiInfo *ret, StorageError **error)
{
        StorageVdiInfo wanted = *info;
        Operation cancellable = *operation;
        LongCall *call = long_call_begin(manager->long_calls, operation->dbg);
        bool good;

        cancellable.unwanted = long_call_unwanted;
        cancellable.unwanted_data = call;
        wanted.is_a_snapshot = false;
        wanted.snapshot_of = wanted.snapshot_time = NULL;
        good = from_sr != NULL && strcmp(from_sr, sr) != 0
                   ? copy_between(manager, &cancellable, sr, from_sr, &wanted, ret, error)
                   : copy(manager, &cancellable, copy_here, sr, &wanted, ret, error);
        long_call_end(call);
        return good;
}
