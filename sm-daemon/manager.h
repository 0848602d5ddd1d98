/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All of sm-daemon's state, and how a piece of it is taken into use.
 *
 * Locks, in the order in which they are taken: a repository's, a volume's (lock.h; held while plugins run), then one of
 * the mutexes of a repository, the manager, the plugins or the updates (held for moments, never two at a time but the
 * repository's under the manager's). */
#pragma once

#include "disk/disk.h"
#include "image-use.h"
#include "long-call.h"
#include "operation.h"
#include "plugin.h"
#include "repository.h"
#include "updates.h"

typedef struct Manager {
        Plugins *plugins;
        Updates *updates;
        Disks *disks;
        ImageUse *images;
        LongCalls *long_calls;
        /* Images of the repository may have become unnecessary (tidy.h). NULL: nobody cares. Set before anybody is served. */
        void (*untidy)(const char *sr, void *data);
        void *untidy_data;
        char *folder;          /* of records */
        GHashTable *damaged;   /* names of records of repositories that cannot be read, in all or in part */
        pthread_mutex_t mutex; /* of what follows */
        GHashTable *repositories; /* id -> Repository */
        GHashTable *datapaths;    /* dp -> GPtrArray of VolumeName: where it is attached */
} Manager;

typedef struct VolumeName {
        char *sr, *vdi;
} VolumeName;

/* Loads what an earlier process kept in `folder`, which is made if need be; disks' servers have theirs in `folder`-disks.
 * NULL (and a log line): it cannot be. */
Manager *manager_new(const char *plugins_root, const char *folder);
void manager_free(Manager *manager);

/* The ids of the repositories that are attached, in order. */
void manager_list(Manager *manager, BusStrings *ret);
/* Where a datapath is attached: owned VolumeNames. */
GPtrArray *manager_datapath_volumes(Manager *manager, const char *dp);
/* Whether records of the repository were damaged when they were loaded, so that not all may be known of its volumes that are
 * in use; sr NULL: of any. */
bool manager_is_damaged(Manager *manager, const char *sr);
/* Has the volumes' datapaths known, of a repository that is used alone and has just been attached. */
void manager_note_volumes(Manager *manager, Repository *repository);
/* Says that images of the repository may have become unnecessary. */
void manager_untidy(Manager *manager, const char *sr);
void manager_note_datapath(Manager *manager, const char *dp, const char *sr, const char *vdi, bool attached);
/* Every datapath as text, for people. Returns owned (free). */
char *manager_diagnostics(Manager *manager);

typedef enum UseMode {
        USE_SHARED,    /* something in the repository, no volume in particular */
        USE_VOLUME,    /* one volume, alone */
        USE_EXCLUSIVE, /* the repository, alone; attached or not */
} UseMode;

/* A repository, perhaps one of its volumes, and the repository's plugin, locked for one operation. */
typedef struct Use {
        Manager *manager;
        const Operation *operation;
        UseMode mode;
        Repository *repository;
        Volume *volume;      /* NULL but for USE_VOLUME */
        Plugin *plugin;      /* NULL when not attached */
        PluginCaller caller; /* of the plugin */
} Use;

/* Fails with Sr_not_attached, with the plugin's troubles, or when others hold it until the deadline. USE_EXCLUSIVE alone
 * succeeds for a repository that is not attached, or has never been heard of. */
bool use_begin(Use *use, Manager *manager, const Operation *operation, UseMode mode, const char *sr,
               const char *vdi, StorageError **error);
void use_end(Use *use);
/* SMAPIv3's name of the repository. */
static inline const char *use_handle(const Use *use)
{
        return use->repository->handle;
}
