/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store-vfs.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include <sqlite3.h>

#define VFS_NAME "xapi-store"

typedef struct VfsFile {
        sqlite3_file base;
        const char *path;    /* SQLite's, lives as long as the file is open */
        sqlite3_file real[]; /* the unix VFS's, which is larger than this type says */
} VfsFile;

static sqlite3_vfs vfs;
static pthread_once_t vfs_once = PTHREAD_ONCE_INIT;
static atomic_uint_fast64_t vfs_n_syncs;
static StoreVfsHook vfs_hook;
static void *vfs_hook_data;

static VfsFile *vfs_file(sqlite3_file *file)
{
        return (VfsFile *)file;
}

static int vfs_event(sqlite3_file *file, StoreVfsEvent event, int64_t offset, const void *bytes, size_t n)
{
        if (vfs_hook == NULL)
                return SQLITE_OK;
        return vfs_hook(event, vfs_file(file)->path, offset, bytes, n, vfs_hook_data);
}

#define VFS_FORWARD(file, method, ...)                                                                       \
        vfs_file(file)->real->pMethods->method(vfs_file(file)->real __VA_OPT__(, ) __VA_ARGS__)

static int vfs_close(sqlite3_file *file)
{
        return VFS_FORWARD(file, xClose);
}

static int vfs_read(sqlite3_file *file, void *bytes, int n, sqlite3_int64 offset)
{
        return VFS_FORWARD(file, xRead, bytes, n, offset);
}

static int vfs_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 offset)
{
        int r = vfs_event(file, STORE_VFS_WRITE, offset, bytes, (size_t)n);
        return r != SQLITE_OK ? r : VFS_FORWARD(file, xWrite, bytes, n, offset);
}

static int vfs_truncate(sqlite3_file *file, sqlite3_int64 size)
{
        int r = vfs_event(file, STORE_VFS_TRUNCATE, 0, NULL, (size_t)size);
        return r != SQLITE_OK ? r : VFS_FORWARD(file, xTruncate, size);
}

static int vfs_sync(sqlite3_file *file, int flags)
{
        int r = vfs_event(file, STORE_VFS_SYNC, 0, NULL, 0);
        if (r != SQLITE_OK)
                return r;
        atomic_fetch_add(&vfs_n_syncs, 1);
        return VFS_FORWARD(file, xSync, flags);
}

static int vfs_file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
        return VFS_FORWARD(file, xFileSize, ret_size);
}

static int vfs_lock(sqlite3_file *file, int level)
{
        return VFS_FORWARD(file, xLock, level);
}

static int vfs_unlock(sqlite3_file *file, int level)
{
        return VFS_FORWARD(file, xUnlock, level);
}

static int vfs_check_reserved_lock(sqlite3_file *file, int *ret)
{
        return VFS_FORWARD(file, xCheckReservedLock, ret);
}

static int vfs_file_control(sqlite3_file *file, int op, void *argument)
{
        return VFS_FORWARD(file, xFileControl, op, argument);
}

static int vfs_sector_size(sqlite3_file *file)
{
        return VFS_FORWARD(file, xSectorSize);
}

static int vfs_device_characteristics(sqlite3_file *file)
{
        return VFS_FORWARD(file, xDeviceCharacteristics);
}

static int vfs_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
        return VFS_FORWARD(file, xShmMap, page, size, extend, ret);
}

static int vfs_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
        return VFS_FORWARD(file, xShmLock, offset, n, flags);
}

static void vfs_shm_barrier(sqlite3_file *file)
{
        VFS_FORWARD(file, xShmBarrier);
}

static int vfs_shm_unmap(sqlite3_file *file, int remove)
{
        return VFS_FORWARD(file, xShmUnmap, remove);
}

static const sqlite3_io_methods vfs_methods = {
        .iVersion = 2,
        .xClose = vfs_close,
        .xRead = vfs_read,
        .xWrite = vfs_write,
        .xTruncate = vfs_truncate,
        .xSync = vfs_sync,
        .xFileSize = vfs_file_size,
        .xLock = vfs_lock,
        .xUnlock = vfs_unlock,
        .xCheckReservedLock = vfs_check_reserved_lock,
        .xFileControl = vfs_file_control,
        .xSectorSize = vfs_sector_size,
        .xDeviceCharacteristics = vfs_device_characteristics,
        .xShmMap = vfs_shm_map,
        .xShmLock = vfs_shm_lock,
        .xShmBarrier = vfs_shm_barrier,
        .xShmUnmap = vfs_shm_unmap,
};

static int vfs_open(sqlite3_vfs *self, const char *path, sqlite3_file *base, int flags, int *ret_flags)
{
        sqlite3_vfs *unix_vfs = self->pAppData;
        VfsFile *file = vfs_file(base);
        file->path = path;
        int r = unix_vfs->xOpen(unix_vfs, path, file->real, flags, ret_flags);
        file->base.pMethods = file->real->pMethods != NULL ? &vfs_methods : NULL;
        return r;
}

static void vfs_register(void)
{
        sqlite3_vfs *unix_vfs = sqlite3_vfs_find("unix");
        assert(unix_vfs != NULL);
        vfs = *unix_vfs;
        vfs.szOsFile = (int)sizeof(VfsFile) + unix_vfs->szOsFile;
        vfs.pNext = NULL;
        vfs.zName = VFS_NAME;
        vfs.pAppData = unix_vfs;
        vfs.xOpen = vfs_open;
        int r = sqlite3_vfs_register(&vfs, 0);
        assert(r == SQLITE_OK);
}

const char *store_vfs_name(void)
{
        pthread_once(&vfs_once, vfs_register);
        return VFS_NAME;
}

uint64_t store_vfs_syncs(void)
{
        return atomic_load(&vfs_n_syncs);
}

void store_vfs_set_hook(StoreVfsHook hook, void *data)
{
        vfs_hook_data = data;
        vfs_hook = hook;
}
