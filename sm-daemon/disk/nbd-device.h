/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's network block devices, as netlink (linux/nbd-netlink.h) and sysfs have them. Needs CAP_SYS_ADMIN, and the
 * host's own network namespace. A device is known as ours, and as which disk's, by the backend's name that the kernel
 * keeps with it; any other is never touched. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NBD_DEVICE_FIRST     256          /* below are the numbers that other programs take by themselves */
#define NBD_DEVICE_LAST      32767        /* the kernel's limit where it has room for partitions */
#define NBD_BACKEND_PREFIX   "xapi-disk:" /* of our backends' names (nbd_backend_name) */
#define NBD_BACKEND_MAX      256u         /* bytes that are compared and sent */
#define NBD_TIMEOUT_SEC      30u   /* for one request to be answered; the connection is given up then */
#define NBD_DEAD_TIMEOUT_SEC 3600u /* for a new connection to come; what waits for the disk fails then */

/* Whether this kernel has them, loaded. */
bool nbd_device_supported(void);
/* The name of the backend that the kernel connected the device with; "" when with none. NULL: it is not connected, or does
 * not exist. Returned owned (g_free). */
char *nbd_device_backend(int device);
/* The device is somebody's. */
bool nbd_device_taken(int device);

typedef struct NbdConnection {
        int socket; /* after the handshake; borrowed */
        int64_t bytes;
        uint64_t flags; /* transmission flags (NBD_FLAG_...) */
        const char *backend;
} NbdConnection;

/* All: 0 or negative errno. -EBUSY: connected already. */
int nbd_device_connect(int device, const NbdConnection *connection);
/* Gives the device another connection in place of one that is dead (and nothing, successfully, if none is dead yet), and
 * its size. */
int nbd_device_reconnect(int device, const NbdConnection *connection);
/* What is asked of it from now on, and not answered in a second, is asked again as soon as there is another connection, and
 * not after NBD_TIMEOUT_SEC only; until nbd_device_reconnect. */
int nbd_device_hurry(int device, const char *backend);
/* Returns when it is disconnected, but no later than in NBD_GONE_USEC, which it needs if somebody has it open. 0 also
 * when it is not connected, or is another's. */
int nbd_device_disconnect(int device, const char *backend);
#define NBD_GONE_USEC (5u * 1000000u)
/* Calls `each` for every connected device whose backend's name is ours. */
void nbd_device_each(void (*each)(int device, const char *backend, void *data), void *data);

/* What the kernel tells of devices whose connection it has given up. One thread. */
typedef struct NbdEvents NbdEvents;
NbdEvents *nbd_events_new(void);         /* NULL: it does not tell */
void nbd_events_free(NbdEvents *events); /* NULL is legal */
int nbd_events_fd(NbdEvents *events);
/* Calls `lost` for each that has been told of. */
void nbd_events_read(NbdEvents *events, void (*lost)(int device, void *data), void *data);
