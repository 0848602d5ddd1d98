/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bridge.h"

#include <string.h>

#include "interface.h"
#include "ipv6.h"
#include "message-switch/lib/daemon.h"
#include "vlan.h"

/* ---- looking ---- */

bool bridge_has_port(const NetworkBridgeConfig *config, const char *interface)
{
        for (size_t i = 0; config != NULL && i < config->ports.n; i++) {
                const BusStrings *interfaces = &config->ports.items[i].value.interfaces;

                for (size_t k = 0; k < interfaces->n; k++)
                        if (strcmp(interfaces->items[k], interface) == 0)
                                return true;
        }
        return false;
}

const Link *bridge_foreign_port(const Manager *manager, const Links *links, const Link *bridge)
{
        const NetworkBridgeConfig *config = record_bridge(manager->record, bridge->name);

        for (guint i = 0; i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);

                if (link->master == bridge->index && !link->ours && !bridge_has_port(config, link->name))
                        return link;
        }
        return NULL;
}

bool bridge_is_its_port(Manager *manager, const char *bridge, const char *name)
{
        NetworkError *error = NULL;
        g_autoptr(Links) links = manager_read(manager, &error);
        const Link *master = links != NULL ? links_find(links, bridge) : NULL,
                   *link = links != NULL ? links_find(links, name) : NULL;

        network_error_free(error);
        return master != NULL && link != NULL && link->master == master->index;
}

/* ---- ports ---- */

/* What an interface carries that would be cut off were it made a port. */
static bool check_free(const Manager *manager, const Links *links, const Link *link, NetworkError **error)
{
        const Link *master = link->master != 0 ? links_by_index(links, link->master) : NULL;

        if (master != NULL && !master->ours && record_bridge(manager->record, master->name) == NULL)
                return network_fail_internal(error, "%s is a port of %s, which was not made here", link->name,
                                             master->name);
        if (link_is_bridge(link) || link->loopback)
                return network_fail_internal(error, "%s cannot be a bridge's port", link->name);
        for (guint i = 0; i < link->addresses->len; i++) {
                const Address *address = &g_array_index(link->addresses, Address, i);

                if (!interface_put_address(manager, link->name, address))
                        return network_fail_internal(
                            error, "%s has the address %s/%d, which was not set here and would be cut off",
                            link->name, address->text, address->prefix_len);
        }
        return true;
}

bool bridge_take_port(Manager *manager, const char *bridge, const char *name, NetworkError **error)
{
        g_autoptr(Links) links = manager_read(manager, error);
        const Link *master = links != NULL ? links_find(links, bridge) : NULL,
                   *link = links != NULL ? links_find(links, name) : NULL;

        if (links == NULL)
                return false;
        if (link == NULL)
                return network_fail_interface_does_not_exist(error, name);
        if (master == NULL)
                return network_fail_bridge_does_not_exist(error, bridge);
        if (link->master != master->index &&
            (!check_free(manager, links, link, error) ||
             !manager_change(manager, &(Change){ .kind = CHANGE_MASTER, .name = name, .text = bridge },
                             error)))
                return false;
        return link->up || manager_change(manager, &(Change){ .kind = CHANGE_UP, .name = name }, error);
}

bool bridge_release_port(Manager *manager, const char *bridge, const char *name, NetworkError **error)
{
        return !bridge_is_its_port(manager, bridge, name) ||
               manager_change(manager, &(Change){ .kind = CHANGE_MASTER, .name = name }, error);
}

static bool apply_ports(Manager *manager, const char *name, const NetworkBridgeConfig *config,
                        NetworkError **error)
{
        NetworkError *first = NULL, *e = NULL;

        for (size_t i = 0; i < config->ports.n; i++) {
                const BusStrings *interfaces = &config->ports.items[i].value.interfaces;

                for (size_t k = 0; k < interfaces->n; k++) {
                        if (bridge_take_port(manager, name, interfaces->items[k], &e))
                                continue;
                        if (first == NULL)
                                first = g_steal_pointer(&e);
                        g_clear_pointer(&e, network_error_free);
                }
        }
        if (first == NULL)
                return true;
        *error = first;
        return false;
}

/* ---- one bridge ---- */

static bool make(Manager *manager, const char *name, const NetworkBridgeConfig *config, NetworkError **error)
{
        return manager_change(
            manager, &(Change){ .kind = CHANGE_ADD_BRIDGE, .name = name, .text = config->bridge_mac }, error);
}

static bool apply_options(Manager *manager, const Links *links, const Link *link,
                          const NetworkBridgeConfig *config, bool made, NetworkError **error)
{
        if (link->ours && config->bridge_mac != NULL &&
            g_ascii_strcasecmp(link->mac, config->bridge_mac) != 0 &&
            !manager_change(manager,
                            &(Change){ .kind = CHANGE_MAC, .name = link->name, .text = config->bridge_mac },
                            error))
                return false;
        /* Before it is up: guests are on it. */
        if (!ipv6_apply(manager, links, link, error))
                return false;
        /* The kernel does not say how this is in what it tells of links, so it is set but once, or when it is asked for. */
        if (made && config->igmp_snooping != NULL &&
            !manager_change(
                manager,
                &(Change){ .kind = CHANGE_SNOOPING, .name = link->name, .number = *config->igmp_snooping },
                error))
                return false;
        return link->up || manager_change(manager, &(Change){ .kind = CHANGE_UP, .name = link->name }, error);
}

bool bridge_apply(Manager *manager, const char *name, bool asked, NetworkError **error)
{
        const NetworkBridgeConfig *config = record_bridge(manager->record, name);
        g_autoptr(Links) links = manager_read(manager, error);
        const Link *link = links != NULL ? links_find(links, name) : NULL;
        bool made = links != NULL && link == NULL;

        if (made && record_is_found(manager->record, name))
                return network_fail_internal(error, "%s, which is not made by networkd, is not there", name);
        if (links == NULL || (made && !make(manager, name, config, error)))
                return false;
        if (made) {
                links_free(g_steal_pointer(&links));
                links = manager_read(manager, error);
                link = links != NULL ? links_find(links, name) : NULL;
        }
        if (link == NULL)
                return *error != NULL ? false : network_fail_bridge_does_not_exist(error, name);
        if (!link_is_bridge(link))
                return network_fail_internal(error, "%s is an interface, and no bridge", name);
        return apply_options(manager, links, link, config, made || asked, error) &&
               vlan_apply(manager, name, config->vlan, error) && apply_ports(manager, name, config, error);
}

/* ---- taking away ---- */

static bool delete (Manager *manager, const char *name, NetworkError **error)
{
        return manager_change(manager, &(Change){ .kind = CHANGE_DELETE, .name = name }, error);
}

/* Interfaces that were made here to be ports of it. */
static bool delete_vlans(Manager *manager, const Links *links, const Link *bridge, NetworkError **error)
{
        for (guint i = 0; i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);

                if (link->master == bridge->index && link->ours && strcmp(link->kind, LINK_KIND_VLAN) == 0 &&
                    !delete (manager, link->name, error))
                        return false;
        }
        return true;
}

bool bridge_delete(Manager *manager, const Links *links, const Link *link, NetworkError **error)
{
        return link == NULL || !link_is_bridge(link) ||
               (delete_vlans(manager, links, link, error) &&
                (!link->ours || delete (manager, link->name, error)));
}

static bool check_unused(const Manager *manager, const Links *links, const char *name, NetworkError **error)
{
        const Link *link = links_find(links, name), *port = link != NULL && link->ours && link_is_bridge(link)
                                                                ? bridge_foreign_port(manager, links, link)
                                                                : NULL;

        return port == NULL ||
               network_fail_internal(error, "%s has the port %s, which was not put there by networkd", name,
                                     port->name);
}

/* With the ports, the interface's configuration and the record; what is gone already is no error. */
static bool take_away(Manager *manager, const char *name, NetworkError **error)
{
        const NetworkBridgeConfig *config = record_bridge(manager->record, name);
        g_autoptr(Links) links = manager_read(manager, error);
        const Link *link = links != NULL ? links_find(links, name) : NULL;

        /* Nothing is taken away of which that could not be written down. */
        if (links == NULL || !check_unused(manager, links, name, error) ||
            !manager_recorded(record_write(manager->record), error))
                return false;
        for (size_t i = 0; config != NULL && i < config->ports.n; i++)
                for (size_t k = 0; k < config->ports.items[i].value.interfaces.n; k++)
                        if (!bridge_release_port(manager, name,
                                                 config->ports.items[i].value.interfaces.items[k], error))
                                return false;
        if (!interface_forget(manager, name, error) ||
            !manager_recorded(record_set_bridge(manager->record, name, NULL), error))
                return false;
        return bridge_delete(manager, links, link, error);
}

GPtrArray *bridge_on_vlans_of(const Manager *manager, const char *name)
{
        GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
        GHashTableIter i;
        gpointer key, value;

        g_hash_table_iter_init(&i, manager->record->bridges);
        while (g_hash_table_iter_next(&i, &key, &value)) {
                const NetworkBridgeConfig *config = value;

                if (config->vlan != NULL && strcmp(config->vlan->bridge, name) == 0)
                        g_ptr_array_add(names, g_strdup(key));
        }
        return names;
}

/* Whether there is anything of it: a record, or what a removal that failed has left. */
static bool is_here(const Manager *manager, const Links *links, const char *name)
{
        const Link *link = links_find(links, name);

        return record_bridge(manager->record, name) != NULL ||
               (link != NULL && link->ours && link_is_bridge(link));
}

bool bridge_destroy(Manager *manager, const char *name, bool force, NetworkError **error)
{
        g_autoptr(GPtrArray) above = bridge_on_vlans_of(manager, name);
        g_autoptr(Links) links = manager_read(manager, error);

        if (links == NULL)
                return false;
        if (!is_here(manager, links, name))
                return true;
        if (above->len > 0 && !force) {
                log_info("A bridge stays: there are VLANs on it", "NETWORK_INTERFACE", name, NULL);
                return true;
        }
        g_ptr_array_add(above, g_strdup(name));
        for (guint i = 0; i < above->len; i++)
                if (!check_unused(manager, links, g_ptr_array_index(above, i), error))
                        return false;
        for (guint i = 0; i < above->len; i++)
                if (!take_away(manager, g_ptr_array_index(above, i), error))
                        return false;
        return true;
}
