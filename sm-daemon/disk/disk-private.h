/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of disk.h share. */
#pragma once

#include "devices.h"
#include "disk.h"
#include "watch.h"

#define LIVE_USEC (30u * 1000000u) /* for a server to do what it is told, while its disk is in use */

struct Disks {
        char *folder;
        char *sm_disk; /* the program */
        const Runner *runner;
        Devices *devices;
        Watch *watch; /* NULL: nobody wants to hear; set once, as what it calls */
        void (*amiss)(const char *sr, const char *vdi, void *data);
        void *data;
};

bool disk_fail(StorageError **error, const DiskName *name, const char *what, const char *why);
bool disk_fail_errno(StorageError **error, const DiskName *name, const char *what, int r);
/* Returns owned (g_free). */
char *disk_folder(const Disks *disks, const DiskName *name);
/* The record; where there is none, or it is damaged, one that knows no more than the names. 0 or negative errno. */
int disk_load(const Disks *disks, const DiskName *name, DiskRecord *ret);
bool disk_save(const DiskRecord *record, const DiskName *name, StorageError **error);
/* Calls `each` with every record, which is borrowed; those that are damaged have a folder and no more. */
void disk_each_record(Disks *disks,
                      void (*each)(Disks *disks, const char *id, DiskRecord *record, void *data), void *data);

bool disk_server_runs(const DiskRecord *record);
bool disk_start(Disks *disks, const Operation *operation, DiskRecord *record, const DiskName *name,
                StorageError **error);
/* For a disk in use: whoever uses it waits meanwhile. So it is done even when whoever has us do it waits no longer. */
bool disk_restart(Disks *disks, const Operation *operation, DiskRecord *record, const DiskName *name,
                  StorageError **error);

/* Hears of the server's end from now on; no longer. */
void disk_watch_record(Disks *disks, const DiskRecord *record);
void disk_watch_no_more(Disks *disks, const DiskRecord *record);
