/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch.h"

#include <string.h>

#include "bridge.h"
#include "message-switch/lib/daemon.h"

struct Watch {
        Manager *manager;
        Workers *workers;
        pthread_mutex_t lock; /* of what follows; innermost */
        GHashTable *names;    /* of what came and has not been looked at */
        bool looking;         /* somebody will */
};

static bool is_port_of_any(const Record *record, const char *name)
{
        GHashTableIter i;
        gpointer config;

        g_hash_table_iter_init(&i, record->bridges);
        while (g_hash_table_iter_next(&i, NULL, &config))
                if (bridge_has_port(config, name))
                        return true;
        return false;
}

static bool is_recorded(const Record *record, const char *name)
{
        return name[0] == '\0' || record_bridge(record, name) != NULL ||
               record_interface(record, name) != NULL || is_port_of_any(record, name);
}

/* Whether any of them is recorded; all are forgotten. */
static bool take(Watch *watch)
{
        GHashTableIter i;
        gpointer name;
        bool any = false;

        pthread_mutex_lock(&watch->lock);
        watch->looking = false;
        g_hash_table_iter_init(&i, watch->names);
        while (!any && g_hash_table_iter_next(&i, &name, NULL))
                any = is_recorded(watch->manager->record, name);
        g_hash_table_remove_all(watch->names);
        pthread_mutex_unlock(&watch->lock);
        return any;
}

static void look(void *data)
{
        Watch *watch = data;

        pthread_mutex_lock(&watch->manager->lock);
        if (take(watch)) {
                log_info("Interfaces have come", NULL);
                manager_apply(watch->manager);
        }
        pthread_mutex_unlock(&watch->manager->lock);
}

/* The loop does not wait for the record, which is locked while something is changed. */
static void on_appeared(const char *name, void *data)
{
        Watch *watch = data;

        pthread_mutex_lock(&watch->lock);
        g_hash_table_add(watch->names, g_strdup(name));
        if (!watch->looking)
                watch->looking = workers_run(watch->workers, true, look, watch);
        pthread_mutex_unlock(&watch->lock);
}

Watch *watch_new(Manager *manager, Loop *loop, Workers *workers)
{
        Watch *watch;
        int r;

        if (manager->backend->class->watch == NULL)
                return NULL;
        watch = g_new0(Watch, 1);
        watch->manager = manager;
        watch->workers = workers;
        watch->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        pthread_mutex_init(&watch->lock, NULL);
        r = manager->backend->class->watch(manager->backend, loop_uv(loop), on_appeared, watch);
        if (r == 0)
                return watch;
        log_warning("Interfaces that come will not be seen", "ERROR", g_strerror(-r), NULL);
        watch_free(watch);
        return NULL;
}

void watch_stop(Watch *watch)
{
        if (watch != NULL)
                watch->manager->backend->class->unwatch(watch->manager->backend);
}

void watch_free(Watch *watch)
{
        if (watch == NULL)
                return;
        pthread_mutex_destroy(&watch->lock);
        g_hash_table_unref(watch->names);
        g_free(watch);
}
