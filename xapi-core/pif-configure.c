/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A PIF's bridge and addresses, as networkd is to make them. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "operations.h"
#include "pif.h"

#define MTU_USUAL 1500

/* Of what a PIF can be configured to have, by networkd. */
#define NOT_WRITTEN "static name servers, DHCP of IPv6"

/* ---- networkd's answers ---- */

bool networkd_fail(NetworkError *taken, XapiError **error)
{
        char *text = network_error_text(taken);

        xapi_fail_internal(error, "networkd: %s", text);
        free(text);
        network_error_free(taken);
        return false;
}

bool pif_fail(const char *pif, NetworkError *taken, XapiError **error)
{
        char *text = network_error_text(taken);

        if (taken->tag == NETWORK_ERROR_NOT_IMPLEMENTED)
                xapi_fail(error, ERR_NOT_IMPLEMENTED, NOT_WRITTEN, NULL);
        else
                xapi_fail(error, ERR_PIF_CONFIGURATION_ERROR, pif, text, NULL);
        free(text);
        network_error_free(taken);
        return false;
}

bool networkd_exists(Manager *manager, const char *dbg, const char *name, bool *ret, XapiError **error)
{
        NetworkError *e = NULL;

        return network_interface_exists(manager->daemon->bus, NETWORKD_CALL_USEC, dbg, name, ret, &e) ||
               networkd_fail(e, error);
}

/* Clients may set any; that of a network whose packets nothing can have is the usual one. */
int64_t networkd_mtu(const NetworkRow *network)
{
        return network->MTU >= NETWORKD_MTU_MIN && network->MTU <= NETWORKD_MTU_MAX ? network->MTU
                                                                                    : MTU_USUAL;
}

/* ---- what a PIF is, outside any transaction ---- */

typedef struct Plan {
        Manager *manager;
        const char *dbg;
        const PifRow *pif; /* owned, as those below; NULL where there is none */
        const NetworkRow *network;
        const PifRow *tagged;      /* of a VLAN: what carries it */
        const NetworkRow *carrier; /* its network */
        int64_t tag;
} Plan;

static void unref_row(const Row *row)
{
        if (row)
                row_unref(row);
}

static void plan_clear(Plan *p)
{
        unref_row((const Row *)p->pif);
        unref_row((const Row *)p->network);
        unref_row((const Row *)p->tagged);
        unref_row((const Row *)p->carrier);
}

static bool plan_carrier(Plan *p, XapiError **error)
{
        Store *store = p->manager->store;
        const VlanRow *vlan =
            (const VlanRow *)store_require(store, &CLASS_VLAN, p->pif->VLAN_master_of, error);

        if (!vlan)
                return false;
        p->tag = vlan->tag;
        p->tagged = (const PifRow *)store_require(store, &CLASS_PIF, vlan->tagged_PIF, error);
        row_unref(&vlan->row);
        if (p->tagged)
                p->carrier =
                    (const NetworkRow *)store_require(store, &CLASS_NETWORK, p->tagged->network, error);
        return p->carrier;
}

static bool plan(Plan *p, const char *ref, XapiError **error)
{
        p->pif = (const PifRow *)store_require(p->manager->store, &CLASS_PIF, ref, error);
        if (p->pif)
                p->network = (const NetworkRow *)store_require(p->manager->store, &CLASS_NETWORK,
                                                               p->pif->network, error);
        return p->network && (p->pif->VLAN == PIF_NO_VLAN || plan_carrier(p, error));
}

/* ---- how the interfaces are to be ---- */

static int64_t prefix_of_netmask(const char *netmask)
{
        struct in_addr mask;

        return inet_pton(AF_INET, netmask, &mask) == 1 ? __builtin_popcount(mask.s_addr) : 32;
}

/* "fd00::1/64" */
static void add_ipv6(NetworkIpv6 *ipv6, const char *text)
{
        const char *slash = strchr(text, '/');
        NetworkAddress *address = BUS_LIST_ADD(&ipv6->static6);
        g_autofree char *plain = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);

        address->address = bus_strdup(plain);
        address->prefix_length = slash ? atoi(slash + 1) : 128;
}

static void plan_ipv4(const PifRow *pif, NetworkInterfaceConfig *config)
{
        NetworkAddress *address;

        if (pif->ip_configuration_mode == IP_CONFIGURATION_MODE_DHCP)
                config->ipv4_conf.tag = NETWORK_IPV4_DHCP4;
        if (pif->ip_configuration_mode != IP_CONFIGURATION_MODE_STATIC)
                return;
        config->ipv4_conf.tag = NETWORK_IPV4_STATIC4;
        address = BUS_LIST_ADD(&config->ipv4_conf.static4);
        address->address = bus_strdup(pif->IP);
        address->prefix_length = prefix_of_netmask(pif->netmask);
        if (*pif->gateway)
                config->ipv4_gateway = bus_strdup(pif->gateway);
}

static void plan_ipv6(const PifRow *pif, NetworkInterfaceConfig *config)
{
        switch (pif->ipv6_configuration_mode) {
        case IPV6_CONFIGURATION_MODE_DHCP:
                config->ipv6_conf.tag = NETWORK_IPV6_DHCP6;
                break;
        case IPV6_CONFIGURATION_MODE_AUTOCONF:
                config->ipv6_conf.tag = NETWORK_IPV6_AUTOCONF6;
                break;
        case IPV6_CONFIGURATION_MODE_STATIC:
                config->ipv6_conf.tag = NETWORK_IPV6_STATIC6;
                for (uint32_t i = 0; i < pif->IPv6->n; i++)
                        add_ipv6(&config->ipv6_conf, pif->IPv6->items[i].s);
                if (*pif->ipv6_gateway)
                        config->ipv6_gateway = bus_strdup(pif->ipv6_gateway);
                break;
        }
}

static void plan_dns(const PifRow *pif, NetworkInterfaceConfig *config)
{
        g_auto(GStrv) servers = g_strsplit_set(pif->DNS, ", ", -1);
        const char *domain = map_get_str(pif->other_config, "domain");

        if (!*pif->DNS || pif->ip_configuration_mode == IP_CONFIGURATION_MODE_DHCP)
                return;
        config->dns = bus_alloc(1, sizeof(*config->dns));
        for (char **server = servers; *server; server++)
                if (**server)
                        bus_strings_add(&config->dns->servers, *server);
        if (domain)
                bus_strings_add(&config->dns->domains, domain);
}

/* What the host itself is reached by is kept over a boot. */
static bool is_of_host(const PifRow *pif)
{
        return pif->management || pif->disallow_unplug ||
               pif->ip_configuration_mode != IP_CONFIGURATION_MODE_NONE ||
               pif->ipv6_configuration_mode != IPV6_CONFIGURATION_MODE_NONE;
}

static bool make_bridge(const Plan *p, NetworkError **error)
{
        NetworkBridgeConfigDict config = { 0 };
        NetworkBridgeConfigDictItem *bridge = BUS_LIST_ADD(&config);
        bool ok;

        bridge->key = bus_strdup(p->network->bridge);
        bridge->value.bridge_mac = bus_strdup(p->pif->MAC);
        bridge->value.persistent_b = is_of_host(p->pif);
        if (p->carrier) {
                bridge->value.vlan = bus_alloc(1, sizeof(*bridge->value.vlan));
                bridge->value.vlan->bridge = bus_strdup(p->carrier->bridge);
                bridge->value.vlan->vlan = p->tag;
        } else {
                NetworkPortConfigDictItem *port = BUS_LIST_ADD(&bridge->value.ports);

                port->key = bus_strdup(p->pif->device);
                bus_strings_add(&port->value.interfaces, p->pif->device);
        }
        ok = network_bridge_make_config(p->manager->daemon->bus, NETWORKD_CALL_USEC, p->dbg, false, &config,
                                        error);
        network_bridge_config_dict_clear(&config);
        return ok;
}

static bool make_interfaces(const Plan *p, NetworkError **error)
{
        NetworkInterfaceConfigDict config = { 0 };
        NetworkInterfaceConfigDictItem *item;
        bool ok;

        if (!p->carrier) {
                item = BUS_LIST_ADD(&config);
                item->key = bus_strdup(p->pif->device);
                item->value.mtu = networkd_mtu(p->network);
                item->value.persistent_i = is_of_host(p->pif);
        }
        item = BUS_LIST_ADD(&config);
        item->key = bus_strdup(p->network->bridge);
        item->value.mtu = networkd_mtu(p->network);
        item->value.persistent_i = is_of_host(p->pif);
        plan_ipv4(p->pif, &item->value);
        plan_ipv6(p->pif, &item->value);
        plan_dns(p->pif, &item->value);
        ok = network_interface_make_config(p->manager->daemon->bus, NETWORKD_CALL_USEC, p->dbg, false,
                                           &config, error);
        network_interface_config_dict_clear(&config);
        return ok;
}

/* ---- up, down ---- */

static bool note(Manager *manager, const char *ref, bool attached, XapiError **error)
{
        Txn *txn = txn_begin(manager->store);
        PifRow *pif = (PifRow *)txn_edit(txn, &CLASS_PIF, ref);
        const NetworkRow *network =
            pif ? (const NetworkRow *)txn_get(txn, &CLASS_NETWORK, pif->network) : NULL;

        if (pif)
                pif->currently_attached = attached;
        if (pif && attached && network)
                pif->MTU = network->MTU;
        return txn_commit_wait(txn, error);
}

/* Whose gateway counts is told first: two of them cannot be set. */
static bool ask_up(const Plan *p, XapiError **error)
{
        NetworkError *e = NULL;
        PifRoles roles;
        bool ok;

        pif_roles(p->manager, &roles);
        ok = pif_tell_roles(p->manager, p->dbg, &roles, &e) && make_bridge(p, &e) && make_interfaces(p, &e);
        pif_roles_clear(&roles);
        return ok || pif_fail(p->pif->row.ref, e, error);
}

static bool ask_down(const Plan *p, XapiError **error)
{
        Bus *bus = p->manager->daemon->bus;
        NetworkError *e = NULL;
        bool stays = false;

        if (!network_bridge_destroy(bus, NETWORKD_CALL_USEC, p->dbg, false, p->network->bridge, &e) ||
            !network_interface_exists(bus, NETWORKD_CALL_USEC, p->dbg, p->network->bridge, &stays, &e))
                return pif_fail(p->pif->row.ref, e, error);
        /* A bridge that others made, or that carries VLANs, goes on with its card. */
        if (stays || p->carrier ||
            network_interface_bring_down(bus, NETWORKD_CALL_USEC, p->dbg, p->pif->device, &e))
                return true;
        if (e->tag == NETWORK_ERROR_INTERFACE_DOES_NOT_EXIST) {
                network_error_free(e);
                return true;
        }
        return pif_fail(p->pif->row.ref, e, error);
}

/* What was not plugged before is not plugged by half. */
static bool up(const Plan *p, XapiError **error)
{
        XapiError *ignored = NULL;

        if (ask_up(p, error))
                return true;
        if (!p->pif->currently_attached && !ask_down(p, &ignored))
                xapi_error_free(ignored);
        return false;
}

bool pif_bring_up(Manager *manager, const char *dbg, const char *pif, XapiError **error)
{
        Plan p = { .manager = manager, .dbg = dbg };
        bool ok = plan(&p, pif, error);

        /* What carries a VLAN is no VLAN itself. */
        if (ok && p.tagged)
                ok = p.tagged->VLAN == PIF_NO_VLAN && pif_bring_up(manager, dbg, p.tagged->row.ref, error);
        ok = ok && up(&p, error) && note(manager, pif, true, error);
        plan_clear(&p);
        return ok;
}

bool pif_bring_down(Manager *manager, const char *dbg, const char *pif, XapiError **error)
{
        Plan p = { .manager = manager, .dbg = dbg };
        bool ok = plan(&p, pif, error) && ask_down(&p, error) && note(manager, pif, false, error);

        plan_clear(&p);
        return ok;
}
