/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "address.h"

#include <string.h>

#include "role.h"

bool addresses_check(int family, const NetworkAddressList *addresses, NetworkError **error)
{
        Address ignored;

        if (addresses->n > ADDRESS_MAX)
                return network_fail_internal(error, "More than %u addresses", ADDRESS_MAX);
        for (size_t i = 0; i < addresses->n; i++) {
                const NetworkAddress *a = &addresses->items[i];

                if (!address_parse(family, a->address, a->prefix_length, &ignored))
                        return network_fail_internal(error, "No IPv%d address: %s/%" PRId64,
                                                     family == AF_INET ? 4 : 6,
                                                     a->address != NULL ? a->address : "", a->prefix_length);
        }
        return true;
}

static bool gateway_check(int family, const char *text, NetworkError **error)
{
        Address ignored;

        return text == NULL || address_parse(family, text, 0, &ignored) ||
               network_fail_internal(error, "No IPv%d gateway: %s", family == AF_INET ? 4 : 6, text);
}

bool routes_check(const NetworkInterfaceConfig *config, NetworkError **error)
{
        Address ignored;

        if (config->ipv4_routes.n > ADDRESS_MAX)
                return network_fail_internal(error, "More than %u routes", ADDRESS_MAX);
        for (size_t i = 0; i < config->ipv4_routes.n; i++) {
                const NetworkIpv4Route *route = &config->ipv4_routes.items[i];

                if (!address_parse(AF_INET, route->subnet, route->netmask, &ignored))
                        return network_fail_internal(error, "No IPv4 network: %s/%" PRId64,
                                                     route->subnet != NULL ? route->subnet : "",
                                                     route->netmask);
                if (!gateway_check(AF_INET, route->gateway != NULL ? route->gateway : "", error))
                        return false;
        }
        return gateway_check(AF_INET, config->ipv4_gateway, error) &&
               gateway_check(AF_INET6, config->ipv6_gateway, error);
}

/* ---- addresses ---- */

static void add_all(GArray *addresses, int family, const NetworkAddressList *list)
{
        Address address;

        for (size_t i = 0; i < list->n; i++)
                if (address_parse(family, list->items[i].address, list->items[i].prefix_length, &address))
                        g_array_append_val(addresses, address);
}

static GArray *addresses_new(void)
{
        return g_array_new(false, true, sizeof(Address));
}

static GArray *wanted_addresses(const NetworkInterfaceConfig *config)
{
        GArray *wanted = addresses_new();

        if (config->ipv4_conf.tag == NETWORK_IPV4_STATIC4)
                add_all(wanted, AF_INET, &config->ipv4_conf.static4);
        if (config->ipv6_conf.tag == NETWORK_IPV6_STATIC6)
                add_all(wanted, AF_INET6, &config->ipv6_conf.static6);
        return wanted;
}

static GArray *applied_addresses(const RecordInterface *interface)
{
        GArray *applied = addresses_new();

        add_all(applied, AF_INET, &interface->applied);
        add_all(applied, AF_INET6, &interface->applied);
        return applied;
}

static bool contains(const GArray *addresses, const Address *address)
{
        for (guint i = 0; i < addresses->len; i++)
                if (address_equal(&g_array_index(addresses, Address, i), address))
                        return true;
        return false;
}

static bool record_applied(Manager *manager, const char *name, const GArray *addresses, NetworkError **error)
{
        RecordInterface interface;
        int r;

        record_interface_assign(&interface, record_interface(manager->record, name));
        network_address_list_clear(&interface.applied);
        for (guint i = 0; i < addresses->len; i++) {
                const Address *address = &g_array_index(addresses, Address, i);
                NetworkAddress *item = BUS_LIST_ADD(&interface.applied);

                item->address = bus_strdup(address->text);
                item->prefix_length = address->prefix_len;
        }
        r = record_set_interface(manager->record, name, &interface);
        record_interface_clear(&interface);
        return manager_recorded(r, error);
}

static bool each(Manager *manager, ChangeKind kind, const char *name, const GArray *addresses,
                 NetworkError **error)
{
        for (guint i = 0; i < addresses->len; i++)
                if (!manager_change(manager,
                                    &(Change){ .kind = kind,
                                               .name = name,
                                               .address = &g_array_index(addresses, Address, i) },
                                    error))
                        return false;
        return true;
}

/* With an address the kernel may remove others of its network, which are put back. */
static bool put_back(Manager *manager, const char *name, const GArray *before, const GArray *surplus,
                     NetworkError **error)
{
        g_autoptr(GArray) lost = addresses_new();
        g_autoptr(Links) links = manager_read(manager, error);
        const Link *link = links != NULL ? links_find(links, name) : NULL;

        for (guint i = 0; link != NULL && i < before->len; i++) {
                const Address *address = &g_array_index(before, Address, i);

                if (!contains(surplus, address) && !link_has_address(link, address))
                        g_array_append_val(lost, *address);
        }
        return links != NULL && each(manager, CHANGE_ADD_ADDRESS, name, lost, error);
}

static bool remove_each(Manager *manager, const Link *link, const GArray *added, const GArray *surplus,
                        NetworkError **error)
{
        g_autoptr(GArray) before = addresses_new();
        NetworkError *e = NULL, *ignored = NULL;

        if (surplus->len == 0)
                return true;
        g_array_append_vals(before, link->addresses->data, link->addresses->len);
        g_array_append_vals(before, added->data, added->len);
        each(manager, CHANGE_REMOVE_ADDRESS, link->name, surplus, &e);
        if (e == NULL)
                return put_back(manager, link->name, before, surplus, error);
        put_back(manager, link->name, before, surplus, &ignored);
        network_error_free(ignored);
        *error = e;
        return false;
}

bool addresses_apply(Manager *manager, const char *name, NetworkError **error)
{
        const RecordInterface *interface = record_interface(manager->record, name);
        g_autoptr(GArray) wanted = wanted_addresses(&interface->config),
                          applied = applied_addresses(interface), missing = addresses_new(),
                          surplus = addresses_new(), kept = addresses_new();
        g_autoptr(Links) links = manager_read(manager, error);
        const Link *link = links != NULL ? links_find(links, name) : NULL;
        guint n_applied = applied->len;

        if (link == NULL)
                return *error == NULL ? network_fail_interface_does_not_exist(error, name) : false;
        for (guint i = 0; i < wanted->len; i++) {
                const Address *address = &g_array_index(wanted, Address, i);

                if (!link_has_address(link, address))
                        g_array_append_val(missing, *address);
                if (contains(applied, address) || !link_has_address(link, address))
                        g_array_append_val(kept, *address);
                if (!contains(applied, address) && !link_has_address(link, address))
                        g_array_append_val(applied, *address);
        }
        for (guint i = 0; i < n_applied; i++) {
                const Address *address = &g_array_index(applied, Address, i);

                if (!contains(wanted, address) && link_has_address(link, address))
                        g_array_append_val(surplus, *address);
        }
        /* Whatever is put there is recorded before it is, and until it is gone. */
        return (applied->len == n_applied || record_applied(manager, name, applied, error)) &&
               each(manager, CHANGE_ADD_ADDRESS, name, missing, error) &&
               remove_each(manager, link, missing, surplus, error) &&
               (applied->len == kept->len || record_applied(manager, name, kept, error));
}

/* ---- routes ---- */

static void want_route(GArray *routes, int family, const char *to, int64_t prefix_len, const char *gateway)
{
        Route route = { 0 };
        Address via;

        if (!address_parse(family, to, prefix_len, &route.to) || !address_parse(family, gateway, 0, &via))
                return;
        g_strlcpy(route.gateway, via.text, sizeof(route.gateway));
        g_array_append_val(routes, route);
}

static GArray *wanted_routes(const Record *record, const char *name)
{
        const NetworkInterfaceConfig *config = &record_interface(record, name)->config;
        GArray *routes = g_array_new(false, true, sizeof(Route));

        for (size_t i = 0; i < config->ipv4_routes.n; i++)
                want_route(routes, AF_INET, config->ipv4_routes.items[i].subnet,
                           config->ipv4_routes.items[i].netmask, config->ipv4_routes.items[i].gateway);
        if (!role_is_gateway(record, name))
                return routes;
        if (config->ipv4_gateway != NULL && config->ipv4_conf.tag == NETWORK_IPV4_STATIC4)
                want_route(routes, AF_INET, "0.0.0.0", 0, config->ipv4_gateway);
        if (config->ipv6_gateway != NULL && config->ipv6_conf.tag == NETWORK_IPV6_STATIC6)
                want_route(routes, AF_INET6, "::", 0, config->ipv6_gateway);
        return routes;
}

static bool route_equal(const Route *a, const Route *b)
{
        return address_equal(&a->to, &b->to) && strcmp(a->gateway, b->gateway) == 0;
}

static bool route_in(const GArray *routes, const Route *route, int link)
{
        for (guint i = 0; i < routes->len; i++) {
                const Route *other = &g_array_index(routes, Route, i);

                if (route_equal(other, route) && (link == 0 || other->link == link))
                        return true;
        }
        return false;
}

static bool change_route(Manager *manager, ChangeKind kind, const char *name, const Route *route,
                         NetworkError **error)
{
        return manager_change(
            manager, &(Change){ .kind = kind, .name = name, .address = &route->to, .text = route->gateway },
            error);
}

bool routes_apply(Manager *manager, const char *name, NetworkError **error)
{
        g_autoptr(GArray) wanted = wanted_routes(manager->record, name);
        g_autoptr(Links) links = manager_read(manager, error);
        const Link *link = links != NULL ? links_find(links, name) : NULL;

        if (link == NULL)
                return *error == NULL ? network_fail_interface_does_not_exist(error, name) : false;
        for (guint i = 0; i < links->routes->len; i++) {
                const Route *route = &g_array_index(links->routes, Route, i);

                if (route->ours && route->link == link->index && !route_in(wanted, route, 0) &&
                    !change_route(manager, CHANGE_REMOVE_ROUTE, name, route, error))
                        return false;
        }
        for (guint i = 0; i < wanted->len; i++) {
                const Route *route = &g_array_index(wanted, Route, i);

                if (!route_in(links->routes, route, link->index) &&
                    !change_route(manager, CHANGE_ADD_ROUTE, name, route, error))
                        return false;
        }
        return true;
}
