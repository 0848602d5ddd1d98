/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "message-switch/lib/daemon.h"
#include "record.h"
#include "volume-record.h"

#define RECORD_REPOSITORY "repository.json"
#define RECORD_VOLUMES    "volumes"

static void volume_free(gpointer data)
{
        Volume *volume = data;

        lock_destroy(&volume->lock);
        g_ptr_array_unref(volume->datapaths);
        bus_strings_clear(&volume->uris);
        g_free(volume->uri);
        g_free(volume->key);
        g_free(volume);
}

static void datapath_free_data(gpointer datapath)
{
        datapath_free(datapath);
}

Repository *repository_new(const char *folder, const char *id)
{
        Repository *repository = g_new0(Repository, 1);
        g_autofree char *name = record_name(id);

        repository->id = g_strdup(id);
        repository->folder = g_build_filename(folder, name, NULL);
        lock_init(&repository->lock);
        pthread_mutex_init(&repository->mutex, NULL);
        repository->volumes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, volume_free);
        return repository;
}

void repository_free(Repository *repository)
{
        if (repository == NULL)
                return;
        g_hash_table_unref(repository->volumes);
        pthread_mutex_destroy(&repository->mutex);
        lock_destroy(&repository->lock);
        journal_close(repository->journal);
        bus_dict_clear(&repository->device_config);
        g_free(repository->id);
        g_free(repository->folder);
        g_free(repository->type);
        g_free(repository->handle);
        g_free(repository);
}

static json_t *encode_dict(const BusDict *dict)
{
        json_t *object = json_object();

        for (size_t i = 0; i < dict->n; i++)
                json_object_set_new(object, dict->items[i].key, json_string(dict->items[i].value));
        return object;
}

/* Records tell of this boot alone. Returns owned (g_free). */
static char *boot_id(void)
{
        char *text = NULL;

        return g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL) ? g_strchomp(text)
                                                                                         : g_strdup("");
}

static int open_journal(Repository *repository)
{
        g_autofree char *path = g_build_filename(repository->folder, RECORD_VOLUMES, NULL);

        return journal_open(path, &repository->journal);
}

static void remove_folder(const char *folder)
{
        GDir *dir = g_dir_open(folder, 0, NULL);
        const char *name;

        while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
                g_autofree char *path = g_build_filename(folder, name, NULL);

                g_unlink(path);
        }
        if (dir != NULL)
                g_dir_close(dir);
        g_rmdir(folder);
}

void repository_forget(Repository *repository)
{
        g_clear_pointer(&repository->journal, journal_close);
        pthread_mutex_lock(&repository->mutex);
        g_hash_table_remove_all(repository->volumes);
        pthread_mutex_unlock(&repository->mutex);
        repository->attached = repository->damaged = false;
        g_atomic_int_set(&repository->listed, 0);
        bus_dict_clear(&repository->device_config);
        g_clear_pointer(&repository->type, g_free);
        g_clear_pointer(&repository->handle, g_free);
}

void repository_reset(Repository *repository)
{
        g_autofree char *path = g_build_filename(repository->folder, RECORD_REPOSITORY, NULL);

        /* First: without it, the journal is a leftover. */
        record_remove(path);
        remove_folder(repository->folder);
        repository_forget(repository);
}

Volume *repository_volume(Repository *repository, const char *key)
{
        Volume *volume;

        pthread_mutex_lock(&repository->mutex);
        volume = g_hash_table_lookup(repository->volumes, key);
        if (volume == NULL) {
                volume = g_new0(Volume, 1);
                volume->repository = repository;
                volume->key = g_strdup(key);
                lock_init(&volume->lock);
                volume->datapaths = g_ptr_array_new_with_free_func(datapath_free_data);
                g_hash_table_insert(repository->volumes, volume->key, volume);
        }
        volume->users++;
        pthread_mutex_unlock(&repository->mutex);
        return volume;
}

static bool volume_in_use(const Volume *volume)
{
        return volume->opened || volume->in_epoch || volume->datapaths->len > 0;
}

void volume_release(Volume *volume)
{
        Repository *repository = volume->repository;

        pthread_mutex_lock(&repository->mutex);
        /* With no user left nobody holds its lock, so all of it may be read. */
        if (--volume->users == 0 && !volume->known && !volume_in_use(volume))
                g_hash_table_remove(repository->volumes, volume->key);
        pthread_mutex_unlock(&repository->mutex);
}

void volume_learn(Volume *volume, const BusStrings *uris, bool sharable, bool read_only)
{
        bus_strings_clear(&volume->uris);
        for (size_t i = 0; i < uris->n; i++)
                bus_strings_add(&volume->uris, uris->items[i]);
        volume->sharable = sharable;
        volume->read_only = read_only;
        volume->known = true;
}

void volume_unlearn(Volume *volume)
{
        bus_strings_clear(&volume->uris);
        volume->known = false;
}

int volume_save(Volume *volume)
{
        Journal *journal = volume->repository->journal;
        json_t *record;
        int r;

        if (!volume_in_use(volume)) {
                g_clear_pointer(&volume->uri, g_free);
                return journal_set(journal, volume->key, NULL);
        }
        record = volume_record_new(volume);
        r = journal_set(journal, volume->key, record);
        json_decref(record);
        return r;
}

Datapath *datapath_new(const char *name, const char *vm, bool read_write)
{
        Datapath *datapath = g_new0(Datapath, 1);

        datapath->name = g_strdup(name);
        datapath->vm = g_strdup(vm);
        datapath->read_write = read_write;
        return datapath;
}

void datapath_free(Datapath *datapath)
{
        if (datapath == NULL)
                return;
        storage_backend_clear(&datapath->backend);
        g_free(datapath->name);
        g_free(datapath->vm);
        g_free(datapath);
}

Datapath *volume_datapath(Volume *volume, const char *name)
{
        for (guint i = 0; i < volume->datapaths->len; i++) {
                Datapath *datapath = g_ptr_array_index(volume->datapaths, i);

                if (strcmp(datapath->name, name) == 0)
                        return datapath;
        }
        return NULL;
}

void volume_add_datapath(Volume *volume, Datapath *datapath)
{
        pthread_mutex_lock(&volume->repository->mutex);
        g_ptr_array_add(volume->datapaths, datapath);
        pthread_mutex_unlock(&volume->repository->mutex);
}

void volume_remove_datapath(Volume *volume, Datapath *datapath)
{
        pthread_mutex_lock(&volume->repository->mutex);
        g_ptr_array_remove(volume->datapaths, datapath);
        pthread_mutex_unlock(&volume->repository->mutex);
}

void volume_set_activated(Volume *volume, Datapath *datapath, bool activated, bool read_write)
{
        pthread_mutex_lock(&volume->repository->mutex);
        datapath->activated = activated;
        datapath->read_write = read_write;
        pthread_mutex_unlock(&volume->repository->mutex);
}

StorageVdiState datapath_state(const Datapath *datapath)
{
        StorageReadWrite access = datapath->read_write ? STORAGE_READ_WRITE_RW : STORAGE_READ_WRITE_RO;

        if (datapath->activated)
                return (StorageVdiState){ .tag = STORAGE_VDI_STATE_ACTIVATED, .activated = access };
        return (StorageVdiState){ .tag = STORAGE_VDI_STATE_ATTACHED, .attached = access };
}

StorageVdiState volume_state(const Volume *volume)
{
        bool activated = false, read_write = false;
        StorageReadWrite access;

        if (volume->datapaths->len == 0)
                return (StorageVdiState){ .tag = STORAGE_VDI_STATE_DETACHED };
        for (guint i = 0; i < volume->datapaths->len; i++) {
                const Datapath *datapath = g_ptr_array_index(volume->datapaths, i);

                activated |= datapath->activated;
                read_write |= datapath->read_write;
        }
        access = read_write ? STORAGE_READ_WRITE_RW : STORAGE_READ_WRITE_RO;
        if (activated)
                return (StorageVdiState){ .tag = STORAGE_VDI_STATE_ACTIVATED, .activated = access };
        return (StorageVdiState){ .tag = STORAGE_VDI_STATE_ATTACHED, .attached = access };
}

static bool decode_repository(Repository *repository, const json_t *record)
{
        const char *key;
        json_t *value, *config = json_object_get(record, "device_config");
        const char *type = json_string_value(json_object_get(record, "type"));
        const char *handle = json_string_value(json_object_get(record, "handle"));

        if (type == NULL || handle == NULL || !json_is_object(config))
                return false;
        json_object_foreach(config, key, value)
        {
                if (!json_is_string(value))
                        return false;
                bus_dict_set(&repository->device_config, key, json_string_value(value));
        }
        repository->type = g_strdup(type);
        repository->handle = g_strdup(handle);
        repository->attached = true;
        g_atomic_int_set(&repository->listed, 1);
        return true;
}

static void load_volume(const char *key, const json_t *record, void *data)
{
        Repository *repository = data;

        if (volume_record_load(repository, key, record))
                return;
        repository->damaged = true;
        log_error("Record of a volume is damaged", "SM_SR", repository->id, "SM_VDI", key, NULL);
}

static int load_journal(Repository *repository)
{
        int r = open_journal(repository);

        if (r < 0)
                return r;
        journal_each(repository->journal, load_volume, repository);
        if (journal_damaged(repository->journal) == 0)
                return 0;
        repository->damaged = true;
        log_error("Records of volumes are damaged", "SM_SR", repository->id, NULL);
        return 0;
}

int repository_save(Repository *repository)
{
        g_autofree char *path = g_build_filename(repository->folder, RECORD_REPOSITORY, NULL),
                        *boot = boot_id();
        json_t *record;
        int r;

        if (g_mkdir(repository->folder, 0700) < 0 && errno != EEXIST)
                return -errno;
        /* One that was good would have been loaded, and one that is removed goes before its journal. */
        r = access(path, F_OK) == 0 ? load_journal(repository) : open_journal(repository);
        if (r < 0)
                return r;
        record = json_pack("{s:s, s:s, s:s, s:s, s:o}", "boot", boot, "sr", repository->id, "type",
                           repository->type, "handle", repository->handle, "device_config",
                           encode_dict(&repository->device_config));
        r = record_write(path, record);
        json_decref(record);
        return r;
}

typedef enum Found { FOUND, FOUND_NONE, FOUND_DAMAGE } Found;

static Found load_record(const char *folder, const char *own, Repository **ret)
{
        g_autofree char *path = g_build_filename(own, RECORD_REPOSITORY, NULL), *boot = boot_id();
        const char *id, *its_boot;
        json_t *record;
        Found found;
        int r;

        r = record_read(path, &record);
        if (r < 0)
                return r == -ENOENT ? FOUND_NONE : FOUND_DAMAGE;
        id = json_string_value(json_object_get(record, "sr"));
        its_boot = json_string_value(json_object_get(record, "boot"));
        if (id == NULL || its_boot == NULL) {
                found = FOUND_DAMAGE;
        } else if (strcmp(its_boot, boot) != 0) {
                found = FOUND_NONE;
        } else {
                *ret = repository_new(folder, id);
                found = decode_repository(*ret, record) && load_journal(*ret) == 0 ? FOUND : FOUND_DAMAGE;
                if (found != FOUND)
                        g_clear_pointer(ret, repository_free);
        }
        json_decref(record);
        return found;
}

Repository *repository_load(const char *folder, const char *name, bool *ret_damaged)
{
        g_autofree char *own = g_build_filename(folder, name, NULL);
        Repository *repository = NULL;
        Found found = load_record(folder, own, &repository);

        *ret_damaged = found == FOUND_DAMAGE || (repository != NULL && repository->damaged);
        if (found == FOUND_NONE) {
                log_warning("Records of a repository are unfinished, or of an earlier boot: dropped",
                            "SM_PATH", own, NULL);
                remove_folder(own);
        } else if (found == FOUND_DAMAGE) {
                log_error("Record of a repository is damaged: it is not attached, its disks are let alone",
                          "SM_PATH", own, NULL);
        }
        return repository;
}
