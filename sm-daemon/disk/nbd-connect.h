/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a disk's device of its server, and takes it away. */
#pragma once

#include "disk-record.h"

/* Connects the record's device, or connects it again after its server, or the server's size of the disk, is another;
 * returns when it answers. Nothing is done for a record without device. 0 or negative errno; *ret_why, static, says what
 * it was that failed. */
int nbd_connect_device(const DiskRecord *record, const char **ret_why);
/* Before the server's connections are cut on purpose: what is under way then is the guest's wait. */
void nbd_hurry_device(const DiskRecord *record);
/* Also when the record does not know the device. */
int nbd_disconnect_device(const DiskRecord *record);
/* The name by which the device is known as this disk's, of this sm-daemon's and not of another's that runs beside it (a test,
 * for instance): SR/VDI@FOLDER, with the folder of all disks' records. Returned owned (g_free). */
char *nbd_backend_name(const DiskRecord *record);
/* The disk and its repository that such a name tells of, owned (g_free). False: it is none; a repository's id has no
 * slash. */
bool nbd_backend_parse(const char *backend, char **ret_sr, char **ret_vdi);
/* The device that is connected as the record's disk, whatever the record says of it; or DISK_NO_DEVICE. */
int nbd_find_device(const DiskRecord *record);
/* Reads a sector past all caches. 0, -ETIMEDOUT (the read goes on, on a thread of its own), or negative errno. */
int nbd_probe_device(int device, uint64_t timeout_usec);
