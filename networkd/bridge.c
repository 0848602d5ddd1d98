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

static bool release_port(Manager *manager, const char *bridge, const char *name, NetworkError **error)
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

static bool apply(Manager *manager, const char *name, bool asked, NetworkError **error)
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

bool bridge_apply(Manager *manager, const char *name, NetworkError **error)
{
        return apply(manager, name, false, error);
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
                        if (!release_port(manager, name, config->ports.items[i].value.interfaces.items[k],
                                          error))
                                return false;
        if (!interface_forget(manager, name, error) ||
            !manager_recorded(record_set_bridge(manager->record, name, NULL), error))
                return false;
        if (link == NULL || !link_is_bridge(link))
                return true;
        return delete_vlans(manager, links, link, error) && (!link->ours || delete (manager, name, error));
}

/* The recorded bridges on VLANs of that one; owned names. */
static GPtrArray *on_vlans_of(const Manager *manager, const char *name)
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
        g_autoptr(GPtrArray) above = on_vlans_of(manager, name);
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

/* ---- configuring ---- */

static bool check_ports(const NetworkPortConfigDict *ports, NetworkError **error)
{
        if (ports->n > BRIDGE_PORTS_MAX)
                return network_fail_internal(error, "More than %u ports", BRIDGE_PORTS_MAX);
        for (size_t i = 0; i < ports->n; i++) {
                const NetworkPortConfig *port = &ports->items[i].value;

                if (port->kind != NETWORK_PORT_KIND_BASIC_PORT || port->interfaces.n > 1)
                        return network_fail_not_implemented(error); /* bonds */
                if (port->interfaces.n == 0 || !link_name_is_valid(port->interfaces.items[0]))
                        return network_fail_interface_does_not_exist(
                            error, port->interfaces.n > 0 ? port->interfaces.items[0] : "");
        }
        return true;
}

static bool check(const char *name, const NetworkBridgeConfig *config, NetworkError **error)
{
        const NetworkVlan *vlan = config->vlan;

        if (!link_name_is_valid(name))
                return network_fail_internal(error, "No name that a bridge can have: %s", name);
        if (config->bridge_mac != NULL && !link_mac_is_valid(config->bridge_mac))
                return network_fail_internal(error, "No hardware address: %s", config->bridge_mac);
        if (vlan != NULL && (vlan->vlan < 0 || vlan->vlan > LINK_VLAN_MAX))
                return network_fail_internal(error, "No tag that a VLAN can have: %" PRId64, vlan->vlan);
        if (vlan != NULL && (!link_name_is_valid(vlan->bridge) || strcmp(vlan->bridge, name) == 0))
                return network_fail_bridge_does_not_exist(error, vlan->bridge);
        return check_ports(&config->ports, error);
}

/* Ports that are not wanted any more go first, so that others can have them. */
static bool drop_ports(Manager *manager, const char *name, const NetworkBridgeConfig *old,
                       const NetworkBridgeConfig *config, NetworkError **error)
{
        for (size_t i = 0; old != NULL && i < old->ports.n; i++) {
                const BusStrings *interfaces = &old->ports.items[i].value.interfaces;

                for (size_t k = 0; k < interfaces->n; k++)
                        if (!bridge_has_port(config, interfaces->items[k]) &&
                            !release_port(manager, name, interfaces->items[k], error))
                                return false;
        }
        return true;
}

static void undo(Manager *manager, const char *name, const NetworkBridgeConfig *old)
{
        NetworkError *ignored = NULL;
        bool ok;

        if (old == NULL) {
                ok = take_away(manager, name, &ignored);
        } else {
                /* Where the disk does not take it, it may be what is recorded anyway. */
                ok = manager_recorded(record_set_bridge(manager->record, name, old), &ignored);
                g_clear_pointer(&ignored, network_error_free);
                ok = bridge_apply(manager, name, &ignored) && ok;
        }
        if (!ok)
                log_warning("A bridge is not as it was before what failed", "NETWORK_INTERFACE", name, NULL);
        network_error_free(ignored);
}

/* Whether somebody else made it, to be recorded with it. */
static bool see_found(Manager *manager, const char *name, NetworkError **error)
{
        g_autoptr(Links) links = NULL;
        const Link *link;

        if (record_bridge(manager->record, name) != NULL)
                return true;
        links = manager_read(manager, error);
        link = links != NULL ? links_find(links, name) : NULL;
        record_note_found(manager->record, name, link != NULL && !link->ours);
        return links != NULL;
}

static bool has_other_ports(const NetworkBridgeConfig *old, const NetworkBridgeConfig *config)
{
        for (size_t i = 0; i < config->ports.n; i++) {
                const BusStrings *interfaces = &config->ports.items[i].value.interfaces;

                for (size_t k = 0; k < interfaces->n; k++)
                        if (!bridge_has_port(old, interfaces->items[k]))
                                return true;
        }
        return false;
}

/* What carries them is another interface now. The bridge itself is as it is to be, whatever becomes of them. */
static void move_vlans(Manager *manager, const char *name)
{
        g_autoptr(GPtrArray) above = on_vlans_of(manager, name);

        for (guint i = 0; i < above->len; i++) {
                NetworkError *ignored = NULL;

                if (!bridge_apply(manager, g_ptr_array_index(above, i), &ignored))
                        log_warning("A bridge does not follow what carries its VLAN", "NETWORK_INTERFACE",
                                    g_ptr_array_index(above, i), NULL);
                network_error_free(ignored);
        }
}

bool bridge_configure(Manager *manager, const char *name, const NetworkBridgeConfig *config,
                      NetworkError **error)
{
        const NetworkBridgeConfig *known = record_bridge(manager->record, name);
        NetworkBridgeConfig *old = known != NULL ? network_bridge_config_dup(known) : NULL;
        bool ok;

        ok = check(name, config, error) && see_found(manager, name, error);
        if (ok) {
                ok = drop_ports(manager, name, old, config, error) &&
                     manager_recorded(record_set_bridge(manager->record, name, config), error) &&
                     apply(manager, name, true, error);
                if (!ok)
                        undo(manager, name, old);
                else if (has_other_ports(old, config))
                        move_vlans(manager, name);
        }
        network_bridge_config_free(old);
        return ok;
}

bool bridge_create(Manager *manager, const char *name, const NetworkBridgeConfig *config,
                   NetworkError **error)
{
        const NetworkBridgeConfig *known = record_bridge(manager->record, name);
        NetworkBridgeConfig *wanted = network_bridge_config_dup(config);
        bool ok;

        for (size_t i = 0; known != NULL && i < known->ports.n; i++) {
                NetworkPortConfigDictItem *item = BUS_LIST_ADD(&wanted->ports);

                item->key = bus_strdup(known->ports.items[i].key);
                network_port_config_assign(&item->value, &known->ports.items[i].value);
        }
        if (known != NULL)
                wanted->persistent_b = known->persistent_b;
        ok = bridge_configure(manager, name, wanted, error);
        network_bridge_config_free(wanted);
        return ok;
}

/* The configuration with a port replaced (port NULL: removed); owned. */
static NetworkBridgeConfig *with_port(const NetworkBridgeConfig *config, const char *name,
                                      const NetworkPortConfig *port)
{
        NetworkBridgeConfig *changed = network_bridge_config_dup(config);
        NetworkPortConfigDictItem *item;

        network_port_config_dict_clear(&changed->ports);
        for (size_t i = 0; i < config->ports.n; i++) {
                if (strcmp(config->ports.items[i].key, name) == 0)
                        continue;
                item = BUS_LIST_ADD(&changed->ports);
                item->key = bus_strdup(config->ports.items[i].key);
                network_port_config_assign(&item->value, &config->ports.items[i].value);
        }
        if (port != NULL) {
                item = BUS_LIST_ADD(&changed->ports);
                item->key = bus_strdup(name);
                network_port_config_assign(&item->value, port);
        }
        return changed;
}

static bool change_port(Manager *manager, const char *bridge, const char *name, const NetworkPortConfig *port,
                        NetworkError **error)
{
        const NetworkBridgeConfig *config = record_bridge(manager->record, bridge);
        NetworkBridgeConfig *changed;
        bool ok;

        if (config == NULL)
                return network_fail_bridge_does_not_exist(error, bridge);
        changed = with_port(config, name, port);
        ok = bridge_configure(manager, bridge, changed, error);
        network_bridge_config_free(changed);
        return ok;
}

bool bridge_add_port(Manager *manager, const char *bridge, const char *name, const NetworkPortConfig *port,
                     NetworkError **error)
{
        return change_port(manager, bridge, name, port, error);
}

bool bridge_remove_port(Manager *manager, const char *bridge, const char *name, NetworkError **error)
{
        return change_port(manager, bridge, name, NULL, error);
}
