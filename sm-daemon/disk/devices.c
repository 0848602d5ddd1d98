/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "devices.h"

#include <pthread.h>

#include <glib.h>

#include "disk-record.h"
#include "nbd-device.h"

struct Devices {
        pthread_mutex_t mutex; /* of what follows */
        GHashTable *numbers;
        int next; /* where looking for another begins: one that has just gone takes a moment to go */
};

Devices *devices_new(void)
{
        Devices *devices = g_new0(Devices, 1);

        pthread_mutex_init(&devices->mutex, NULL);
        devices->numbers = g_hash_table_new(NULL, NULL);
        return devices;
}

void devices_free(Devices *devices)
{
        g_hash_table_unref(devices->numbers);
        pthread_mutex_destroy(&devices->mutex);
        g_free(devices);
}

void devices_note(Devices *devices, int device)
{
        if (device == DISK_NO_DEVICE)
                return;
        pthread_mutex_lock(&devices->mutex);
        g_hash_table_add(devices->numbers, GINT_TO_POINTER(device));
        pthread_mutex_unlock(&devices->mutex);
}

void devices_forget(Devices *devices, int device)
{
        pthread_mutex_lock(&devices->mutex);
        g_hash_table_remove(devices->numbers, GINT_TO_POINTER(device));
        pthread_mutex_unlock(&devices->mutex);
}

int devices_choose(Devices *devices)
{
        const int n = NBD_DEVICE_LAST - NBD_DEVICE_FIRST + 1;
        int device = DISK_NO_DEVICE;

        pthread_mutex_lock(&devices->mutex);
        for (int i = 0; i < n && device == DISK_NO_DEVICE; i++) {
                int tried = NBD_DEVICE_FIRST + (devices->next + i) % n;

                if (!g_hash_table_contains(devices->numbers, GINT_TO_POINTER(tried)) &&
                    !nbd_device_taken(tried))
                        device = tried;
        }
        if (device != DISK_NO_DEVICE) {
                g_hash_table_add(devices->numbers, GINT_TO_POINTER(device));
                devices->next = device - NBD_DEVICE_FIRST + 1;
        }
        pthread_mutex_unlock(&devices->mutex);
        return device;
}
