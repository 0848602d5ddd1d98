/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "route.h"

#include <string.h>
#include <unistd.h>

#include "disk/disk.h"

/* The path of a file: URI, as the plugin would unescape it. NULL: it is none. Returns owned (g_free). */
static char *file_path(const char *uri)
{
        return g_str_has_prefix(uri, "file:///") ? g_filename_from_uri(uri, NULL, NULL) : NULL;
}

static bool learn(Use *use, StorageError **error)
{
        SmapiError *failed = NULL;
        SmapiVolume found;

        if (!smapi_volume_stat(&use->caller.caller, 0, use->operation->dbg, use_handle(use), use->volume->key,
                               &found, &failed))
                return plugin_fail(error, failed);
        if (!plugin_check_volume(&found, use->volume->key, "Volume.stat", error)) {
                smapi_volume_clear(&found);
                return false;
        }
        volume_learn(use->volume, &found.uri, found.sharable, !found.read_write);
        use->volume->known = plugin_has_feature(use->plugin, PLUGIN_STABLE_URI);
        smapi_volume_clear(&found);
        return true;
}

/* Who serves the URI: a disk server, or the plugin of its scheme. */
static bool take(Route *route, const char *uri, StorageError **error)
{
        g_autofree char *scheme = g_strndup(uri, strcspn(uri, ":"));

        route->served = layer_uri_served(uri);
        if (!route->served)
                route->plugin = plugins_find(route->use->manager->plugins, PLUGIN_DATAPATH, scheme,
                                             route->operation, error);
        return route->served || route->plugin != NULL;
}

static bool choose(Route *route, StorageError **error)
{
        Use *use = route->use;
        Volume *volume = use->volume;
        StorageError *failed = NULL;

        if (!volume->known && !learn(use, error))
                return false;
        for (size_t i = 0; i < volume->uris.n; i++) {
                if (take(route, volume->uris.items[i], &failed)) {
                        volume->uri = g_strdup(volume->uris.items[i]);
                        return true;
                }
                if (i + 1 < volume->uris.n)
                        g_clear_pointer(&failed, storage_error_free);
        }
        if (failed == NULL)
                return storage_fail_internal(error, "The plugin gave no URI for %s", volume->key);
        *error = failed;
        return false;
}

/* A file that was remembered may have gone, behind the plugin's back or with its repository's file system. */
static bool file_is_gone(const Route *route)
{
        g_autofree char *path = file_path(route->uri);

        return path == NULL || access(path, F_OK) < 0;
}

static bool check_direct(Route *route, Use *use, StorageError **error)
{
        SmapiVolume found;
        SmapiError *failed = NULL;

        if (!file_is_gone(route))
                return true;
        volume_unlearn(use->volume);
        if (!smapi_volume_stat(&use->caller.caller, 0, use->operation->dbg, use_handle(use), use->volume->key,
                               &found, &failed))
                return plugin_fail(error, failed);
        smapi_volume_clear(&found);
        return storage_fail_internal(error, "%s: the file is not there", route->uri);
}

bool route_begin(Route *route, Use *use, StorageError **error)
{
        *route = (Route){ .use = use, .operation = use->operation };
        if (!(use->volume->uri != NULL ? take(route, use->volume->uri, error) : choose(route, error)))
                return false;
        route->uri = use->volume->uri;
        if (route->served)
                return true;
        route->caller = plugin_caller(route->plugin, use->operation);
        route->direct = plugin_has_feature(route->plugin, PLUGIN_FILE_AS_IT_IS) &&
                        g_str_has_prefix(route->uri, "file:///");
        if (route->direct && use->volume->datapaths->len == 0 && !check_direct(route, use, error)) {
                route_end(route);
                g_clear_pointer(&use->volume->uri, g_free);
                return false;
        }
        return true;
}

void route_end(Route *route)
{
        g_clear_pointer(&route->plugin, plugin_unref);
}

static DiskName disk_of(const Route *route)
{
        return (
            DiskName){ .sr = route->use->repository->id, .vdi = route->use->volume->key, .uri = route->uri };
}

bool route_open(Route *route, bool persistent, StorageError **error)
{
        SmapiError *failed = NULL;

        if (persistent && (route->direct || route->served))
                return true;
        if (route->served)
                return storage_fail_unimplemented(error, "Disks whose writes are to be thrown away");
        return smapi_datapath_open(&route->caller.caller, 0, route->operation->dbg, route->uri, persistent,
                                   &failed) ||
               plugin_fail(error, failed);
}

bool route_attach(Route *route, const char *vm, StorageBackend *ret, StorageError **error)
{
        DiskName disk = disk_of(route);
        SmapiError *failed = NULL;
        SmapiBackend backend;

        if (route->direct) {
                g_autofree char *path = file_path(route->uri);
                StorageImplementation *implementation = BUS_LIST_ADD(&ret->implementations);

                implementation->tag = STORAGE_IMPLEMENTATION_FILE;
                implementation->file.path = bus_strdup(path);
                return true;
        }
        if (route->served)
                return disk_attach(route->use->manager->disks, route->operation, &disk, ret, error);
        if (!smapi_datapath_attach(&route->caller.caller, 0, route->operation->dbg, route->uri, vm, &backend,
                                   &failed))
                return plugin_fail(error, failed);
        ret->implementations.n = backend.implementations.n;
        ret->implementations.items = backend.implementations.items;
        backend.implementations.n = 0;
        backend.implementations.items = NULL;
        smapi_backend_clear(&backend);
        return true;
}

/* The images of the disk, from its own down: owned strings. Empty: they cannot be read, or are no images of ours. */
static GPtrArray *images_of(const char *uri)
{
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GPtrArray) layers = NULL;
        g_autofree char *path = NULL;
        LayerFormat format;

        if (layer_uri_parse(uri, &path, &format) < 0 || layer_chain(path, format, &layers) < 0)
                return paths;
        for (guint i = 0; i < layers->len; i++)
                g_ptr_array_add(paths, g_strdup(((Layer *)g_ptr_array_index(layers, i))->path));
        return paths;
}

static bool open_images(Use *use, GPtrArray *images, StorageError **error)
{
        return image_use_open(use->manager->images, images, use->operation->deadline_usec) == 0 ||
               storage_fail_internal(error, "Images of %s are being merged, which has not ended in time",
                                     use->volume->key);
}

bool route_images_begin(Use *use, GPtrArray **ret, StorageError **error)
{
        g_autoptr(GPtrArray) images = NULL;

        if (use->volume->uri == NULL && use->volume->uris.n == 0 && !learn(use, error))
                return false;
        images = images_of(use->volume->uri != NULL  ? use->volume->uri
                           : use->volume->uris.n > 0 ? use->volume->uris.items[0]
                                                     : "");
        if (!open_images(use, images, error))
                return false;
        *ret = g_steal_pointer(&images);
        return true;
}

void route_images_end(Use *use, GPtrArray *images)
{
        image_use_opened(use->manager->images, images);
        g_ptr_array_unref(images);
}

static bool activate_disk(Route *route, const DiskName *disk, bool writable, StorageError **error)
{
        Manager *manager = route->use->manager;
        GPtrArray *images;
        bool good;

        if (!route_images_begin(route->use, &images, error))
                return false;
        good = disk_activate(manager->disks, route->operation, disk, writable, error);
        route_images_end(route->use, images);
        return good;
}

bool route_activate(Route *route, const Datapath *datapath, bool read_only, StorageError **error)
{
        DiskName disk = disk_of(route);
        SmapiError *failed = NULL;
        bool good;

        if (route->direct)
                return true;
        if (route->served)
                return activate_disk(route, &disk, datapath->read_write && !read_only, error);
        if (read_only)
                good = smapi_datapath_activate_readonly(&route->caller.caller, 0, route->operation->dbg,
                                                        route->uri, datapath->vm, &failed);
        else
                good = smapi_datapath_activate(&route->caller.caller, 0, route->operation->dbg, route->uri,
                                               datapath->vm, &failed);
        return good || plugin_fail(error, failed);
}

static bool others_active(const Route *route, const Datapath *datapath)
{
        const GPtrArray *datapaths = route->use->volume->datapaths;

        for (guint i = 0; i < datapaths->len; i++) {
                const Datapath *other = g_ptr_array_index(datapaths, i);

                if (other != datapath && other->activated)
                        return true;
        }
        return false;
}

bool route_deactivate(Route *route, const Datapath *datapath, StorageError **error)
{
        DiskName disk = disk_of(route);
        SmapiError *failed = NULL;

        if (route->direct)
                return true;
        if (route->served)
                return others_active(route, datapath) ||
                       disk_deactivate(route->use->manager->disks, route->operation, &disk, error);
        return smapi_datapath_deactivate(&route->caller.caller, 0, route->operation->dbg, route->uri,
                                         datapath->vm, &failed) ||
               plugin_fail(error, failed);
}

bool route_detach(Route *route, const Datapath *datapath, StorageError **error)
{
        DiskName disk = disk_of(route);
        SmapiError *failed = NULL;

        if (route->direct)
                return true;
        if (route->served)
                return route->use->volume->datapaths->len > 1 ||
                       disk_detach(route->use->manager->disks, route->operation, &disk, error);
        return smapi_datapath_detach(&route->caller.caller, 0, route->operation->dbg, route->uri,
                                     datapath->vm, &failed) ||
               plugin_fail(error, failed);
}

bool route_close(Route *route, StorageError **error)
{
        SmapiError *failed = NULL;

        return route->direct || route->served ||
               smapi_datapath_close(&route->caller.caller, 0, route->operation->dbg, route->uri, &failed) ||
               plugin_fail(error, failed);
}

bool route_serves(const Volume *volume)
{
        if (volume->uri == NULL || !layer_uri_served(volume->uri))
                return false;
        for (guint i = 0; i < volume->datapaths->len; i++)
                if (((const Datapath *)g_ptr_array_index(volume->datapaths, i))->activated)
                        return true;
        return false;
}

bool route_writes(const Volume *volume)
{
        for (guint i = 0; i < volume->datapaths->len; i++) {
                const Datapath *datapath = g_ptr_array_index(volume->datapaths, i);

                if (datapath->activated && datapath->read_write)
                        return true;
        }
        return false;
}

bool route_follow(Use *use, StorageError **error)
{
        DiskName disk = { .sr = use->repository->id, .vdi = use->volume->key, .uri = use->volume->uri };

        return !route_serves(use->volume) || disk_follow(use->manager->disks, use->operation, &disk, error);
}
