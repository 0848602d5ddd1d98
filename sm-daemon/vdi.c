/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vdi.h"

#include <string.h>

#include "message-switch/lib/daemon.h"
#include "route.h"
#include "vdi-info.h"

bool vdi_fail_in_use(StorageError **error, const char *vdi, const char *operation)
{
        char *params[] = { (char *)vdi, (char *)operation };

        return storage_fail_backend_error(error, "VDI_IN_USE", &(BusStrings){ .n = 2, .items = params });
}

bool vdi_destroy(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                 StorageError **error)
{
        SmapiError *failed = NULL;
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, sr, vdi, error))
                return false;
        if (use.volume->datapaths->len > 0) {
                good = vdi_fail_in_use(error, vdi, "destroy");
        } else if (smapi_volume_destroy(&use.caller.caller, 0, operation->dbg, use_handle(&use), vdi,
                                        &failed)) {
                volume_unlearn(use.volume);
                use.volume->opened = use.volume->in_epoch = false;
                volume_save(use.volume);
                log_info("Volume destroyed", "SM_SR", sr, "SM_VDI", vdi, NULL);
                manager_untidy(manager, sr);
                good = true;
        } else {
                good = plugin_fail(error, failed);
        }
        use_end(&use);
        return good;
}

static bool stat_volume(Use *use, SmapiVolume *ret, StorageError **error)
{
        SmapiError *failed = NULL;

        if (!smapi_volume_stat(&use->caller.caller, 0, use->operation->dbg, use_handle(use), use->volume->key,
                               ret, &failed))
                return plugin_fail(error, failed);
        if (plugin_check_volume(ret, use->volume->key, "Volume.stat", error))
                return true;
        smapi_volume_clear(ret);
        return false;
}

/* By the plugin, of a volume that no server has open. */
static bool resize(Use *use, int64_t size_bytes, StorageError **error)
{
        SmapiError *failed = NULL;
        GPtrArray *images;
        bool good;

        if (!route_images_begin(use, &images, error))
                return false;
        good = smapi_volume_resize(&use->caller.caller, 0, use->operation->dbg, use_handle(use),
                                   use->volume->key, size_bytes, &failed) ||
               plugin_fail(error, failed);
        route_images_end(use, images);
        return good;
}

bool vdi_resize(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                int64_t size_bytes, int64_t *ret_bytes, StorageError **error)
{
        SmapiVolume found;
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, sr, vdi, error))
                return false;
        if (route_serves(use.volume))
                good = disk_resize(manager->disks, operation,
                                   &(DiskName){ .sr = sr, .vdi = vdi, .uri = use.volume->uri }, size_bytes,
                                   error);
        else
                good = resize(&use, size_bytes, error);
        if (good)
                good = stat_volume(&use, &found, error);
        use_end(&use);
        if (!good)
                return false;
        *ret_bytes = found.virtual_size;
        smapi_volume_clear(&found);
        return true;
}

bool vdi_stat(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
              StorageVdiInfo *ret, StorageError **error)
{
        SmapiVolume found;
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, sr, vdi, error))
                return false;
        good = stat_volume(&use, &found, error);
        use_end(&use);
        if (!good)
                return false;
        vdi_info_from_volume(&found, ret);
        smapi_volume_clear(&found);
        return true;
}

bool vdi_get_by_name(Manager *manager, const Operation *operation, const char *sr, const char *name,
                     StorageVdiInfo *ret, StorageError **error)
{
        SmapiError *failed = NULL;
        SmapiVolumeList volumes;
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_SHARED, sr, NULL, error))
                return false;
        good = smapi_sr_ls(&use.caller.caller, 0, operation->dbg, use_handle(&use), &volumes, &failed);
        use_end(&use);
        if (!good)
                return plugin_fail(error, failed);
        if (!plugin_check_volumes(&volumes, "SR.ls", error)) {
                smapi_volume_list_clear(&volumes);
                return false;
        }
        good = false;
        for (size_t i = 0; i < volumes.n && !good; i++) {
                const char *its = volumes.items[i].name;

                good = strcmp(its != NULL ? its : "", name) == 0;
                if (good)
                        vdi_info_from_volume(&volumes.items[i], ret);
        }
        smapi_volume_list_clear(&volumes);
        return good || storage_fail_vdi_does_not_exist(error, name);
}

typedef bool (*SetText)(BusCaller *caller, uint64_t timeout_usec, const char *dbg, const char *sr,
                        const char *key, const char *text, SmapiError **error);

/* Functions of one text after the volume: new name, new description, key to be removed. */
static bool with_text(Manager *manager, const Operation *operation, SetText function, const char *sr,
                      const char *vdi, const char *text, StorageError **error)
{
        SmapiError *failed = NULL;
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, sr, vdi, error))
                return false;
        good = function(&use.caller.caller, 0, operation->dbg, use_handle(&use), vdi, text, &failed) ||
               plugin_fail(error, failed);
        use_end(&use);
        return good;
}

bool vdi_set_name_label(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                        const char *name, StorageError **error)
{
        return with_text(manager, operation, smapi_volume_set_name, sr, vdi, name, error);
}

bool vdi_set_name_description(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                              const char *description, StorageError **error)
{
        return with_text(manager, operation, smapi_volume_set_description, sr, vdi, description, error);
}

bool vdi_set_key(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                 const char *key, const char *value, StorageError **error)
{
        SmapiError *failed = NULL;
        bool good;
        Use use;

        if (value == NULL)
                return with_text(manager, operation, smapi_volume_unset, sr, vdi, key, error);
        if (!use_begin(&use, manager, operation, USE_VOLUME, sr, vdi, error))
                return false;
        good = smapi_volume_set(&use.caller.caller, 0, operation->dbg, use_handle(&use), vdi, key, value,
                                &failed) ||
               plugin_fail(error, failed);
        use_end(&use);
        return good;
}
