/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "route.h"

#include <string.h>
#include <unistd.h>

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
        volume_learn(use->volume, &found.uri, found.sharable, !found.read_write);
        use->volume->known = plugin_has_feature(use->plugin, PLUGIN_STABLE_URI);
        smapi_volume_clear(&found);
        return true;
}

static Plugin *plugin_for(Use *use, const char *uri, StorageError **error)
{
        g_autofree char *scheme = g_strndup(uri, strcspn(uri, ":"));

        return plugins_find(use->manager->plugins, PLUGIN_DATAPATH, scheme, use->operation, error);
}

static bool choose(Route *route, Use *use, StorageError **error)
{
        Volume *volume = use->volume;
        StorageError *failed = NULL;

        if (!volume->known && !learn(use, error))
                return false;
        for (size_t i = 0; i < volume->uris.n; i++) {
                route->plugin = plugin_for(use, volume->uris.items[i], &failed);
                if (route->plugin != NULL) {
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
        *route = (Route){ .operation = use->operation };
        if (use->volume->uri != NULL)
                route->plugin = plugin_for(use, use->volume->uri, error);
        else
                choose(route, use, error);
        if (route->plugin == NULL)
                return false;
        route->uri = use->volume->uri;
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

bool route_open(Route *route, bool persistent, StorageError **error)
{
        SmapiError *failed = NULL;

        if (route->direct && persistent)
                return true;
        return smapi_datapath_open(&route->caller.caller, 0, route->operation->dbg, route->uri, persistent,
                                   &failed) ||
               plugin_fail(error, failed);
}

bool route_attach(Route *route, const char *vm, StorageBackend *ret, StorageError **error)
{
        SmapiError *failed = NULL;
        SmapiBackend backend;

        if (route->direct) {
                g_autofree char *path = file_path(route->uri);
                StorageImplementation *implementation = BUS_LIST_ADD(&ret->implementations);

                implementation->tag = STORAGE_IMPLEMENTATION_FILE;
                implementation->file.path = bus_strdup(path);
                return true;
        }
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

bool route_activate(Route *route, const char *vm, bool read_only, StorageError **error)
{
        SmapiError *failed = NULL;
        bool good;

        if (route->direct)
                return true;
        if (read_only)
                good = smapi_datapath_activate_readonly(&route->caller.caller, 0, route->operation->dbg,
                                                        route->uri, vm, &failed);
        else
                good = smapi_datapath_activate(&route->caller.caller, 0, route->operation->dbg, route->uri,
                                               vm, &failed);
        return good || plugin_fail(error, failed);
}

bool route_deactivate(Route *route, const char *vm, StorageError **error)
{
        SmapiError *failed = NULL;

        return route->direct ||
               smapi_datapath_deactivate(&route->caller.caller, 0, route->operation->dbg, route->uri, vm,
                                         &failed) ||
               plugin_fail(error, failed);
}

bool route_detach(Route *route, const char *vm, StorageError **error)
{
        SmapiError *failed = NULL;

        return route->direct ||
               smapi_datapath_detach(&route->caller.caller, 0, route->operation->dbg, route->uri, vm,
                                     &failed) ||
               plugin_fail(error, failed);
}

bool route_close(Route *route, StorageError **error)
{
        SmapiError *failed = NULL;

        return route->direct ||
               smapi_datapath_close(&route->caller.caller, 0, route->operation->dbg, route->uri, &failed) ||
               plugin_fail(error, failed);
}
