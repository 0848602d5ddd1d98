/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipv6.h"

#include "role.h"

static Ipv6Advertisements wanted_advertisements(const Record *record, const char *name, int tag)
{
        if (tag != NETWORK_IPV6_AUTOCONF6)
                return IPV6_IGNORES;
        return role_is_gateway(record, name) ? IPV6_TAKES_ROUTER : IPV6_TAKES_PREFIXES;
}

static bool forget_address(Manager *manager, const Link *link, const Address *address, NetworkError **error)
{
        return manager_change(
            manager, &(Change){ .kind = CHANGE_REMOVE_ADDRESS, .name = link->name, .address = address },
            error);
}

/* The kernel keeps what it has learned, for hours, when it is told to learn no more. */
static bool forget_learned(Manager *manager, const Links *links, int index, Ipv6Advertisements takes,
                           NetworkError **error)
{
        const Link *link = links_by_index(links, index);

        for (guint i = 0; link != NULL && takes == IPV6_IGNORES && i < link->addresses->len; i++) {
                const Address *address = &g_array_index(link->addresses, Address, i);

                if (address->learned && !forget_address(manager, link, address, error))
                        return false;
        }
        for (guint i = 0; link != NULL && i < links->routes->len; i++) {
                const Route *route = &g_array_index(links->routes, Route, i);

                if (route->learned && route->link == index &&
                    !manager_change(manager,
                                    &(Change){ .kind = CHANGE_REMOVE_ROUTE,
                                               .name = link->name,
                                               .address = &route->to,
                                               .text = route->gateway,
                                               .number = true },
                                    error))
                        return false;
        }
        return true;
}

static bool change_link_local(Manager *manager, const Link *link, bool wanted, NetworkError **error)
{
        return manager_change(
            manager, &(Change){ .kind = CHANGE_LINK_LOCAL, .name = link->name, .number = wanted }, error);
}

static bool set_link_local(Manager *manager, const Link *link, bool wanted, NetworkError **error)
{
        if (link->makes_link_local != wanted && !change_link_local(manager, link, wanted, error))
                return false;
        return wanted || link->link_local.family == 0 ||
               forget_address(manager, link, &link->link_local, error);
}

/* Routers are asked for what they advertise when the link-local address comes. */
static bool begin_to_listen(Manager *manager, const Link *link, NetworkError **error)
{
        return set_link_local(manager, link, false, error) && change_link_local(manager, link, true, error);
}

bool ipv6_apply(Manager *manager, const Links *links, const Link *link, NetworkError **error)
{
        const RecordInterface *interface = record_interface(manager->record, link->name);
        int tag = interface != NULL ? interface->config.ipv6_conf.tag : NETWORK_IPV6_NONE6;
        Ipv6Advertisements takes = wanted_advertisements(manager->record, link->name, tag);
        g_autoptr(Links) after = NULL;

        if (!link->ours || !link_is_bridge(link))
                return true;
        if (link->takes != takes) {
                if (!manager_change(
                        manager,
                        &(Change){ .kind = CHANGE_ADVERTISEMENTS, .name = link->name, .number = takes },
                        error))
                        return false;
                links = after = manager_read(manager, error);
                if (links == NULL)
                        return false;
        }
        if (takes < IPV6_TAKES_ROUTER && !forget_learned(manager, links, link->index, takes, error))
                return false;
        if (takes > link->takes)
                return begin_to_listen(manager, link, error);
        return set_link_local(manager, link, tag != NETWORK_IPV6_NONE6, error);
}
