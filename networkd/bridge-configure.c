/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What bridges are asked to be: checked, recorded, made; all of it or nothing. */
#include <string.h>

#include "bridge.h"
#include "message-switch/lib/daemon.h"

static void add_port(NetworkPortConfigDict *ports, const char *name, const NetworkPortConfig *port)
{
        NetworkPortConfigDictItem *item = BUS_LIST_ADD(ports);

        item->key = bus_strdup(name);
        network_port_config_assign(&item->value, port);
}

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
                            !bridge_release_port(manager, name, interfaces->items[k], error))
                                return false;
        }
        return true;
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
        g_autoptr(GPtrArray) above = bridge_on_vlans_of(manager, name);

        for (guint i = 0; i < above->len; i++) {
                NetworkError *ignored = NULL;

                if (!bridge_apply(manager, g_ptr_array_index(above, i), false, &ignored))
                        log_warning("A bridge does not follow what carries its VLAN", "NETWORK_INTERFACE",
                                    g_ptr_array_index(above, i), NULL);
                network_error_free(ignored);
        }
}

/* Several that change together: as they are to be, and as they were recorded. */
typedef struct Together {
        size_t n;
        const char *const *names;
        const NetworkBridgeConfig *const *wanted;
        NetworkBridgeConfig **old; /* owned; NULL: not recorded */
        bool recorded;             /* as they are to be */
} Together;

static bool check_all(Manager *manager, const Together *t, NetworkError **error)
{
        for (size_t i = 0; i < t->n; i++)
                if (!check(t->names[i], t->wanted[i], error) || !see_found(manager, t->names[i], error))
                        return false;
        return true;
}

static bool begin(Manager *manager, Together *t, NetworkError **error)
{
        for (size_t i = 0; i < t->n; i++)
                if (!drop_ports(manager, t->names[i], t->old[i], t->wanted[i], error))
                        return false;
        t->recorded = manager_recorded(record_set_bridges(manager->record, t->n, t->names, t->wanted), error);
        return t->recorded;
}

/* Those that carry VLANs come before those on them. */
static bool make_all(Manager *manager, const Together *t, const NetworkBridgeConfig *const *configs,
                     bool asked, NetworkError **error)
{
        for (int on_vlans = 0; on_vlans < 2; on_vlans++)
                for (size_t i = 0; i < t->n; i++)
                        if (configs[i] != NULL && (configs[i]->vlan != NULL) == on_vlans &&
                            !bridge_apply(manager, t->names[i], asked, error))
                                return false;
        return true;
}

/* It was not recorded before, so nothing of it is anybody's wish. */
static bool unmake(Manager *manager, const char *name, NetworkError **error)
{
        g_autoptr(Links) links = manager_read(manager, error);
        const Link *link = links != NULL ? links_find(links, name) : NULL;

        if (link != NULL && link->ours && bridge_foreign_port(manager, links, link) != NULL)
                return network_fail_internal(error, "%s has come to have a guest's port", name);
        return links != NULL && bridge_delete(manager, links, link, error);
}

/* Ports go while it is still recorded that they may be there, then all of the record goes back at once: whoever is started
 * after a kill finds the one or the other. */
static void undo(Manager *manager, const Together *t)
{
        static const NetworkBridgeConfig nothing = { 0 };
        const NetworkBridgeConfig *const *old = (const NetworkBridgeConfig *const *)t->old;
        NetworkError *e = NULL;
        bool ok = true;

        if (t->recorded) {
                for (size_t i = t->n; i-- > 0;)
                        ok &= manager_tried(drop_ports(manager, t->names[i], t->wanted[i],
                                                       old[i] != NULL ? old[i] : &nothing, &e),
                                            &e);
                if (!manager_tried(
                        manager_recorded(record_set_bridges(manager->record, t->n, t->names, old), &e), &e))
                        ok = false;
                else
                        for (size_t i = t->n; i-- > 0;)
                                ok &= old[i] != NULL || manager_tried(unmake(manager, t->names[i], &e), &e);
        }
        ok &= manager_tried(make_all(manager, t, old, false, &e), &e);
        if (!ok)
                log_warning("Bridges are not as they were before what failed", "NETWORK_INTERFACE",
                            t->names[0], NULL);
}

static bool wants_any(const Together *t, const BusStrings *interfaces)
{
        for (size_t i = 0; i < t->n; i++)
                for (size_t k = 0; k < interfaces->n; k++)
                        if (bridge_has_port(t->wanted[i], interfaces->items[k]))
                                return true;
        return false;
}

static bool is_among(const Together *t, const char *name)
{
        for (size_t i = 0; i < t->n; i++)
                if (strcmp(t->names[i], name) == 0)
                        return true;
        return false;
}

/* The configuration without the ports that others want; owned. NULL: they want none of it. */
static NetworkBridgeConfig *robbed(const Together *t, const NetworkBridgeConfig *config)
{
        NetworkBridgeConfig *left = network_bridge_config_dup(config);

        network_port_config_dict_clear(&left->ports);
        for (size_t i = 0; i < config->ports.n; i++) {
                const NetworkPortConfigDictItem *port = &config->ports.items[i];

                if (!wants_any(t, &port->value.interfaces))
                        add_port(&left->ports, port->key, &port->value);
        }
        if (left->ports.n < config->ports.n)
                return left;
        network_bridge_config_free(left);
        return NULL;
}

/* An interface is a port of one bridge: those that lose one to what is asked for change with it. */
static void add_robbed(const Manager *manager, const Together *t, GPtrArray *names, GPtrArray *configs)
{
        GHashTableIter i;
        gpointer name, config;

        g_hash_table_iter_init(&i, manager->record->bridges);
        while (g_hash_table_iter_next(&i, &name, &config)) {
                NetworkBridgeConfig *left = is_among(t, name) ? NULL : robbed(t, config);

                if (left == NULL)
                        continue;
                g_ptr_array_add(names, g_strdup(name));
                g_ptr_array_add(configs, left);
        }
}

static bool configure(Manager *manager, Together *t, NetworkError **error)
{
        bool ok;

        t->old = g_new0(NetworkBridgeConfig *, t->n);
        for (size_t i = 0; i < t->n; i++) {
                const NetworkBridgeConfig *known = record_bridge(manager->record, t->names[i]);

                t->old[i] = known != NULL ? network_bridge_config_dup(known) : NULL;
        }
        ok = begin(manager, t, error) && make_all(manager, t, t->wanted, true, error);
        for (size_t i = 0; ok && i < t->n; i++)
                if (has_other_ports(t->old[i], t->wanted[i]))
                        move_vlans(manager, t->names[i]);
        if (!ok)
                undo(manager, t);
        for (size_t i = 0; i < t->n; i++)
                network_bridge_config_free(t->old[i]);
        g_free(t->old);
        return ok;
}

static void config_free(gpointer data)
{
        network_bridge_config_free(data);
}

bool bridges_configure(Manager *manager, size_t n, const char *const *names,
                       const NetworkBridgeConfig *const *configs, NetworkError **error)
{
        g_autoptr(GPtrArray) all_names = g_ptr_array_new_with_free_func(g_free),
                             all_configs = g_ptr_array_new_with_free_func(config_free);
        Together t = { .n = n, .names = names, .wanted = configs };

        if (!check_all(manager, &t, error))
                return false;
        for (size_t i = 0; i < n; i++) {
                g_ptr_array_add(all_names, g_strdup(names[i]));
                g_ptr_array_add(all_configs, network_bridge_config_dup(configs[i]));
        }
        add_robbed(manager, &t, all_names, all_configs);
        t.n = all_names->len;
        t.names = (const char *const *)all_names->pdata;
        t.wanted = (const NetworkBridgeConfig *const *)all_configs->pdata;
        return t.n == 0 || configure(manager, &t, error);
}

bool bridge_configure(Manager *manager, const char *name, const NetworkBridgeConfig *config,
                      NetworkError **error)
{
        return bridges_configure(manager, 1, &name, &config, error);
}

bool bridge_create(Manager *manager, const char *name, const NetworkBridgeConfig *config,
                   NetworkError **error)
{
        const NetworkBridgeConfig *known = record_bridge(manager->record, name);
        NetworkBridgeConfig *wanted = network_bridge_config_dup(config);
        bool ok;

        for (size_t i = 0; known != NULL && i < known->ports.n; i++)
                add_port(&wanted->ports, known->ports.items[i].key, &known->ports.items[i].value);
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

        network_port_config_dict_clear(&changed->ports);
        for (size_t i = 0; i < config->ports.n; i++)
                if (strcmp(config->ports.items[i].key, name) != 0)
                        add_port(&changed->ports, config->ports.items[i].key, &config->ports.items[i].value);
        if (port != NULL)
                add_port(&changed->ports, name, port);
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
