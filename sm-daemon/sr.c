/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sr.h"

#include <string.h>

#include "dp.h"
#include "message-switch/lib/daemon.h"
#include "vdi-info.h"
#include "vdi.h"

bool sr_create(Manager *manager, const Operation *operation, const char *type,
               const StorageSrCreateArgs *args, BusDict *ret, StorageError **error)
{
        g_autoptr(Plugin) plugin = plugins_find(manager->plugins, PLUGIN_VOLUME, type, operation, error);
        SmapiError *failed = NULL;
        PluginCaller caller;

        if (plugin == NULL)
                return false;
        caller = plugin_caller(plugin, operation);
        if (!smapi_sr_create(&caller.caller, 0, operation->dbg, args->sr, &args->device_config,
                             args->name_label, args->name_description, ret, &failed))
                return plugin_fail(error, failed);
        log_info("Repository created", "SM_SR", args->sr, "SM_TYPE", type, NULL);
        return true;
}

bool sr_probe(Manager *manager, const Operation *operation, const char *type, const BusDict *device_config,
              StorageProbeResult *ret, StorageError **error)
{
        g_autoptr(Plugin) plugin = plugins_find(manager->plugins, PLUGIN_VOLUME, type, operation, error);
        SmapiProbeList found;
        SmapiError *failed = NULL;
        PluginCaller caller;

        if (plugin == NULL)
                return false;
        caller = plugin_caller(plugin, operation);
        if (!smapi_sr_probe(&caller.caller, 0, operation->dbg, device_config, &found, &failed))
                return plugin_fail(error, failed);
        ret->tag = STORAGE_PROBE_RESULT_PROBE;
        for (size_t i = 0; i < found.n; i++) {
                StorageProbe *probe = BUS_LIST_ADD(&ret->probe);
                StorageError *strange = NULL;

                probe->configuration = found.items[i].configuration;
                probe->complete = found.items[i].complete;
                probe->extra_info = found.items[i].extra_info;
                found.items[i].configuration = found.items[i].extra_info = (BusDict){ 0 };
                /* One that is too strange to be told of is found all the same. */
                if (found.items[i].sr != NULL && plugin_check_sr(found.items[i].sr, "SR.probe", &strange)) {
                        probe->sr = bus_alloc(1, sizeof(*probe->sr));
                        sr_info_from_sr(found.items[i].sr, probe->sr);
                }
                storage_error_free(strange);
        }
        smapi_probe_list_clear(&found);
        return true;
}

static bool same_dict(const BusDict *a, const BusDict *b)
{
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (g_strcmp0(bus_dict_get(b, a->items[i].key), a->items[i].value) != 0)
                        return false;
        return true;
}

static bool attach_plugin(Use *use, const char *type, const BusDict *device_config, StorageError **error)
{
        Repository *repository = use->repository;
        SmapiError *failed = NULL;
        char *handle = NULL;
        int r;

        use->plugin = plugins_find(use->manager->plugins, PLUGIN_VOLUME, type, use->operation, error);
        if (use->plugin == NULL)
                return false;
        use->caller = plugin_caller(use->plugin, use->operation);
        if (!smapi_sr_attach(&use->caller.caller, 0, use->operation->dbg, device_config, &handle, &failed))
                return plugin_fail(error, failed);
        repository->handle = g_strdup(handle);
        free(handle);
        repository->type = g_strdup(type);
        for (size_t i = 0; i < device_config->n; i++)
                bus_dict_set(&repository->device_config, device_config->items[i].key,
                             device_config->items[i].value);
        r = repository_save(repository);
        if (r < 0) {
                repository_forget(repository);
                return storage_fail_internal(error, "Cannot keep a record: %s", g_strerror(-r));
        }
        manager_note_volumes(use->manager, repository);
        repository->attached = true;
        g_atomic_int_set(&repository->listed, 1);
        log_info("Repository attached", "SM_SR", repository->id, "SM_TYPE", type, NULL);
        manager_untidy(use->manager, repository->id);
        return true;
}

bool sr_attach(Manager *manager, const Operation *operation, const char *type, const char *sr,
               const BusDict *device_config, StorageError **error)
{
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_EXCLUSIVE, sr, NULL, error))
                return false;
        if (!use.repository->attached)
                good = attach_plugin(&use, type, device_config, error);
        else if (strcmp(use.repository->type, type) == 0 &&
                 same_dict(&use.repository->device_config, device_config))
                good = true;
        else
                good = storage_fail_sr_attached(error, sr);
        use_end(&use);
        return good;
}

/* Forgets the repository and what its datapaths were. */
static void forget(Use *use)
{
        Repository *repository = use->repository;
        GHashTableIter volumes;
        gpointer value;

        g_hash_table_iter_init(&volumes, repository->volumes);
        while (g_hash_table_iter_next(&volumes, NULL, &value)) {
                Volume *volume = value;

                for (guint i = 0; i < volume->datapaths->len; i++) {
                        Datapath *datapath = g_ptr_array_index(volume->datapaths, i);

                        manager_note_datapath(use->manager, datapath->name, repository->id, volume->key,
                                              false);
                }
        }
        repository_reset(repository);
}

static bool detach_plugin(Use *use, StorageError **error)
{
        SmapiError *failed = NULL;

        if (!dp_destroy_all(use, error))
                return false;
        if (!smapi_sr_detach(&use->caller.caller, 0, use->operation->dbg, use_handle(use), &failed))
                return plugin_fail(error, failed);
        log_info("Repository detached", "SM_SR", use->repository->id, NULL);
        forget(use);
        return true;
}

bool sr_detach(Manager *manager, const Operation *operation, const char *sr, StorageError **error)
{
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_EXCLUSIVE, sr, NULL, error))
                return false;
        good = !use.repository->attached || detach_plugin(&use, error);
        use_end(&use);
        return good;
}

bool sr_reset(Manager *manager, const Operation *operation, const char *sr, StorageError **error)
{
        Use use;

        if (!use_begin(&use, manager, operation, USE_EXCLUSIVE, sr, NULL, error))
                return false;
        if (use.repository->attached)
                forget(&use);
        use_end(&use);
        return true;
}

static Volume *any_in_use(Repository *repository)
{
        GHashTableIter volumes;
        gpointer value;

        g_hash_table_iter_init(&volumes, repository->volumes);
        while (g_hash_table_iter_next(&volumes, NULL, &value))
                if (((Volume *)value)->datapaths->len > 0)
                        return value;
        return NULL;
}

static bool destroy_plugin(Use *use, StorageError **error)
{
        Volume *volume = any_in_use(use->repository);
        SmapiError *failed = NULL;

        if (volume != NULL)
                return vdi_fail_in_use(error, volume->key, "destroy");
        if (!smapi_sr_destroy(&use->caller.caller, 0, use->operation->dbg, use_handle(use), &failed))
                return plugin_fail(error, failed);
        log_info("Repository destroyed", "SM_SR", use->repository->id, NULL);
        forget(use);
        return true;
}

bool sr_destroy(Manager *manager, const Operation *operation, const char *sr, StorageError **error)
{
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_EXCLUSIVE, sr, NULL, error))
                return false;
        good =
            use.repository->attached ? destroy_plugin(&use, error) : storage_fail_sr_not_attached(error, sr);
        use_end(&use);
        return good;
}

bool sr_scan(Manager *manager, const Operation *operation, const char *sr, StorageVdiInfoList *ret,
             StorageError **error)
{
        SmapiVolumeList volumes;
        SmapiError *failed = NULL;
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_SHARED, sr, NULL, error))
                return false;
        good = smapi_sr_ls(&use.caller.caller, 0, operation->dbg, use_handle(&use), &volumes, &failed);
        if (!good) {
                plugin_fail(error, failed);
        } else {
                good = plugin_check_volumes(&volumes, "SR.ls", error);
        }
        if (good) {
                for (size_t i = 0; i < volumes.n; i++) {
                        vdi_learn(&use, &volumes.items[i]);
                        vdi_info_from_volume(&volumes.items[i], BUS_LIST_ADD(ret));
                }
        }
        if (failed == NULL)
                smapi_volume_list_clear(&volumes);
        use_end(&use);
        return good;
}

bool sr_stat(Manager *manager, const Operation *operation, const char *sr, StorageSrInfo *ret,
             StorageError **error)
{
        SmapiError *failed = NULL;
        SmapiSr found;
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_SHARED, sr, NULL, error))
                return false;
        good = smapi_sr_stat(&use.caller.caller, 0, operation->dbg, use_handle(&use), &found, &failed);
        use_end(&use);
        if (!good)
                return plugin_fail(error, failed);
        good = plugin_check_sr(&found, "SR.stat", error);
        if (good)
                sr_info_from_sr(&found, ret);
        smapi_sr_clear(&found);
        return good;
}

typedef bool (*SetText)(BusCaller *caller, uint64_t timeout_usec, const char *dbg, const char *sr,
                        const char *text, SmapiError **error);

static bool set_text(Manager *manager, const Operation *operation, SetText set, const char *sr,
                     const char *text, StorageError **error)
{
        SmapiError *failed = NULL;
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_EXCLUSIVE, sr, NULL, error))
                return false;
        if (use.repository->attached)
                good = set(&use.caller.caller, 0, operation->dbg, use_handle(&use), text, &failed) ||
                       plugin_fail(error, failed);
        else
                good = storage_fail_sr_not_attached(error, sr);
        use_end(&use);
        return good;
}

bool sr_set_name_label(Manager *manager, const Operation *operation, const char *sr, const char *name,
                       StorageError **error)
{
        return set_text(manager, operation, smapi_sr_set_name, sr, name, error);
}

bool sr_set_name_description(Manager *manager, const Operation *operation, const char *sr,
                             const char *description, StorageError **error)
{
        return set_text(manager, operation, smapi_sr_set_description, sr, description, error);
}
