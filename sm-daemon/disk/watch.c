/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <glib.h>

#include "message-switch/lib/daemon.h"
#include "nbd-device.h"

struct Watch {
        WatchFunctions functions;
        pthread_t thread;
        int wake;              /* eventfd: something below has changed */
        pthread_mutex_t mutex; /* of what follows */
        GHashTable *servers;   /* id -> process descriptor */
        bool ends;
};

static void close_descriptor(gpointer data)
{
        close(GPOINTER_TO_INT(data));
}

static void wake(Watch *watch)
{
        uint64_t one = 1;
        ssize_t n = write(watch->wake, &one, sizeof(one));

        g_assert(n == sizeof(one));
}

void watch_server(Watch *watch, const char *id, int pidfd)
{
        pthread_mutex_lock(&watch->mutex);
        g_hash_table_replace(watch->servers, g_strdup(id), GINT_TO_POINTER(pidfd));
        pthread_mutex_unlock(&watch->mutex);
        wake(watch);
}

void watch_forget(Watch *watch, const char *id)
{
        pthread_mutex_lock(&watch->mutex);
        g_hash_table_remove(watch->servers, id);
        pthread_mutex_unlock(&watch->mutex);
        wake(watch);
}

/* Duplicates, because another thread may close the table's own at any time. */
static void add_servers(Watch *watch, GArray *fds, GPtrArray *ids)
{
        GHashTableIter servers;
        gpointer id, value;

        g_hash_table_iter_init(&servers, watch->servers);
        while (g_hash_table_iter_next(&servers, &id, &value)) {
                struct pollfd fd = { .fd = dup(GPOINTER_TO_INT(value)), .events = POLLIN };

                if (fd.fd < 0)
                        continue;
                g_array_append_val(fds, fd);
                g_ptr_array_add(ids, g_strdup(id));
        }
}

/* Takes out those that have ended and are still the ones that were polled. */
static void tell_dead(Watch *watch, GArray *fds, guint first, GPtrArray *ids)
{
        for (guint i = 0; i < ids->len; i++) {
                struct pollfd *fd = &g_array_index(fds, struct pollfd, first + i), now;
                const char *id = g_ptr_array_index(ids, i);
                bool known;
                gpointer value;

                close(fd->fd);
                if (fd->revents == 0)
                        continue;
                pthread_mutex_lock(&watch->mutex);
                known = g_hash_table_lookup_extended(watch->servers, id, NULL, &value);
                now = (struct pollfd){ .fd = known ? GPOINTER_TO_INT(value) : -1, .events = POLLIN };
                known = known && poll(&now, 1, 0) > 0;
                if (known)
                        g_hash_table_remove(watch->servers, id);
                pthread_mutex_unlock(&watch->mutex);
                if (known)
                        watch->functions.died(id, watch->functions.data);
        }
}

static void on_lost(int device, void *data)
{
        Watch *watch = data;

        watch->functions.lost(device, watch->functions.data);
}

/* One wait. False: it is time to end. */
static bool wait_once(Watch *watch, NbdEvents *events)
{
        g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
        g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
        struct pollfd own = { .fd = watch->wake, .events = POLLIN },
                      device = { .fd = events != NULL ? nbd_events_fd(events) : -1, .events = POLLIN };
        uint64_t count;
        bool ends;

        g_array_append_val(fds, own);
        g_array_append_val(fds, device);
        pthread_mutex_lock(&watch->mutex);
        ends = watch->ends;
        add_servers(watch, fds, ids);
        pthread_mutex_unlock(&watch->mutex);
        if (!ends)
                poll((struct pollfd *)(void *)fds->data, fds->len, -1);
        if (g_array_index(fds, struct pollfd, 0).revents != 0 && read(watch->wake, &count, sizeof(count)) < 0)
                log_debug("Nothing to read from an event", NULL);
        if (g_array_index(fds, struct pollfd, 1).revents != 0)
                nbd_events_read(events, on_lost, watch);
        tell_dead(watch, fds, 2, ids);
        return !ends;
}

static void *run(void *data)
{
        Watch *watch = data;
        NbdEvents *events = nbd_device_supported() ? nbd_events_new() : NULL;

        while (wait_once(watch, events))
                ;
        nbd_events_free(events);
        return NULL;
}

Watch *watch_new(const WatchFunctions *functions)
{
        Watch *watch = g_new0(Watch, 1);

        watch->functions = *functions;
        watch->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        g_assert(watch->wake >= 0);
        pthread_mutex_init(&watch->mutex, NULL);
        watch->servers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_descriptor);
        if (pthread_create(&watch->thread, NULL, run, watch) != 0)
                g_error("No thread for watching disks' servers");
        return watch;
}

void watch_free(Watch *watch)
{
        if (watch == NULL)
                return;
        pthread_mutex_lock(&watch->mutex);
        watch->ends = true;
        pthread_mutex_unlock(&watch->mutex);
        wake(watch);
        pthread_join(watch->thread, NULL);
        g_hash_table_unref(watch->servers);
        pthread_mutex_destroy(&watch->mutex);
        close(watch->wake);
        g_free(watch);
}
