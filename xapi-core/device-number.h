/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a VBD's userdevice says: "3", "xvdd", "hdd", "sda1". */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum DeviceBus { DEVICE_BUS_XEN, DEVICE_BUS_SCSI, DEVICE_BUS_IDE } DeviceBus;

typedef struct DeviceNumber {
        DeviceBus bus;
        int64_t disk;
        int64_t partition; /* 0: the whole disk */
} DeviceNumber;

#define DEVICE_NUMBERS                255 /* 0 to 254: what a VM's disks are offered */
#define DEVICE_NUMBERS_CONTROL_DOMAIN 256

/* False: not the name of a device. A plain number is a disk on Xen's bus. */
bool device_number_parse(const char *userdevice, DeviceNumber *ret);

#define DEVICE_NAME_SIZE 16
/* How Linux calls the disk: "xvda", "xvdab", "hdd", "sda1"; "" for a number below 0. */
void device_number_name(const DeviceNumber *n, char ret_name[DEVICE_NAME_SIZE]);
