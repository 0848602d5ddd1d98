/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls to the datapath plugin of a volume that is in use. Where the plugin is FILE_AS_IT_IS, none is made: what it
 * would answer is known, and starting a thousand VMs does not run a thousand executables. Nor is there a plugin for URIs
 * that disk servers serve (disk/disk.h): those are ours. */
#pragma once

#include "manager.h"

typedef struct Route {
        Use *use;
        Plugin *plugin; /* NULL: served */
        PluginCaller caller;
        const Operation *operation;
        const char *uri; /* the volume's, borrowed */
        bool direct;     /* no calls */
        bool served;     /* by a disk server, which all of the volume's datapaths share */
} Route;

/* By volume->uri if there is one; else chooses the volume's best URI that a plugin is installed for, and sets it. */
bool route_begin(Route *route, Use *use, StorageError **error);
void route_end(Route *route);
bool route_open(Route *route, bool persistent, StorageError **error);
bool route_attach(Route *route, const char *vm, StorageBackend *ret, StorageError **error);
bool route_activate(Route *route, const Datapath *datapath, bool read_only, StorageError **error);
/* These two while the datapath still counts as what it was. */
bool route_deactivate(Route *route, const Datapath *datapath, StorageError **error);
bool route_detach(Route *route, const Datapath *datapath, StorageError **error);
bool route_close(Route *route, StorageError **error);

/* A volume's images are about to be opened, by whoever it is: merges that touch them are ended, and none begins until
 * route_images_end. *ret is owned by that. */
bool route_images_begin(Use *use, GPtrArray **ret, StorageError **error);
void route_images_end(Use *use, GPtrArray *images);

/* Whether the volume has a disk server at work. */
bool route_serves(const Volume *volume);
/* Whether any datapath writes to it. */
bool route_writes(const Volume *volume);
/* Has that follow the volume's image (disk_follow); nothing if there is none. */
bool route_follow(Use *use, StorageError **error);
