/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The numbers of the kernel's network block devices that attached disks have. Any thread. */
#pragma once

typedef struct Devices Devices;

Devices *devices_new(void);
void devices_free(Devices *devices);
/* The number is a disk's from now on, or no longer; DISK_NO_DEVICE is none. */
void devices_note(Devices *devices, int device);
void devices_forget(Devices *devices, int device);
/* Notes and returns a number that no attached disk has, and no other program either. DISK_NO_DEVICE: there is none. */
int devices_choose(Devices *devices);
