/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "message-switch/lib/daemon.h"
#include "record.h"

static void volume_name_free(gpointer data)
{
        VolumeName *name = data;

        g_free(name->sr);
        g_free(name->vdi);
        g_free(name);
}

static GPtrArray *volume_names_new(void)
{
        return g_ptr_array_new_with_free_func(volume_name_free);
}

static void add_name(GPtrArray *names, const char *sr, const char *vdi)
{
        VolumeName *name = g_new0(VolumeName, 1);

        name->sr = g_strdup(sr);
        name->vdi = g_strdup(vdi);
        g_ptr_array_add(names, name);
}

static void repository_free_data(gpointer repository)
{
        repository_free(repository);
}

void manager_note_volumes(Manager *manager, Repository *repository)
{
        GHashTableIter volumes;
        gpointer value;

        g_hash_table_iter_init(&volumes, repository->volumes);
        while (g_hash_table_iter_next(&volumes, NULL, &value)) {
                Volume *volume = value;

                for (guint i = 0; i < volume->datapaths->len; i++) {
                        Datapath *datapath = g_ptr_array_index(volume->datapaths, i);

                        manager_note_datapath(manager, datapath->name, repository->id, volume->key, true);
                }
        }
}

static void load(Manager *manager)
{
        GDir *dir = g_dir_open(manager->folder, 0, NULL);
        const char *name;

        while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
                Repository *repository;
                bool damaged;

                repository = repository_load(manager->folder, name, &damaged);
                if (damaged)
                        g_hash_table_add(manager->damaged, g_strdup(name));
                if (repository == NULL)
                        continue;
                g_hash_table_insert(manager->repositories, repository->id, repository);
                manager_note_volumes(manager, repository);
                log_info("Repository is still attached", "SM_SR", repository->id, NULL);
        }
        if (dir != NULL)
                g_dir_close(dir);
}

Manager *manager_new(const char *plugins_root, const char *folder)
{
        g_autofree char *disks_folder = NULL;
        Manager *manager;

        if (g_mkdir_with_parents(folder, 0700) < 0) {
                log_error("Cannot make the folder of records", "SM_PATH", folder, "ERROR", g_strerror(errno),
                          NULL);
                return NULL;
        }
        manager = g_new0(Manager, 1);
        manager->plugins = plugins_new(plugins_root);
        manager->updates = updates_new();
        manager->folder = g_strdup(folder);
        manager->damaged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        disks_folder = g_strconcat(folder, "-disks", NULL);
        manager->disks = disks_new(disks_folder);
        manager->images = image_use_new();
        manager->long_calls = long_calls_new();
        pthread_mutex_init(&manager->mutex, NULL);
        manager->repositories = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, repository_free_data);
        manager->datapaths =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
        load(manager);
        return manager;
}

void manager_free(Manager *manager)
{
        if (manager == NULL)
                return;
        g_hash_table_unref(manager->datapaths);
        g_hash_table_unref(manager->repositories);
        pthread_mutex_destroy(&manager->mutex);
        disks_free(manager->disks);
        image_use_free(manager->images);
        long_calls_free(manager->long_calls);
        plugins_free(manager->plugins);
        updates_free(manager->updates);
        g_hash_table_unref(manager->damaged);
        g_free(manager->folder);
        g_free(manager);
}

/* A repository is in the table while it is attached or used; which of the two holds is known to who uses it alone. So
 * one that is not used may be looked at. */
static Repository *manager_take(Manager *manager, const char *id, bool create)
{
        Repository *repository;

        pthread_mutex_lock(&manager->mutex);
        repository = g_hash_table_lookup(manager->repositories, id);
        if (repository == NULL && create) {
                repository = repository_new(manager->folder, id);
                g_hash_table_insert(manager->repositories, repository->id, repository);
        }
        if (repository != NULL)
                repository->refs++;
        pthread_mutex_unlock(&manager->mutex);
        return repository;
}

static void manager_give(Manager *manager, Repository *repository)
{
        pthread_mutex_lock(&manager->mutex);
        if (--repository->refs == 0 && !repository->attached)
                g_hash_table_remove(manager->repositories, repository->id);
        pthread_mutex_unlock(&manager->mutex);
}

static bool fail_busy(StorageError **error, const char *what)
{
        return storage_fail_internal(error, "Other operations on %s have not ended in time", what);
}

static bool use_lock(Use *use, const char *vdi, StorageError **error)
{
        Repository *repository = use->repository;
        uint64_t deadline_usec = use->operation->deadline_usec;

        if (lock_take(&repository->lock, use->mode == USE_EXCLUSIVE, deadline_usec) < 0)
                return fail_busy(error, repository->id);
        if (use->mode != USE_EXCLUSIVE && !repository->attached) {
                storage_fail_sr_not_attached(error, repository->id);
        } else if (use->mode != USE_VOLUME) {
                return true;
        } else {
                use->volume = repository_volume(repository, vdi);
                if (lock_take(&use->volume->lock, true, deadline_usec) == 0)
                        return true;
                fail_busy(error, vdi);
                volume_release(use->volume);
        }
        lock_release(&repository->lock);
        return false;
}

bool use_begin(Use *use, Manager *manager, const Operation *operation, UseMode mode, const char *sr,
               const char *vdi, StorageError **error)
{
        Repository *repository = manager_take(manager, sr, mode == USE_EXCLUSIVE);

        if (repository == NULL)
                return storage_fail_sr_not_attached(error, sr);
        *use = (Use){ .manager = manager, .operation = operation, .mode = mode, .repository = repository };
        if (!use_lock(use, vdi, error)) {
                manager_give(manager, repository);
                return false;
        }
        /* Who gave a call up, and then undoes it, is not overtaken by it. */
        if (operation->call != NULL && service_call_cancelled(operation->call)) {
                use_end(use);
                return storage_fail_cancelled(error, operation->dbg);
        }
        if (!repository->attached)
                return true;
        use->plugin = plugins_find(manager->plugins, PLUGIN_VOLUME, repository->type, operation, error);
        if (use->plugin == NULL) {
                use_end(use);
                return false;
        }
        use->caller = plugin_caller(use->plugin, operation);
        return true;
}

void use_end(Use *use)
{
        if (use->volume != NULL) {
                lock_release(&use->volume->lock);
                volume_release(use->volume);
        }
        plugin_unref(use->plugin);
        lock_release(&use->repository->lock);
        manager_give(use->manager, use->repository);
}

static gint compare_texts(gconstpointer a, gconstpointer b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All repositories, each as good as used. */
static GPtrArray *manager_take_all(Manager *manager)
{
        GPtrArray *repositories = g_ptr_array_new();
        GHashTableIter iter;
        gpointer value;

        pthread_mutex_lock(&manager->mutex);
        g_hash_table_iter_init(&iter, manager->repositories);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                ((Repository *)value)->refs++;
                g_ptr_array_add(repositories, value);
        }
        pthread_mutex_unlock(&manager->mutex);
        return repositories;
}

void manager_list(Manager *manager, BusStrings *ret)
{
        g_autoptr(GPtrArray) repositories = manager_take_all(manager), ids = g_ptr_array_new();

        for (guint i = 0; i < repositories->len; i++) {
                Repository *repository = g_ptr_array_index(repositories, i);

                /* One that is being attached or detached counts as what it was. */
                if (g_atomic_int_get(&repository->listed))
                        g_ptr_array_add(ids, g_strdup(repository->id));
                manager_give(manager, repository);
        }
        g_ptr_array_sort(ids, compare_texts);
        for (guint i = 0; i < ids->len; i++) {
                bus_strings_add(ret, g_ptr_array_index(ids, i));
                g_free(g_ptr_array_index(ids, i));
        }
}

GPtrArray *manager_datapath_volumes(Manager *manager, const char *dp)
{
        GPtrArray *names = volume_names_new(), *known;

        pthread_mutex_lock(&manager->mutex);
        known = g_hash_table_lookup(manager->datapaths, dp);
        for (guint i = 0; known != NULL && i < known->len; i++) {
                VolumeName *name = g_ptr_array_index(known, i);

                add_name(names, name->sr, name->vdi);
        }
        pthread_mutex_unlock(&manager->mutex);
        return names;
}

static void remove_name(GPtrArray *names, const char *sr, const char *vdi)
{
        for (guint i = 0; i < names->len; i++) {
                VolumeName *name = g_ptr_array_index(names, i);

                if (strcmp(name->sr, sr) == 0 && strcmp(name->vdi, vdi) == 0) {
                        g_ptr_array_remove_index_fast(names, i);
                        return;
                }
        }
}

void manager_note_datapath(Manager *manager, const char *dp, const char *sr, const char *vdi, bool attached)
{
        GPtrArray *names;

        pthread_mutex_lock(&manager->mutex);
        names = g_hash_table_lookup(manager->datapaths, dp);
        if (names == NULL && attached) {
                names = volume_names_new();
                g_hash_table_insert(manager->datapaths, g_strdup(dp), names);
        }
        if (attached)
                add_name(names, sr, vdi);
        else if (names != NULL)
                remove_name(names, sr, vdi);
        if (names != NULL && names->len == 0)
                g_hash_table_remove(manager->datapaths, dp);
        pthread_mutex_unlock(&manager->mutex);
}

bool manager_is_damaged(Manager *manager, const char *sr)
{
        g_autofree char *name = sr != NULL ? record_name(sr) : NULL;

        return name != NULL ? g_hash_table_contains(manager->damaged, name)
                            : g_hash_table_size(manager->damaged) > 0;
}

void manager_untidy(Manager *manager, const char *sr)
{
        if (manager->untidy != NULL)
                manager->untidy(sr, manager->untidy_data);
}

static void describe_volume(GString *text, const Volume *volume)
{
        for (guint i = 0; i < volume->datapaths->len; i++) {
                const Datapath *datapath = g_ptr_array_index(volume->datapaths, i);

                g_string_append_printf(text, "  %s: dp %s, vm %s, %s %s\n", volume->key, datapath->name,
                                       datapath->vm, datapath->activated ? "activated" : "attached",
                                       datapath->read_write ? "RW" : "RO");
        }
}

/* Their servers, devices and images: without a lock, because files are looked at. */
static void describe_disks(Manager *manager, const char *sr, GPtrArray *keys, GString *text)
{
        for (guint i = 0; i < keys->len; i++) {
                DiskName disk = { .sr = sr, .vdi = g_ptr_array_index(keys, i) };
                g_autoptr(GString) lines = g_string_new(NULL);

                disk_describe(manager->disks, &disk, "    ", lines);
                if (lines->len > 0)
                        g_string_append_printf(text, "  %s is served:\n%s", disk.vdi, lines->str);
        }
}

char *manager_diagnostics(Manager *manager)
{
        g_autoptr(GPtrArray) repositories = manager_take_all(manager);
        g_autoptr(GString) text = g_string_new(NULL);

        for (guint i = 0; i < repositories->len; i++) {
                Repository *repository = g_ptr_array_index(repositories, i);
                g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
                GHashTableIter volumes;
                gpointer value;

                g_string_append_printf(text, "%s\n", repository->id);
                pthread_mutex_lock(&repository->mutex);
                g_hash_table_iter_init(&volumes, repository->volumes);
                while (g_hash_table_iter_next(&volumes, NULL, &value)) {
                        describe_volume(text, value);
                        if (((Volume *)value)->datapaths->len > 0)
                                g_ptr_array_add(keys, g_strdup(((Volume *)value)->key));
                }
                pthread_mutex_unlock(&repository->mutex);
                describe_disks(manager, repository->id, keys, text);
                manager_give(manager, repository);
        }
        return bus_strdup(text->str);
}
