/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose default route and whose name servers the host takes: one PIF's of all that have addresses. */
#include <string.h>

#include "pif.h"

static bool has_addresses(const PifRow *pif)
{
        return pif->ip_configuration_mode != IP_CONFIGURATION_MODE_NONE ||
               pif->ipv6_configuration_mode != IPV6_CONFIGURATION_MODE_NONE;
}

/* By the client's word, else what the host is reached by, else what is plugged. */
static int weight(const PifRow *pif, const char *key)
{
        const char *word = map_get_str(pif->other_config, key);

        return (word && strcmp(word, "true") == 0 ? 4 : 0) + (pif->management ? 2 : 0) +
               (pif->currently_attached ? 1 : 0);
}

/* Of equals the first one by its device's name, so that it is the same one the next time. */
static bool is_better(const PifRow *pif, const PifRow *than, const char *key)
{
        int more = weight(pif, key) - weight(than, key), order = strcmp(pif->device, than->device);

        return more > 0 || (more == 0 && (order < 0 || (order == 0 && pif->VLAN < than->VLAN)));
}

/* The bridge of the best one's network, owned; NULL: none has addresses. */
static Str choose(Manager *manager, const Row **rows, size_t n, const char *key)
{
        const PifRow *best = NULL;
        const NetworkRow *network;
        Str bridge;

        for (size_t i = 0; i < n; i++) {
                const PifRow *pif = (const PifRow *)rows[i];

                if (strcmp(pif->host, manager->host) == 0 && pif->managed && has_addresses(pif) &&
                    (!best || is_better(pif, best, key)))
                        best = pif;
        }
        network = best ? STORE_GET(NetworkRow, CLASS_NETWORK, manager->store, best->network) : NULL;
        if (!network)
                return NULL;
        bridge = str_ref(network->bridge);
        row_unref(&network->row);
        return bridge;
}

void pif_roles(Manager *manager, PifRoles *ret)
{
        size_t n;
        const Row **rows = store_rows(manager->store, &CLASS_PIF, &n);

        ret->gateway = choose(manager, rows, n, "defaultroute");
        ret->dns = choose(manager, rows, n, "peerdns");
        store_rows_free(rows, n);
}

void pif_roles_clear(PifRoles *roles)
{
        if (roles->gateway)
                str_unref(roles->gateway);
        if (roles->dns)
                str_unref(roles->dns);
        *roles = (PifRoles){ 0 };
}

bool pif_tell_roles(Manager *manager, const char *dbg, const PifRoles *roles, NetworkError **error)
{
        Bus *bus = manager->daemon->bus;

        return (!roles->gateway ||
                network_set_gateway_interface(bus, NETWORKD_CALL_USEC, dbg, roles->gateway, error)) &&
               (!roles->dns || network_set_dns_interface(bus, NETWORKD_CALL_USEC, dbg, roles->dns, error));
}
