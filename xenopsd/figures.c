/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "figures.h"

#include <stdlib.h>

#include <glib.h>

struct Figures {
        Manager *manager;
        uv_timer_t *timer;
        bool looks;
        GHashTable *known; /* VM -> BackendDomain, as it was last seen; the looking worker's alone */
};

/* A domain that is seen for the first time may have changed since it was last told of. */
static bool is_news(const BackendDomain *before, const BackendDomain *now)
{
        return !before || before->domid != now->domid ||
               llabs(before->memory_kib - now->memory_kib) >= FIGURES_NEWS_KIB || before->vcpus != now->vcpus;
}

static void look(void *data);

static void on_looked(void *data)
{
        ((Figures *)data)->looks = false;
}

static void look(void *data)
{
        Figures *figures = data;
        Manager *manager = figures->manager;
        const BackendOperations *backend = manager->backend->operations;
        g_auto(GStrv) vms = backend->list(manager->backend);
        GHashTable *now = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

        for (char **vm = vms; *vm; vm++) {
                BackendDomain domain, *before = g_hash_table_lookup(figures->known, *vm);
                if (!backend->stat(manager->backend, *vm, &domain))
                        continue;
                if (is_news(before, &domain))
                        manager_vm_changed(manager, *vm);
                else
                        domain = *before; /* so that many small changes become a large one */
                g_hash_table_insert(now, g_strdup(*vm), g_memdup2(&domain, sizeof domain));
        }
        g_hash_table_destroy(figures->known);
        figures->known = now;
        loop_post(manager->loop, on_looked, figures);
}

static void on_time(uv_timer_t *timer)
{
        Figures *figures = timer->data;
        queues_kick(figures->manager->queues);
        if (!figures->looks)
                figures->looks = workers_run(figures->manager->workers, false, look, figures);
}

Figures *figures_new(Manager *manager, uint64_t interval_ms)
{
        Figures *figures = g_new0(Figures, 1);

        figures->manager = manager;
        figures->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        figures->timer = g_new0(uv_timer_t, 1);
        uv_timer_init(loop_uv(manager->loop), figures->timer);
        figures->timer->data = figures;
        uv_timer_start(figures->timer, on_time, interval_ms, interval_ms);
        return figures;
}

static void on_closed(uv_handle_t *handle)
{
        g_free(handle);
}

/* Comes after what was posted. */
static void figures_finish(void *data)
{
        Figures *figures = data;

        g_hash_table_destroy(figures->known);
        g_free(figures);
}

void figures_free(Figures *figures)
{
        if (!figures)
                return;
        uv_close((uv_handle_t *)figures->timer, on_closed);
        loop_post(figures->manager->loop, figures_finish, figures);
}
