/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage repository as sm-daemon knows it: whether it is attached and how, and its volumes as far as they are in use.
 * What it holds is known to its plugin alone. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include <glib.h>

#include "idl/bus/storage.h"
#include "journal.h"
#include "lock.h"

typedef struct Repository {
        int refs;     /* under the manager's mutex */
        int listed;   /* atomic: `attached`, for those who do not hold the lock */
        char *id;     /* SMAPIv2's sr: a uuid as a rule */
        char *folder; /* of records */
        /* Shared while anything in it is used, exclusive while it is attached, detached or destroyed. */
        Lock lock;
        /* Under the lock, changed with it exclusive: */
        bool attached;
        bool damaged; /* of some volumes' records it is not known what they said */
        char *type;
        BusDict device_config;
        char *handle;     /* what the plugin calls it */
        Journal *journal; /* of volumes in use; NULL when not attached */
        /* Under the mutex, which is held for moments and taken last: */
        pthread_mutex_t mutex;
        GHashTable *volumes; /* key -> Volume */
} Repository;

/* What one attach3 made. */
typedef struct Datapath {
        char *name; /* the caller's dp */
        char *vm;   /* SMAPIv3's domain */
        bool read_write, activated;
        StorageBackend backend;
} Datapath;

typedef struct Volume {
        Repository *repository;
        char *key;
        int users; /* under the repository's mutex */
        Lock lock; /* exclusive for whoever does something with the volume */
        /* Under the lock: */
        bool known; /* uris are the volume's, until it is copied */
        BusStrings uris;
        bool sharable;        /* as of when uris were learnt */
        bool read_only;       /* likewise: snapshots are */
        char *uri;            /* by which it is open, or attached; NULL: neither */
        bool opened;          /* Datapath.open was called, Datapath.close was not */
        bool in_epoch;        /* between epoch_begin and epoch_end */
        GPtrArray *datapaths; /* Datapath; they are changed with the repository's mutex held as well */
} Volume;

/* `folder` is where all repositories have theirs. */
Repository *repository_new(const char *folder, const char *id);
void repository_free(Repository *repository);

/* Makes the record of the repository itself, and its journal. Where there was a record that could not be read, the journal
 * is taken over, with the volumes that are in use. 0 or negative errno. */
int repository_save(Repository *repository);
/* Forgets that it is attached, and all of its volumes, but leaves the records as they are. */
void repository_forget(Repository *repository);
/* Forgets the records, too. */
void repository_reset(Repository *repository);
/* Reads what the records under folder/name say. NULL (and a log line) when there is none that holds (then what is left is
 * removed), or it is damaged (then everything stays as it is). */
Repository *repository_load(const char *folder, const char *name, bool *ret_damaged);

/* Finds or makes the volume; given back by volume_release, which forgets it if there is nothing to be known of it. */
Volume *repository_volume(Repository *repository, const char *key);
void volume_release(Volume *volume);
/* What a plugin just said of it, to be believed from now on. The volume's lock is held. */
void volume_learn(Volume *volume, const BusStrings *uris, bool sharable, bool read_only);
void volume_unlearn(Volume *volume);
/* Writes into the journal how it is used, or that it no longer is. 0 or negative errno. */
int volume_save(Volume *volume);
Datapath *volume_datapath(Volume *volume, const char *name);  /* borrowed; NULL: none of that name */
void volume_add_datapath(Volume *volume, Datapath *datapath); /* takes */
void volume_remove_datapath(Volume *volume, Datapath *datapath);
void volume_set_activated(Volume *volume, Datapath *datapath, bool activated, bool read_write);
Datapath *datapath_new(const char *name, const char *vm, bool read_write);
void datapath_free(Datapath *datapath);
/* What all of its datapaths together make of it. */
StorageVdiState volume_state(const Volume *volume);
StorageVdiState datapath_state(const Datapath *datapath);
