/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which plugins there are. How they are called: plugin-call.c */
#include "plugin.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "message-switch/lib/daemon.h"

struct Plugins {
        char *root;
        pthread_mutex_t mutex; /* of known */
        GHashTable *known;     /* folder -> Plugin */
};

static const char *const kind_folders[] = { [PLUGIN_VOLUME] = "volume", [PLUGIN_DATAPATH] = "datapath" };

static void plugin_unref_data(gpointer plugin)
{
        plugin_unref(plugin);
}

Plugins *plugins_new(const char *root)
{
        Plugins *plugins = g_new0(Plugins, 1);

        plugins->root = g_strdup(root);
        pthread_mutex_init(&plugins->mutex, NULL);
        plugins->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, plugin_unref_data);
        return plugins;
}

void plugins_free(Plugins *plugins)
{
        if (plugins == NULL)
                return;
        g_hash_table_unref(plugins->known);
        pthread_mutex_destroy(&plugins->mutex);
        g_free(plugins->root);
        g_free(plugins);
}

Plugin *plugin_ref(Plugin *plugin)
{
        g_atomic_int_inc(&plugin->refs);
        return plugin;
}

void plugin_unref(Plugin *plugin)
{
        if (plugin == NULL || !g_atomic_int_dec_and_test(&plugin->refs))
                return;
        smapi_query_clear(&plugin->query);
        g_free(plugin->name);
        g_free(plugin->folder);
        g_free(plugin);
}

bool plugin_has_feature(const Plugin *plugin, const char *feature)
{
        for (size_t i = 0; i < plugin->query.features.n; i++)
                if (strcmp(plugin->query.features.items[i], feature) == 0)
                        return true;
        return false;
}

bool plugin_copies_to(const Plugin *plugin, const char *type)
{
        g_autofree char *capitals = g_ascii_strup(type, -1),
                        *feature = g_strconcat(PLUGIN_COPY_TO, capitals, NULL);

        return plugin_has_feature(plugin, feature);
}

void plugin_query_result(const Plugin *plugin, StorageQueryResult *ret)
{
        const SmapiQuery *query = &plugin->query;
        StorageQueryResult shallow = {
                .driver = query->plugin,
                .name = query->name,
                .description = query->description,
                .vendor = query->vendor,
                .copyright = query->copyright,
                .version = query->version,
                .required_api_version = query->required_api_version,
                .features = query->features,
                .configuration = query->configuration,
                .required_cluster_stack = query->required_cluster_stack,
                .supported_image_formats = query->supported_image_formats,
                .smapi_version = STORAGE_SMAPI_VERSION_SMAPIV3,
        };

        storage_query_result_assign(ret, &shallow);
}

static bool name_valid(const char *name)
{
        size_t len = strlen(name);

        if (len == 0 || len > PLUGIN_NAME_MAX)
                return false;
        for (size_t i = 0; i < len; i++)
                if (!g_ascii_isalnum(name[i]) && strchr("-_+", name[i]) == NULL)
                        return false;
        return true;
}

static char *plugin_folder(Plugins *plugins, PluginKind kind, const char *name)
{
        return g_strdup_printf("%s/%s/%s%s", plugins->root, kind_folders[kind],
                               kind == PLUGIN_VOLUME ? PLUGIN_QUEUE_PREFIX : "", name);
}

/* Other than 0, and another one after files were added, removed or replaced. 0: there is no such folder. */
static uint64_t folder_stamp(const char *folder)
{
        struct stat st;

        if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode))
                return 0;
        return ((uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec) ^
               ((uint64_t)st.st_ino << 32);
}

static bool fail_missing(StorageError **error, PluginKind kind, const char *name)
{
        char *params[] = { (char *)"", (char *)"No datapath plugin is installed for this scheme",
                           (char *)name };

        if (kind == PLUGIN_VOLUME)
                return storage_fail_no_storage_plugin_for_sr(error, name);
        return storage_fail_backend_error(error, "SR_BACKEND_FAILURE",
                                          &(BusStrings){ .n = 3, .items = params });
}

static Plugin *plugin_load(PluginKind kind, const char *name, const char *folder, uint64_t stamp,
                           const Operation *operation, StorageError **error)
{
        g_autoptr(Plugin) plugin = g_new0(Plugin, 1);
        PluginCaller caller;
        SmapiError *failed = NULL;

        plugin->refs = 1;
        plugin->kind = kind;
        plugin->name = g_strdup(name);
        plugin->folder = g_strdup(folder);
        plugin->stamp = stamp;
        caller = plugin_caller(plugin, operation);
        if (!smapi_plugin_query(&caller.caller, 0, operation->dbg, &plugin->query, &failed)) {
                plugin_fail(error, failed);
                return NULL;
        }
        if (g_strcmp0(plugin->query.plugin, name) != 0) {
                log_warning("Plugin gives itself another name than its folder's", "SM_FOLDER", folder,
                            "SM_NAME", plugin->query.plugin, NULL);
                fail_missing(error, kind, name);
                return NULL;
        }
        return g_steal_pointer(&plugin);
}

static Plugin *plugins_known(Plugins *plugins, const char *folder, uint64_t stamp)
{
        Plugin *plugin;

        pthread_mutex_lock(&plugins->mutex);
        plugin = g_hash_table_lookup(plugins->known, folder);
        plugin = plugin != NULL && plugin->stamp == stamp ? plugin_ref(plugin) : NULL;
        pthread_mutex_unlock(&plugins->mutex);
        return plugin;
}

Plugin *plugins_find(Plugins *plugins, PluginKind kind, const char *name, const Operation *operation,
                     StorageError **error)
{
        g_autofree char *folder = name_valid(name) ? plugin_folder(plugins, kind, name) : NULL;
        uint64_t stamp = folder != NULL ? folder_stamp(folder) : 0;
        Plugin *plugin;

        if (stamp == 0) {
                fail_missing(error, kind, name);
                return NULL;
        }
        plugin = plugins_known(plugins, folder, stamp);
        if (plugin != NULL)
                return plugin;
        plugin = plugin_load(kind, name, folder, stamp, operation, error);
        if (plugin == NULL)
                return NULL;
        pthread_mutex_lock(&plugins->mutex);
        g_hash_table_replace(plugins->known, g_steal_pointer(&folder), plugin_ref(plugin));
        pthread_mutex_unlock(&plugins->mutex);
        return plugin;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *plugins_names(Plugins *plugins, PluginKind kind)
{
        g_autofree char *path = g_build_filename(plugins->root, kind_folders[kind], NULL);
        const char *prefix = kind == PLUGIN_VOLUME ? PLUGIN_QUEUE_PREFIX : "";
        GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
        struct dirent *entry;
        DIR *dir;

        dir = opendir(path);
        if (dir == NULL) {
                log_warning("No plugins", "SM_FOLDER", path, "ERROR", g_strerror(errno), NULL);
                return names;
        }
        while ((entry = readdir(dir)) != NULL)
                if (g_str_has_prefix(entry->d_name, prefix) && name_valid(entry->d_name + strlen(prefix)))
                        g_ptr_array_add(names, g_strdup(entry->d_name + strlen(prefix)));
        closedir(dir);
        g_ptr_array_sort(names, compare_names);
        return names;
}
