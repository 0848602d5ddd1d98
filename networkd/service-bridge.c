/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods that are about bridges. */
#include <string.h>

#include "bridge.h"
#include "service-internal.h"

/* ---- how they are ---- */

bool service_bridge_get_all(void *data, const ServiceCall *call, NetworkBridgeGetAllArgs *args,
                            BusStrings *ret, NetworkError **error)
{
        g_autoptr(Links) links = manager_read(data, error);

        for (guint i = 0; links != NULL && i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);

                if (link_is_bridge(link))
                        bus_strings_add(ret, link->name);
        }
        service_sort(ret);
        return links != NULL;
}

bool service_bridge_get_kind(void *data, const ServiceCall *call, NetworkBridgeGetKindArgs *args,
                             NetworkKind *ret, NetworkError **error)
{
        *ret = NETWORK_KIND_BRIDGE;
        return true;
}

static bool get_interfaces(Manager *manager, const char *name, bool physical, BusStrings *ret,
                           NetworkError **error)
{
        g_autoptr(Links) links = manager_read(manager, error);
        const Link *bridge = links != NULL ? links_find(links, name) : NULL;

        if (links == NULL)
                return false;
        if (bridge == NULL || !link_is_bridge(bridge))
                return network_fail_bridge_does_not_exist(error, name);
        for (guint i = 0; i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);

                if (link->master == bridge->index &&
                    (!physical || manager->backend->class->is_physical(manager->backend, link->name)))
                        bus_strings_add(ret, link->name);
        }
        service_sort(ret);
        return true;
}

bool service_bridge_get_interfaces(void *data, const ServiceCall *call, NetworkBridgeGetInterfacesArgs *args,
                                   BusStrings *ret, NetworkError **error)
{
        return get_interfaces(data, args->name, false, ret, error);
}

bool service_bridge_get_physical_interfaces(void *data, const ServiceCall *call,
                                            NetworkBridgeGetPhysicalInterfacesArgs *args, BusStrings *ret,
                                            NetworkError **error)
{
        return get_interfaces(data, args->name, true, ret, error);
}

/* Of every bridge that is recorded, the ports with more than `more` interfaces. */
static void list_ports(Manager *manager, size_t more, NetworkStringListDict *ret)
{
        GHashTableIter i;
        gpointer value;

        pthread_mutex_lock(&manager->lock);
        g_hash_table_iter_init(&i, manager->record->bridges);
        while (g_hash_table_iter_next(&i, NULL, &value)) {
                const NetworkPortConfigDict *ports = &((const NetworkBridgeConfig *)value)->ports;

                for (size_t k = 0; k < ports->n; k++) {
                        const BusStrings *interfaces = &ports->items[k].value.interfaces;
                        NetworkStringListDictItem *item;

                        if (interfaces->n <= more)
                                continue;
                        item = BUS_LIST_ADD(ret);
                        item->key = bus_strdup(ports->items[k].key);
                        for (size_t n = 0; n < interfaces->n; n++)
                                bus_strings_add(&item->value, interfaces->items[n]);
                }
        }
        pthread_mutex_unlock(&manager->lock);
}

bool service_bridge_get_all_ports(void *data, const ServiceCall *call, NetworkBridgeGetAllPortsArgs *args,
                                  NetworkStringListDict *ret, NetworkError **error)
{
        list_ports(data, 0, ret);
        return true;
}

bool service_bridge_get_all_bonds(void *data, const ServiceCall *call, NetworkBridgeGetAllBondsArgs *args,
                                  NetworkStringListDict *ret, NetworkError **error)
{
        list_ports(data, 1, ret);
        return true;
}

/* ---- changing them ---- */

bool service_bridge_create(void *data, const ServiceCall *call, NetworkBridgeCreateArgs *args,
                           NetworkError **error)
{
        NetworkBridgeConfig config = { .vlan = args->vlan,
                                       .bridge_mac = args->mac,
                                       .igmp_snooping = args->igmp_snooping };
        Manager *manager = data;
        bool ok;

        if (args->other_config != NULL)
                config.other_config = *args->other_config;
        pthread_mutex_lock(&manager->lock);
        ok = bridge_create(manager, args->name, &config, error);
        pthread_mutex_unlock(&manager->lock);
        return ok;
}

bool service_bridge_destroy(void *data, const ServiceCall *call, NetworkBridgeDestroyArgs *args,
                            NetworkError **error)
{
        Manager *manager = data;
        bool ok;

        pthread_mutex_lock(&manager->lock);
        ok = bridge_destroy(manager, args->name, args->force, error);
        pthread_mutex_unlock(&manager->lock);
        return ok;
}

bool service_bridge_set_persistent(void *data, const ServiceCall *call, NetworkBridgeSetPersistentArgs *args,
                                   NetworkError **error)
{
        Manager *manager = data;
        const NetworkBridgeConfig *known;
        bool ok = true;

        pthread_mutex_lock(&manager->lock);
        known = record_bridge(manager->record, args->name);
        if (known != NULL && known->persistent_b != args->value) {
                NetworkBridgeConfig *config = network_bridge_config_dup(known);

                config->persistent_b = args->value;
                ok = manager_recorded(record_set_bridge(manager->record, args->name, config), error);
                network_bridge_config_free(config);
        }
        pthread_mutex_unlock(&manager->lock);
        return ok;
}

bool service_bridge_add_port(void *data, const ServiceCall *call, NetworkBridgeAddPortArgs *args,
                             NetworkError **error)
{
        NetworkPortConfig port = { .interfaces = args->interfaces, .bond_mac = args->bond_mac };
        Manager *manager = data;
        bool ok;

        if (args->bond_properties != NULL)
                port.bond_properties = *args->bond_properties;
        if (args->kind != NULL)
                port.kind = *args->kind;
        pthread_mutex_lock(&manager->lock);
        ok = bridge_add_port(manager, args->bridge, args->name, &port, error);
        pthread_mutex_unlock(&manager->lock);
        return ok;
}

bool service_bridge_remove_port(void *data, const ServiceCall *call, NetworkBridgeRemovePortArgs *args,
                                NetworkError **error)
{
        Manager *manager = data;
        bool ok;

        pthread_mutex_lock(&manager->lock);
        ok = bridge_remove_port(manager, args->bridge, args->name, error);
        pthread_mutex_unlock(&manager->lock);
        return ok;
}

static bool carries_one_kept(const NetworkBridgeConfigDict *config, const char *name)
{
        for (size_t i = 0; i < config->n; i++) {
                const NetworkBridgeConfig *bridge = &config->items[i].value;

                if (bridge->persistent_b && bridge->vlan != NULL && strcmp(bridge->vlan->bridge, name) == 0)
                        return true;
        }
        return false;
}

bool service_bridge_make_config(void *data, const ServiceCall *call, NetworkBridgeMakeConfigArgs *args,
                                NetworkError **error)
{
        g_autofree const char **names = g_new0(const char *, args->config.n);
        g_autofree const NetworkBridgeConfig **configs = g_new0(const NetworkBridgeConfig *, args->config.n);
        Manager *manager = data;
        size_t n = 0;
        bool ok;

        for (size_t i = 0; i < args->config.n; i++) {
                const NetworkBridgeConfigDictItem *item = &args->config.items[i];

                if (args->conservative && !item->value.persistent_b &&
                    !carries_one_kept(&args->config, item->key))
                        continue;
                names[n] = item->key;
                configs[n++] = &item->value;
        }
        pthread_mutex_lock(&manager->lock);
        ok = bridges_configure(manager, n, names, configs, error);
        pthread_mutex_unlock(&manager->lock);
        return ok;
}
