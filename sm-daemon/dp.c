/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dp.h"

#include <string.h>

#include "message-switch/lib/daemon.h"
#include "route.h"

/* A plugin that was called, and then we are killed before the record is written: the call comes again, and plugins' calls
 * may be repeated. So the plugin is always called first. */
static bool save(Use *use, StorageError **error)
{
        int r = volume_save(use->volume);

        return r == 0 || storage_fail_internal(error, "Cannot keep a record: %s", g_strerror(-r));
}

/* The same after something that may have failed, with *error set, half-way. */
static bool save_after(Use *use, bool good, StorageError **error)
{
        if (good)
                return save(use, error);
        volume_save(use->volume);
        return false;
}

static void note(Use *use, const char *dp, bool attached)
{
        manager_note_datapath(use->manager, dp, use->repository->id, use->volume->key, attached);
}

static void changed(Use *use, const char *dp)
{
        updates_add(use->manager->updates, STORAGE_EVENT_ID_DP, dp);
        updates_add(use->manager->updates, STORAGE_EVENT_ID_VDI, use->volume->key);
}

static bool open_once(Use *use, Route *route, bool persistent, StorageError **error)
{
        if (use->volume->opened)
                return true;
        if (!route_open(route, persistent, error))
                return false;
        use->volume->opened = true;
        return true;
}

/* Closes what nobody uses any more. */
static bool close_unused(Use *use, Route *route, StorageError **error)
{
        Volume *volume = use->volume;

        if (!volume->opened || volume->in_epoch || volume->datapaths->len > 0)
                return true;
        if (!route_close(route, error))
                return false;
        volume->opened = false;
        return true;
}

static bool attach_new(Use *use, Route *route, const DpName *name, bool read_write, StorageError **error)
{
        Datapath *datapath;
        StorageError *ignored = NULL;

        if (read_write && use->volume->read_only) {
                char *params[] = { use->volume->key };

                return storage_fail_backend_error(error, "VDI_READONLY",
                                                  &(BusStrings){ .n = 1, .items = params });
        }
        if (!open_once(use, route, true, error))
                return false;
        datapath = datapath_new(name->dp, name->vm, read_write);
        if (!route_attach(route, name->vm, &datapath->backend, error)) {
                datapath_free(datapath);
                if (!close_unused(use, route, &ignored))
                        storage_error_free(ignored);
                return false;
        }
        volume_add_datapath(use->volume, datapath);
        note(use, name->dp, true);
        changed(use, name->dp);
        return true;
}

static bool attach(Use *use, const DpName *name, bool read_write, StorageBackend *ret, StorageError **error)
{
        Datapath *datapath = volume_datapath(use->volume, name->dp);
        Route route;
        bool good;

        if (datapath != NULL && datapath->read_write != read_write) {
                StorageVdiState from = datapath_state(datapath), to = from;

                to.attached = read_write ? STORAGE_READ_WRITE_RW : STORAGE_READ_WRITE_RO;
                return storage_fail_illegal_transition(error, &from, &to);
        }
        if (datapath == NULL) {
                if (!route_begin(&route, use, error))
                        return false;
                good = attach_new(use, &route, name, read_write, error);
                route_end(&route);
                if (!save_after(use, good, error))
                        return false;
                datapath = volume_datapath(use->volume, name->dp);
        }
        storage_backend_assign(ret, &datapath->backend);
        return true;
}

bool dp_attach(Manager *manager, const Operation *operation, const DpName *name, bool read_write,
               StorageBackend *ret, StorageError **error)
{
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, name->sr, name->vdi, error))
                return false;
        good = attach(&use, name, read_write, ret, error);
        use_end(&use);
        return good;
}

/* Whether another datapath's use stands against this one's. A disk server has an export for those who read while another
 * writes. */
static bool contended(const Volume *volume, const Datapath *datapath, bool read_write)
{
        for (guint i = 0; i < volume->datapaths->len; i++) {
                const Datapath *other = g_ptr_array_index(volume->datapaths, i);

                if (other == datapath || !other->activated || volume->sharable)
                        continue;
                if (read_write || (other->read_write && !layer_uri_served(volume->uri)))
                        return true;
        }
        return false;
}

static bool activate(Use *use, const DpName *name, bool read_only, StorageError **error)
{
        Datapath *datapath = volume_datapath(use->volume, name->dp);
        bool read_write = datapath != NULL && datapath->read_write && !read_only;
        StorageVdiState from = volume_state(use->volume);
        StorageVdiState to = { .tag = STORAGE_VDI_STATE_ACTIVATED,
                               .activated = read_write ? STORAGE_READ_WRITE_RW : STORAGE_READ_WRITE_RO };
        Route route;
        bool good;

        if (datapath == NULL || (!datapath->activated && contended(use->volume, datapath, read_write)))
                return storage_fail_illegal_transition(error, &from, &to);
        if (datapath->activated)
                return true;
        if (!route_begin(&route, use, error))
                return false;
        good = route_activate(&route, datapath, read_only, error);
        route_end(&route);
        if (!good)
                return false;
        volume_set_activated(use->volume, datapath, true, read_write);
        changed(use, name->dp);
        return save(use, error);
}

bool dp_activate(Manager *manager, const Operation *operation, const DpName *name, bool read_only,
                 StorageError **error)
{
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, name->sr, name->vdi, error))
                return false;
        good = activate(&use, name, read_only, error);
        use_end(&use);
        return good;
}

static bool deactivate(Use *use, Route *route, Datapath *datapath, StorageError **error)
{
        if (!datapath->activated)
                return true;
        if (!route_deactivate(route, datapath, error))
                return false;
        volume_set_activated(use->volume, datapath, false, datapath->read_write);
        changed(use, datapath->name);
        return true;
}

static bool detach(Use *use, Route *route, Datapath *datapath, StorageError **error)
{
        g_autofree char *name = g_strdup(datapath->name);

        if (!deactivate(use, route, datapath, error) || !route_detach(route, datapath, error))
                return false;
        note(use, name, false);
        volume_remove_datapath(use->volume, datapath);
        changed(use, name);
        if (route->served)
                manager_untidy(use->manager, use->repository->id);
        return close_unused(use, route, error);
}

/* Forgets a datapath whatever the plugin thinks. */
static void leak(Use *use, Datapath *datapath)
{
        log_warning("Datapath is forgotten, not detached", "SM_SR", use->repository->id, "SM_VDI",
                    use->volume->key, "SM_DP", datapath->name, NULL);
        note(use, datapath->name, false);
        changed(use, datapath->name);
        volume_remove_datapath(use->volume, datapath);
}

typedef bool (*Step)(Use *use, Route *route, Datapath *datapath, StorageError **error);

/* A step down for the datapath, if it is there. The record is written whether or not all of it was done. */
static bool step_down(Use *use, const char *dp, Step step, bool allow_leak, StorageError **error)
{
        Datapath *datapath = volume_datapath(use->volume, dp);
        StorageError *failed = NULL;
        Route route;
        bool good;

        if (datapath == NULL)
                return true;
        good = route_begin(&route, use, &failed);
        if (good) {
                good = step(use, &route, datapath, &failed);
                route_end(&route);
        }
        if (!good && allow_leak) {
                datapath = volume_datapath(use->volume, dp);
                if (datapath != NULL)
                        leak(use, datapath);
                if (use->volume->datapaths->len == 0)
                        use->volume->opened = use->volume->in_epoch = false;
                g_clear_pointer(&failed, storage_error_free);
                good = true;
        }
        if (!good)
                *error = failed;
        return save_after(use, good, error);
}

static bool step_down_one(Manager *manager, const Operation *operation, const DpName *name, Step step,
                          bool allow_leak, StorageError **error)
{
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, name->sr, name->vdi, error))
                return false;
        good = step_down(&use, name->dp, step, allow_leak, error);
        use_end(&use);
        return good;
}

bool dp_deactivate(Manager *manager, const Operation *operation, const DpName *name, StorageError **error)
{
        return step_down_one(manager, operation, name, deactivate, false, error);
}

bool dp_detach(Manager *manager, const Operation *operation, const DpName *name, StorageError **error)
{
        return step_down_one(manager, operation, name, detach, false, error);
}

bool dp_destroy_one(Manager *manager, const Operation *operation, const DpName *name, bool allow_leak,
                    StorageError **error)
{
        return step_down_one(manager, operation, name, detach, allow_leak, error);
}

bool dp_destroy(Manager *manager, const Operation *operation, const char *dp, bool allow_leak,
                StorageError **error)
{
        g_autoptr(GPtrArray) volumes = manager_datapath_volumes(manager, dp);

        for (guint i = 0; i < volumes->len; i++) {
                const VolumeName *volume = g_ptr_array_index(volumes, i);
                DpName name = { .sr = volume->sr, .vdi = volume->vdi, .dp = dp };

                if (!dp_destroy_one(manager, operation, &name, allow_leak, error))
                        return false;
        }
        return true;
}

static bool destroy_volume_datapaths(Use *use, StorageError **error)
{
        while (use->volume->datapaths->len > 0) {
                g_autofree char *dp =
                    g_strdup(((Datapath *)g_ptr_array_index(use->volume->datapaths, 0))->name);

                if (!step_down(use, dp, detach, false, error))
                        return false;
        }
        return true;
}

bool dp_destroy_all(Use *use, StorageError **error)
{
        GHashTableIter volumes;
        gpointer value;
        bool good = true;

        g_hash_table_iter_init(&volumes, use->repository->volumes);
        while (good && g_hash_table_iter_next(&volumes, NULL, &value)) {
                /* Alone in the repository: nobody has a volume's lock, or waits for it. */
                use->volume = value;
                good = destroy_volume_datapaths(use, error);
        }
        use->volume = NULL;
        return good;
}

static bool epoch_begin(Use *use, bool persistent, StorageError **error)
{
        Route route;
        bool good;

        if (!route_begin(&route, use, error))
                return false;
        good = open_once(use, &route, persistent, error);
        route_end(&route);
        if (good)
                use->volume->in_epoch = true;
        return save_after(use, good, error);
}

bool dp_epoch_begin(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                    bool persistent, StorageError **error)
{
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, sr, vdi, error))
                return false;
        good = use.volume->in_epoch || epoch_begin(&use, persistent, error);
        use_end(&use);
        return good;
}

static bool epoch_end(Use *use, StorageError **error)
{
        Route route;
        bool good;

        if (!route_begin(&route, use, error))
                return false;
        use->volume->in_epoch = false;
        good = close_unused(use, &route, error);
        if (!good)
                use->volume->in_epoch = true;
        route_end(&route);
        return good && save(use, error);
}

bool dp_epoch_end(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
                  StorageError **error)
{
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, sr, vdi, error))
                return false;
        good = !use.volume->in_epoch || epoch_end(&use, error);
        use_end(&use);
        return good;
}

bool dp_attach_info(Manager *manager, const Operation *operation, const DpName *name, StorageBackend *ret,
                    StorageError **error)
{
        Datapath *datapath;
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, name->sr, name->vdi, error))
                return false;
        datapath = volume_datapath(use.volume, name->dp);
        if (datapath != NULL)
                storage_backend_assign(ret, &datapath->backend);
        else
                storage_fail_does_not_exist(error, "datapath", name->dp);
        use_end(&use);
        return datapath != NULL;
}

bool dp_stat(Manager *manager, const Operation *operation, const char *sr, const char *vdi,
             StorageDpStat *ret, StorageError **error)
{
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, sr, vdi, error))
                return false;
        ret->superstate = volume_state(use.volume);
        for (guint i = 0; i < use.volume->datapaths->len; i++) {
                const Datapath *datapath = g_ptr_array_index(use.volume->datapaths, i);
                StorageVdiStateDictItem *item = BUS_LIST_ADD(&ret->dps);

                item->key = bus_strdup(datapath->name);
                item->value = datapath_state(datapath);
        }
        use_end(&use);
        return true;
}
