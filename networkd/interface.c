/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "interface.h"

#include <string.h>

#include "address.h"
#include "dhcp.h"
#include "ipv6.h"

#define MTU_DEFAULT 1500

bool interface_put_address(const Manager *manager, const char *name, const Address *address)
{
        const RecordInterface *interface = record_interface(manager->record, name);
        Address put;

        if (interface != NULL && interface->dhcp && address->family == AF_INET)
                return true; /* its client did, or may have */
        if (interface != NULL && interface->config.ipv6_conf.tag == NETWORK_IPV6_AUTOCONF6 &&
            address->learned)
                return true;
        for (size_t i = 0; interface != NULL && i < interface->applied.n; i++)
                if (address_parse(address->family, interface->applied.items[i].address,
                                  interface->applied.items[i].prefix_length, &put) &&
                    address_equal(&put, address))
                        return true;
        return false;
}

void interface_config(const Manager *manager, const char *name, NetworkInterfaceConfig *ret)
{
        const RecordInterface *interface = record_interface(manager->record, name);

        if (interface != NULL)
                network_interface_config_assign(ret, &interface->config);
        else
                *ret = (NetworkInterfaceConfig){ .mtu = MTU_DEFAULT };
}

bool interface_apply(Manager *manager, const char *name, NetworkError **error)
{
        const NetworkInterfaceConfig *config = &record_interface(manager->record, name)->config;
        g_autoptr(Links) links = manager_read(manager, error);
        const Link *link = links != NULL ? links_find(links, name) : NULL;

        if (links == NULL)
                return false;
        if (link == NULL)
                return network_fail_interface_does_not_exist(error, name);
        if (link->mtu != config->mtu &&
            !manager_change(manager, &(Change){ .kind = CHANGE_MTU, .name = name, .number = config->mtu },
                            error))
                return false;
        if (!link->up && !manager_change(manager, &(Change){ .kind = CHANGE_UP, .name = name }, error))
                return false;
        return ipv6_apply(manager, links, link, error) && dhcp_apply(manager, name, error) &&
               addresses_apply(manager, name, error) && routes_apply(manager, name, error);
}

bool interface_record(Manager *manager, const char *name, const NetworkInterfaceConfig *config,
                      NetworkError **error)
{
        const RecordInterface *known = record_interface(manager->record, name);
        RecordInterface interface = { 0 };
        int r;

        if (known != NULL)
                record_interface_assign(&interface, known);
        network_interface_config_clear(&interface.config);
        network_interface_config_assign(&interface.config, config);
        r = record_set_interface(manager->record, name, &interface);
        record_interface_clear(&interface);
        return manager_recorded(r, error);
}

/* Nothing is wanted on it any more. */
static bool strip(Manager *manager, const Links *links, const Link *link, NetworkError **error)
{
        const NetworkInterfaceConfig nothing = { .mtu = MTU_DEFAULT };

        return interface_record(manager, link->name, &nothing, error) &&
               dhcp_apply(manager, link->name, error) && addresses_apply(manager, link->name, error) &&
               ipv6_apply(manager, links, link, error) && routes_apply(manager, link->name, error);
}

bool interface_forget(Manager *manager, const char *name, NetworkError **error)
{
        g_autoptr(Links) links = NULL;
        NetworkError *ignored = NULL;
        const Link *link;

        if (record_interface(manager->record, name) == NULL)
                return true;
        links = manager_read(manager, error);
        link = links != NULL ? links_find(links, name) : NULL;
        if (links != NULL && link == NULL && record_interface(manager->record, name)->dhcp)
                manager_change(manager, &(Change){ .kind = CHANGE_STOP_DHCP, .name = name }, &ignored);
        network_error_free(ignored);
        return links != NULL && (link == NULL || strip(manager, links, link, error)) &&
               manager_recorded(record_set_interface(manager->record, name, NULL), error);
}

bool interface_bring_down(Manager *manager, const char *name, NetworkError **error)
{
        g_autoptr(Links) links = manager_read(manager, error);
        const Link *link = links != NULL ? links_find(links, name) : NULL;

        if (links == NULL)
                return false;
        if (link == NULL)
                return network_fail_interface_does_not_exist(error, name);
        for (guint i = 0; i < link->addresses->len; i++) {
                const Address *address = &g_array_index(link->addresses, Address, i);

                if (!interface_put_address(manager, name, address))
                        return network_fail_internal(
                            error, "%s has the address %s/%d, which was not set here and would be cut off",
                            name, address->text, address->prefix_len);
        }
        return interface_forget(manager, name, error) &&
               (!link->up || manager_change(manager, &(Change){ .kind = CHANGE_DOWN, .name = name }, error));
}
