/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A layer over SQLite's unix VFS: it counts syncs, and lets a test see, stall or fail each write. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum StoreVfsEvent { STORE_VFS_WRITE, STORE_VFS_TRUNCATE, STORE_VFS_SYNC } StoreVfsEvent;

/* Called before each event, on whichever thread writes. SQLITE_OK lets it happen, another code of SQLite's is its
 * result instead. n is the new size for STORE_VFS_TRUNCATE. */
typedef int (*StoreVfsHook)(StoreVfsEvent event, const char *path, int64_t offset, const void *bytes,
                            size_t n, void *data);

const char *store_vfs_name(void); /* registers it with SQLite the first time */
uint64_t store_vfs_syncs(void);   /* of this process so far */
void store_vfs_set_hook(StoreVfsHook hook,
                        void *data); /* for tests; NULL: none. Not while a store is writing */
