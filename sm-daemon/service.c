/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include "config.h"
#include "message-switch/lib/daemon.h"
#include "service-private.h"

#define UPDATES_REPLY_USEC (1u * 1000000u) /* kept of a call's time for its answer to arrive */

struct Services {
        StorageService functions;
        Manager *manager;
        Waiters *waiters; /* for updates */
        GPtrArray *doors;
};

/* What the queue of all says: the plugins have their own. */
static void query_mux(StorageQueryResult *ret)
{
        StorageQueryResult shallow = {
                .driver = (char *)"mux",
                .name = (char *)"sm-daemon",
                .description = (char *)"Storage repositories through plugins",
                .version = (char *)XAPI_VERSION,
                .required_api_version = (char *)"2.0",
                .smapi_version = STORAGE_SMAPI_VERSION_SMAPIV2,
        };

        storage_query_result_assign(ret, &shallow);
}

static bool on_query(void *data, const ServiceCall *call, StorageQueryQueryArgs *args,
                     StorageQueryResult *ret, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        const Door *door = data;
        Plugin *plugin;

        if (door->type == NULL) {
                query_mux(ret);
                return true;
        }
        plugin = plugins_find(door->manager->plugins, PLUGIN_VOLUME, door->type, &operation, error);
        if (plugin == NULL)
                return false;
        plugin_query_result(plugin, ret);
        plugin_unref(plugin);
        return true;
}

static bool on_diagnostics(void *data, const ServiceCall *call, StorageQueryDiagnosticsArgs *args, char **ret,
                           StorageError **error)
{
        *ret = manager_diagnostics(door_manager(data));
        return true;
}

static bool on_plugin_list(void *data, const ServiceCall *call, StoragePluginListArgs *args,
                           StorageQueryResultList *ret, StorageError **error)
{
        Plugins *plugins = door_manager(data)->plugins;
        g_autoptr(GPtrArray) names = plugins_names(plugins, PLUGIN_VOLUME);
        Operation operation = operation_of(call, args->dbg);

        for (guint i = 0; i < names->len; i++) {
                const char *name = g_ptr_array_index(names, i);
                StorageError *failed = NULL;
                g_autoptr(Plugin) plugin = plugins_find(plugins, PLUGIN_VOLUME, name, &operation, &failed);

                if (plugin != NULL) {
                        plugin_query_result(plugin, BUS_LIST_ADD(ret));
                } else {
                        log_warning("Plugin is of no use", "SM_TYPE", name, NULL);
                        storage_error_free(failed);
                }
        }
        return true;
}

typedef struct Getter {
        Updates *updates;
        BusRequest *request;
} Getter;

static void answer(uint64_t since, void *data)
{
        StorageUpdates updates = { 0 };
        Getter *getter = data;

        updates_take(getter->updates, since, &updates);
        bus_request_respond(getter->request, bus_encode(&storage_type_updates, &updates), NULL, NULL, 0);
        storage_updates_clear(&updates);
        g_free(getter);
}

/* On the loop: it holds no thread. */
static bool on_updates_get(void *data, const ServiceCall *call, StorageUpdatesGetArgs *args,
                           StorageUpdates *ret, StorageError **error)
{
        uint64_t until_usec = call->deadline_usec - UPDATES_REPLY_USEC;
        Updates *updates = door_manager(data)->updates;
        Getter *getter = g_new(Getter, 1);

        if (args->timeout != NULL && *args->timeout >= 0 && *args->timeout < G_MAXINT32)
                until_usec = MIN(until_usec, clock_usec() + (uint64_t)*args->timeout * 1000000);
        *getter = (Getter){ .updates = updates, .request = service_call_defer(call) };
        waiters_wait(((Door *)data)->waiters, updates_since(updates, args->from), until_usec, answer, getter);
        return true;
}

/* One that is over, or never was, has nothing to be cancelled. */
static bool on_task_cancel(void *data, const ServiceCall *call, StorageTaskCancelArgs *args,
                           StorageError **error)
{
        long_calls_cancel(door_manager(data)->long_calls, args->task);
        return true;
}

static void on_changed(uint64_t number, void *data)
{
        waiters_advance(data, number);
}

static void add_door(Services *services, Manager *manager, Bus *bus, Workers *workers, const char *type)
{
        static const char *const on_loop[] = { "UPDATES.get", NULL };
        /* Gives a disk back: never refused for those who want one. */
        static const char *const urgent[] = { "DP.destroy", NULL };
        Door *door = g_new0(Door, 1);

        door->manager = manager;
        door->waiters = services->waiters;
        door->type = g_strdup(type);
        door->queue = type != NULL ? g_strconcat(PLUGIN_QUEUE_PREFIX, type, NULL) : g_strdup(STORAGE_QUEUE);
        door->service = storage_serve(
            &services->functions, door,
            &(BusServiceOptions){
                .bus = bus, .workers = workers, .queue = door->queue, .on_loop = on_loop, .urgent = urgent });
        g_ptr_array_add(services->doors, door);
}

static void door_free(gpointer data)
{
        Door *door = data;

        bus_service_free(door->service);
        g_free(door->type);
        g_free(door->queue);
        g_free(door);
}

Services *services_new(Manager *manager, Loop *loop, Bus *bus, Workers *workers)
{
        g_autoptr(GPtrArray) types = plugins_names(manager->plugins, PLUGIN_VOLUME);
        Services *services = g_new0(Services, 1);

        services->manager = manager;
        services->waiters = waiters_new(loop);
        updates_listen(manager->updates, on_changed, services->waiters);
        services->functions = (StorageService){
                .query_query = on_query,
                .query_diagnostics = on_diagnostics,
                .plugin_list = on_plugin_list,
                .updates_get = on_updates_get,
                .task_cancel = on_task_cancel,
        };
        service_sr_functions(&services->functions);
        service_vdi_functions(&services->functions);
        services->doors = g_ptr_array_new_with_free_func(door_free);
        for (guint i = 0; i < types->len; i++)
                add_door(services, manager, bus, workers, g_ptr_array_index(types, i));
        add_door(services, manager, bus, workers, NULL);
        return services;
}

void services_stop_waiting(Services *services)
{
        updates_listen(services->manager->updates, NULL, NULL);
        g_clear_pointer(&services->waiters, waiters_free);
}

void services_free(Services *services)
{
        if (services == NULL)
                return;
        g_ptr_array_unref(services->doors);
        g_free(services);
}
