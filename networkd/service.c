/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <stdlib.h>
#include <string.h>

#include "interface.h"
#include "role.h"
#include "service-internal.h"
#include "sysfs.h"

/* ---- the state ---- */

static bool clear_state(void *data, const ServiceCall *call, NetworkClearStateArgs *args,
                        NetworkError **error)
{
        Manager *manager = data;

        pthread_mutex_lock(&manager->lock);
        record_clear(manager->record);
        manager->record->held = true;
        pthread_mutex_unlock(&manager->lock);
        return true;
}

static bool reset_state(void *data, const ServiceCall *call, NetworkResetStateArgs *args,
                        NetworkError **error)
{
        Manager *manager = data;
        bool ok;

        pthread_mutex_lock(&manager->lock);
        record_clear(manager->record);
        ok = manager_recorded(record_write(manager->record), error);
        pthread_mutex_unlock(&manager->lock);
        return ok;
}

static bool sync_state(void *data, const ServiceCall *call, NetworkSyncStateArgs *args, NetworkError **error)
{
        Manager *manager = data;
        bool ok;

        pthread_mutex_lock(&manager->lock);
        manager->record->held = false;
        ok = manager_recorded(record_write(manager->record), error);
        pthread_mutex_unlock(&manager->lock);
        return ok;
}

static bool set_role(Manager *manager, bool (*set)(Manager *manager, const char *name, NetworkError **error),
                     const char *name, NetworkError **error)
{
        bool ok;

        if (!link_name_is_valid(name))
                return network_fail_interface_does_not_exist(error, name);
        pthread_mutex_lock(&manager->lock);
        ok = set(manager, name, error);
        pthread_mutex_unlock(&manager->lock);
        return ok;
}

static bool set_gateway_interface(void *data, const ServiceCall *call, NetworkSetGatewayInterfaceArgs *args,
                                  NetworkError **error)
{
        return set_role(data, role_set_gateway, args->name, error);
}

static bool set_dns_interface(void *data, const ServiceCall *call, NetworkSetDnsInterfaceArgs *args,
                              NetworkError **error)
{
        return set_role(data, role_set_dns, args->name, error);
}

/* ---- how interfaces are ---- */

const Link *service_link(Manager *manager, const char *name, Links **ret_links, NetworkError **error)
{
        const Link *link;

        *ret_links = manager_read(manager, error);
        if (*ret_links == NULL)
                return NULL;
        link = links_find(*ret_links, name);
        if (link == NULL)
                network_fail_interface_does_not_exist(error, name);
        return link;
}

static int compare_texts(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void service_sort(BusStrings *names)
{
        if (names->n > 0)
                qsort(names->items, names->n, sizeof(*names->items), compare_texts);
}

static bool interface_get_all(void *data, const ServiceCall *call, NetworkInterfaceGetAllArgs *args,
                              BusStrings *ret, NetworkError **error)
{
        g_autoptr(Links) links = manager_read(data, error);

        for (guint i = 0; links != NULL && i < links->links->len; i++)
                bus_strings_add(ret, ((const Link *)g_ptr_array_index(links->links, i))->name);
        service_sort(ret);
        return links != NULL;
}

/* In the order in which the kernel found them. */
static bool interface_get_positions(void *data, const ServiceCall *call,
                                    NetworkInterfaceGetInterfacePositionsArgs *args, NetworkIntDict *ret,
                                    NetworkError **error)
{
        Manager *manager = data;
        g_autoptr(Links) links = manager_read(manager, error);

        for (guint i = 0; links != NULL && i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);
                NetworkIntDictItem *item;

                if (!manager->backend->class->is_physical(manager->backend, link->name))
                        continue;
                item = BUS_LIST_ADD(ret);
                item->key = bus_strdup(link->name);
                item->value = (int64_t)ret->n - 1;
        }
        return links != NULL;
}

static bool interface_exists(void *data, const ServiceCall *call, NetworkInterfaceExistsArgs *args, bool *ret,
                             NetworkError **error)
{
        Manager *manager = data;

        *ret = manager->backend->class->exists(manager->backend, args->name);
        return true;
}

static bool interface_get_pci_bus_path(void *data, const ServiceCall *call,
                                       NetworkInterfaceGetPciBusPathArgs *args, char **ret,
                                       NetworkError **error)
{
        Manager *manager = data;
        g_autoptr(Links) links = NULL;

        if (service_link(manager, args->name, &links, error) == NULL)
                return false;
        *ret = manager->backend->class->pci_path(manager->backend, args->name);
        return true;
}

static bool interface_get_mac(void *data, const ServiceCall *call, NetworkInterfaceGetMacArgs *args,
                              char **ret, NetworkError **error)
{
        g_autoptr(Links) links = NULL;
        const Link *link = service_link(data, args->name, &links, error);

        if (link != NULL)
                *ret = bus_strdup(link->mac);
        return link != NULL;
}

static bool interface_get_mtu(void *data, const ServiceCall *call, NetworkInterfaceGetMtuArgs *args,
                              int64_t *ret, NetworkError **error)
{
        g_autoptr(Links) links = NULL;
        const Link *link = service_link(data, args->name, &links, error);

        if (link != NULL)
                *ret = link->mtu;
        return link != NULL;
}

static bool interface_is_up(void *data, const ServiceCall *call, NetworkInterfaceIsUpArgs *args, bool *ret,
                            NetworkError **error)
{
        g_autoptr(Links) links = NULL;
        const Link *link = service_link(data, args->name, &links, error);

        if (link != NULL)
                *ret = link->up;
        return link != NULL;
}

static bool interface_is_connected(void *data, const ServiceCall *call, NetworkInterfaceIsConnectedArgs *args,
                                   bool *ret, NetworkError **error)
{
        g_autoptr(Links) links = NULL;
        const Link *link = service_link(data, args->name, &links, error);

        if (link != NULL)
                *ret = link->carrier;
        return link != NULL;
}

static bool interface_is_physical(void *data, const ServiceCall *call, NetworkInterfaceIsPhysicalArgs *args,
                                  bool *ret, NetworkError **error)
{
        Manager *manager = data;
        g_autoptr(Links) links = NULL;

        if (service_link(manager, args->name, &links, error) == NULL)
                return false;
        *ret = manager->backend->class->is_physical(manager->backend, args->name);
        return true;
}

static bool interface_get_capabilities(void *data, const ServiceCall *call,
                                       NetworkInterfaceGetCapabilitiesArgs *args, BusStrings *ret,
                                       NetworkError **error)
{
        g_autoptr(Links) links = NULL;

        return service_link(data, args->name, &links, error) != NULL;
}

static bool interface_has_vlan(void *data, const ServiceCall *call, NetworkInterfaceHasVlanArgs *args,
                               bool *ret, NetworkError **error)
{
        g_autoptr(Links) links = NULL;
        const Link *carrier = service_link(data, args->name, &links, error), *link;

        if (carrier == NULL)
                return false;
        link = vlan_find(links, carrier, args->vlan);
        *ret = link != NULL && !link->ours;
        return true;
}

/* ---- their addresses ---- */

static bool get_addresses(Manager *manager, const char *name, int family, NetworkAddressList *ret,
                          NetworkError **error)
{
        g_autoptr(Links) links = NULL;
        const Link *link = service_link(manager, name, &links, error);

        for (guint i = 0; link != NULL && i < link->addresses->len; i++) {
                const Address *address = &g_array_index(link->addresses, Address, i);
                NetworkAddress *item;

                if (address->family != family)
                        continue;
                item = BUS_LIST_ADD(ret);
                item->address = bus_strdup(address->text);
                item->prefix_length = address->prefix_len;
        }
        return link != NULL;
}

static bool get_gateway(Manager *manager, const char *name, int family, char **ret, NetworkError **error)
{
        g_autoptr(Links) links = NULL;
        const Link *link = service_link(manager, name, &links, error);
        const Route *route = link != NULL ? links_gateway(links, link, family) : NULL;

        *ret = route != NULL ? bus_strdup(route->gateway) : NULL;
        return link != NULL;
}

static bool interface_get_ipv4_addr(void *data, const ServiceCall *call,
                                    NetworkInterfaceGetIpv4AddrArgs *args, NetworkAddressList *ret,
                                    NetworkError **error)
{
        return get_addresses(data, args->name, AF_INET, ret, error);
}

static bool interface_get_ipv6_addr(void *data, const ServiceCall *call,
                                    NetworkInterfaceGetIpv6AddrArgs *args, NetworkAddressList *ret,
                                    NetworkError **error)
{
        return get_addresses(data, args->name, AF_INET6, ret, error);
}

static bool interface_get_ipv4_gateway(void *data, const ServiceCall *call,
                                       NetworkInterfaceGetIpv4GatewayArgs *args, char **ret,
                                       NetworkError **error)
{
        return get_gateway(data, args->name, AF_INET, ret, error);
}

static bool interface_get_ipv6_gateway(void *data, const ServiceCall *call,
                                       NetworkInterfaceGetIpv6GatewayArgs *args, char **ret,
                                       NetworkError **error)
{
        return get_gateway(data, args->name, AF_INET6, ret, error);
}

static bool interface_set_ipv4_conf(void *data, const ServiceCall *call,
                                    NetworkInterfaceSetIpv4ConfArgs *args, NetworkError **error)
{
        Manager *manager = data;
        NetworkInterfaceConfig config;
        bool ok;

        pthread_mutex_lock(&manager->lock);
        interface_config(manager, args->name, &config);
        network_ipv4_clear(&config.ipv4_conf);
        network_ipv4_assign(&config.ipv4_conf, &args->conf);
        ok = interface_configure(manager, args->name, &config, error);
        pthread_mutex_unlock(&manager->lock);
        network_interface_config_clear(&config);
        return ok;
}

/* ---- changing them ---- */

static bool interface_bring_down_now(void *data, const ServiceCall *call, NetworkInterfaceBringDownArgs *args,
                                     NetworkError **error)
{
        Manager *manager = data;
        bool ok;

        pthread_mutex_lock(&manager->lock);
        ok = interface_bring_down(manager, args->name, error);
        pthread_mutex_unlock(&manager->lock);
        return ok;
}

static bool interface_set_persistent(void *data, const ServiceCall *call,
                                     NetworkInterfaceSetPersistentArgs *args, NetworkError **error)
{
        Manager *manager = data;
        bool ok = true;

        pthread_mutex_lock(&manager->lock);
        if (record_interface(manager->record, args->name) != NULL) {
                NetworkInterfaceConfig config;

                interface_config(manager, args->name, &config);
                config.persistent_i = args->value;
                ok = interface_record(manager, args->name, &config, error);
                network_interface_config_clear(&config);
        }
        pthread_mutex_unlock(&manager->lock);
        return ok;
}

static bool interface_make_config(void *data, const ServiceCall *call, NetworkInterfaceMakeConfigArgs *args,
                                  NetworkError **error)
{
        g_autofree const char **names = g_new0(const char *, args->config.n);
        g_autofree const NetworkInterfaceConfig **configs =
            g_new0(const NetworkInterfaceConfig *, args->config.n);
        Manager *manager = data;
        size_t n = 0;
        bool ok;

        for (size_t i = 0; i < args->config.n; i++) {
                if (args->conservative && !args->config.items[i].value.persistent_i)
                        continue;
                names[n] = args->config.items[i].key;
                configs[n++] = &args->config.items[i].value;
        }
        pthread_mutex_lock(&manager->lock);
        ok = interfaces_configure(manager, n, names, configs, error);
        pthread_mutex_unlock(&manager->lock);
        return ok;
}

BusService *networkd_serve(Manager *manager, Bus *bus, Workers *workers)
{
        /* Of the others, each is answered as not implemented. */
        static const NetworkService functions = {
                .clear_state = clear_state,
                .reset_state = reset_state,
                .sync_state = sync_state,
                .set_gateway_interface = set_gateway_interface,
                .set_dns_interface = set_dns_interface,
                .interface_get_all = interface_get_all,
                .interface_get_interface_positions = interface_get_positions,
                .interface_exists = interface_exists,
                .interface_get_pci_bus_path = interface_get_pci_bus_path,
                .interface_get_mac = interface_get_mac,
                .interface_get_mtu = interface_get_mtu,
                .interface_is_up = interface_is_up,
                .interface_is_connected = interface_is_connected,
                .interface_is_physical = interface_is_physical,
                .interface_get_capabilities = interface_get_capabilities,
                .interface_has_vlan = interface_has_vlan,
                .interface_get_ipv4_addr = interface_get_ipv4_addr,
                .interface_get_ipv6_addr = interface_get_ipv6_addr,
                .interface_get_ipv4_gateway = interface_get_ipv4_gateway,
                .interface_get_ipv6_gateway = interface_get_ipv6_gateway,
                .interface_set_ipv4_conf = interface_set_ipv4_conf,
                .interface_bring_down = interface_bring_down_now,
                .interface_set_persistent = interface_set_persistent,
                .interface_make_config = interface_make_config,
                .bridge_get_all = service_bridge_get_all,
                .bridge_get_kind = service_bridge_get_kind,
                .bridge_get_all_ports = service_bridge_get_all_ports,
                .bridge_get_all_bonds = service_bridge_get_all_bonds,
                .bridge_get_interfaces = service_bridge_get_interfaces,
                .bridge_get_physical_interfaces = service_bridge_get_physical_interfaces,
                .bridge_create = service_bridge_create,
                .bridge_destroy = service_bridge_destroy,
                .bridge_set_persistent = service_bridge_set_persistent,
                .bridge_add_port = service_bridge_add_port,
                .bridge_remove_port = service_bridge_remove_port,
                .bridge_make_config = service_bridge_make_config,
        };

        return network_serve(&functions, manager, &(BusServiceOptions){ .bus = bus, .workers = workers });
}
