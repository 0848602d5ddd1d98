/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dp.h"

/* Whether another datapath writes, or this one would under another's eyes: a plain image has one writer, or readers. */
static bool shared_with_writer(const Volume *volume, const Datapath *datapath, bool read_write)
{
        for (guint i = 0; i < volume->datapaths->len; i++) {
                const Datapath *other = g_ptr_array_index(volume->datapaths, i);

                if (other != datapath && other->activated && (other->read_write || read_write))
                        return true;
        }
        return false;
}

/* A plugin's word for a path is taken, but nothing is opened that could hang or is no disk. */
static bool open_image(const char *path, bool read_write, int *ret_fd, StorageError **error)
{
        int fd = open(path, (read_write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd < 0)
                return storage_fail_internal(error, "Cannot open %s: %s", path, g_strerror(errno));
        if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))) {
                close(fd);
                return storage_fail_internal(error, "%s is neither a file nor a block device", path);
        }
        *ret_fd = fd;
        return true;
}

static const char *plain_path(const StorageBackend *backend)
{
        for (size_t i = 0; i < backend->implementations.n; i++) {
                const StorageImplementation *way = &backend->implementations.items[i];

                if (way->tag == STORAGE_IMPLEMENTATION_FILE)
                        return way->file.path;
        }
        return NULL;
}

static bool open_export(const Use *use, bool read_write, StorageDataChannel *ret, int *ret_fd,
                        StorageError **error)
{
        DiskName name = { .sr = use->repository->id, .vdi = use->volume->key, .uri = use->volume->uri };

        if (!disk_open(use->manager->disks, &name, ret_fd, error))
                return false;
        ret->tag = STORAGE_DATA_CHANNEL_EXPORT;
        ret->export = bus_strdup(read_write ? DISK_EXPORT_FILL : DISK_EXPORT_READ_ONLY);
        return true;
}

static bool open_data(const Use *use, const DpName *name, bool read_write, StorageDataChannel *ret,
                      int *ret_fd, StorageError **error)
{
        Datapath *datapath = volume_datapath(use->volume, name->dp);
        const char *path;

        if (datapath == NULL)
                return storage_fail_does_not_exist(error, "datapath", name->dp);
        if (!datapath->activated || (read_write && !datapath->read_write) ||
            shared_with_writer(use->volume, datapath, read_write)) {
                StorageVdiState from = volume_state(use->volume);
                StorageVdiState to = { .tag = STORAGE_VDI_STATE_ACTIVATED,
                                       .activated =
                                           read_write ? STORAGE_READ_WRITE_RW : STORAGE_READ_WRITE_RO };

                return storage_fail_illegal_transition(error, &from, &to);
        }
        path = plain_path(&datapath->backend);
        if (path == NULL && layer_uri_served(use->volume->uri))
                return open_export(use, read_write, ret, ret_fd, error);
        if (path == NULL)
                return storage_fail_unimplemented(error, "VDI.open_data of a disk that is no plain image");
        ret->tag = STORAGE_DATA_CHANNEL_PLAIN;
        return open_image(path, read_write, ret_fd, error);
}

bool dp_open_data(Manager *manager, const Operation *operation, const DpName *name, bool read_write,
                  StorageDataChannel *ret, int *ret_fd, StorageError **error)
{
        bool good;
        Use use;

        if (!use_begin(&use, manager, operation, USE_VOLUME, name->sr, name->vdi, error))
                return false;
        good = open_data(&use, name, read_write, ret, ret_fd, error);
        use_end(&use);
        return good;
}
