/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* This host's repositories kept attached, and the objects of storage drivers, by way of sm-daemon. */
#pragma once

#include "call.h"

typedef struct Storage Storage;

/* Starts a thread that waits for sm-daemon, makes an SM object of each driver it has, plugs the host's PBDs that should
 * be plugged (making the local repository when it is new), and does so again when sm-daemon was restarted. */
Storage *storage_new(Manager *manager);
void storage_stop(Storage *storage);
void storage_free(Storage *storage);
