/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hears of servers that die, and of devices that lose their connection. */
#pragma once

typedef struct Watch Watch;

typedef struct WatchFunctions {
        /* A watched process has ended; it is watched no longer. */
        void (*died)(const char *id, void *data);
        /* The kernel has given up a device's connection: its server is dead, or stands still. */
        void (*lost)(int device, void *data);
        void *data;
} WatchFunctions;

/* The functions are called on a thread of the watch's, and may not wait. */
Watch *watch_new(const WatchFunctions *functions);
void watch_free(Watch *watch); /* no function is called any more. NULL is legal */
/* Watches a disk's server instead of any that was watched before; takes the process descriptor. Any thread. */
void watch_server(Watch *watch, const char *id, int pidfd);
void watch_forget(Watch *watch, const char *id);
