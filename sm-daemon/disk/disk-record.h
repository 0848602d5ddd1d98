/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a disk server is to serve: a record in the disk's own folder, written by sm-daemon and read by sm-disk, which
 * systemd starts, in part with all privileges, whether or not sm-daemon lives. The folder is of this boot. The server,
 * which parses what guests write, may write into a folder in it alone: there are its sockets and its process id, and
 * whatever else it pleases, so nothing there is believed or followed. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "layer.h"

/* What the server calls the disk: for a guest, who is told that a write is done when it has reached the image; for those
 * who may only read; and for those who fill it and flush in the end, which is several times as fast: what they have
 * written is lost with the server, and with it their connection. */
#define DISK_EXPORT           "disk"
#define DISK_EXPORT_READ_ONLY "disk-read-only"
#define DISK_EXPORT_FILL      "disk-fill"
#define DISK_SERVER_FOLDER    "server"
#define DISK_SOCKET           "nbd" /* the server's files */
#define DISK_CONTROL          "qmp"
#define DISK_PID              "pid"
#define DISK_NO_DEVICE        (-1)

typedef struct DiskRecord {
        char *folder;
        char *sr, *vdi;
        char *path; /* of the disk's image */
        LayerFormat format;
        bool active;   /* a server is to run; else it is attached, no more */
        bool writable; /* for whoever uses it; an image below another is never written to */
        bool held;     /* a server that has died is not started again before this goes */
        int device;    /* N of /dev/nbdN, which is this disk's until it is detached; or DISK_NO_DEVICE */
} DiskRecord;

/* Where the disks' folders are, `id` is the name of a disk's. Returns owned. */
char *disk_record_id(const char *sr, const char *vdi);
/* Reads the record in `folder`. 0, -ENOENT, or -EBADMSG: it is damaged. */
int disk_record_load(const char *folder, DiskRecord *ret);
/* Makes the folder if need be. 0 or negative errno. */
int disk_record_save(const DiskRecord *record);
/* Removes the folder with all that is in it. Of a disk whose server has ended. */
void disk_record_remove(const char *folder);
void disk_record_clear(DiskRecord *record);
/* The folder that is the server's own, and a file in it. Returned owned (g_free). */
char *disk_server_folder(const DiskRecord *record);
char *disk_server_file(const DiskRecord *record, const char *name);
