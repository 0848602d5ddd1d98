/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's cards as networkd shows them, and the PIFs that stand for them. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon.h"
#include "mac.h"
#include "pif.h"

#define BRIDGE_NAME_MAX 15                                       /* bytes: IFNAMSIZ less the NUL */
#define FIRST_LABEL     "Pool-wide network associated with eth0" /* as host-objects.c makes it */

/* ---- one card ---- */

typedef struct Card {
        char *mac;
        int64_t mtu;
        char *pci_path;
        char *bridge; /* that it is a port of; NULL: none */
} Card;

static void card_clear(Card *card)
{
        free(card->mac);
        free(card->pci_path);
        free(card->bridge);
}

static bool find_bridge(Bus *bus, const char *dbg, const char *device, char **ret, NetworkError **e)
{
        BusStrings bridges = { 0 };
        bool ok = network_bridge_get_all(bus, NETWORKD_CALL_USEC, dbg, &bridges, e);

        for (size_t i = 0; ok && !*ret && i < bridges.n; i++) {
                BusStrings ports = { 0 };

                /* One that is gone meanwhile has no ports. */
                if (!network_bridge_get_interfaces(bus, NETWORKD_CALL_USEC, dbg, bridges.items[i], &ports,
                                                   e)) {
                        ok = (*e)->tag == NETWORK_ERROR_BRIDGE_DOES_NOT_EXIST;
                        if (ok)
                                g_clear_pointer(e, network_error_free);
                        continue;
                }
                for (size_t k = 0; k < ports.n && !*ret; k++)
                        if (strcmp(ports.items[k], device) == 0)
                                *ret = bus_strdup(bridges.items[i]);
                bus_strings_clear(&ports);
        }
        bus_strings_clear(&bridges);
        return ok;
}

static bool card_get(Manager *manager, const char *dbg, const char *device, Card *ret, NetworkError **e)
{
        Bus *bus = manager->daemon->bus;
        bool physical = false;

        *ret = (Card){ 0 };
        if (!network_interface_is_physical(bus, NETWORKD_CALL_USEC, dbg, device, &physical, e))
                return false;
        return (physical || network_fail_interface_does_not_exist(e, device)) &&
               network_interface_get_mac(bus, NETWORKD_CALL_USEC, dbg, device, &ret->mac, e) &&
               network_interface_get_mtu(bus, NETWORKD_CALL_USEC, dbg, device, &ret->mtu, e) &&
               network_interface_get_pci_bus_path(bus, NETWORKD_CALL_USEC, dbg, device, &ret->pci_path, e) &&
               find_bridge(bus, dbg, device, &ret->bridge, e);
}

/* ---- its network ---- */

typedef struct Wanted {
        Txn *txn;
        Manager *manager;
        const char *bridge;
        const NetworkRow *found;
} Wanted;

static bool match_bridge(const Row *row, void *user)
{
        Wanted *w = user;
        const NetworkRow *network = (const NetworkRow *)row;

        if (strcmp(network->bridge, w->bridge) == 0)
                w->found = network;
        return !w->found;
}

static const NetworkRow *network_of_bridge(Txn *txn, Manager *manager, const char *bridge)
{
        Wanted w = { .txn = txn, .manager = manager, .bridge = bridge };

        txn_each(txn, &CLASS_NETWORK, match_bridge, &w);
        return w.found;
}

/* "xenbr0" for eth0, "brens3" for ens3. */
static char *usual_bridge(const char *device)
{
        g_autofree char *name = g_str_has_prefix(device, "eth") ? g_strconcat("xenbr", device + 3, NULL)
                                                                : g_strconcat("br", device, NULL);

        return g_strndup(name, BRIDGE_NAME_MAX);
}

/* A new pool has a network for its first card before it is known what that is. */
static NetworkRow *first_network(Txn *txn, Manager *manager)
{
        const HostRow *host = (const HostRow *)txn_get(txn, &CLASS_HOST, manager->host);
        const NetworkRow *network = network_of_bridge(txn, manager, "xenbr0");

        if (!host || host->PIFs->n || !network || network->PIFs->n || network->VIFs->n ||
            strcmp(network->name_label, FIRST_LABEL) != 0)
                return NULL;
        return (NetworkRow *)txn_edit(txn, &CLASS_NETWORK, network->row.ref);
}

static NetworkRow *network_for(Txn *txn, Manager *manager, const char *device, const Card *card)
{
        g_autofree char *usual = usual_bridge(device);
        g_autofree char *label = g_strdup_printf("Pool-wide network associated with %s", device);
        const char *bridge = card->bridge ? card->bridge : usual;
        const NetworkRow *known = network_of_bridge(txn, manager, bridge);
        NetworkRow *network;

        if (known && !pif_of_network(txn, known, manager->host))
                return (NetworkRow *)txn_edit(txn, &CLASS_NETWORK, known->row.ref);
        network = known ? NULL : first_network(txn, manager);
        if (!network)
                network = (NetworkRow *)txn_create(txn, &CLASS_NETWORK, NULL, NULL);
        slot_str(&network->name_label, label);
        slot_str(&network->bridge, known ? usual : bridge);
        network->managed = true;
        return network;
}

/* ---- introducing ---- */

static PifRow *insert(Txn *txn, Manager *manager, const char *device, const Card *card, bool managed)
{
        NetworkRow *network = network_for(txn, manager, device, card);
        PifRow *pif = (PifRow *)row_new(&CLASS_PIF, "");

        network->MTU = card->mtu;
        slot_str(&pif->device, device);
        slot_str(&pif->MAC, card->mac);
        slot_str(&pif->network, network->row.ref);
        slot_str(&pif->host, manager->host);
        pif->MTU = card->mtu;
        pif->VLAN = PIF_NO_VLAN;
        pif->physical = true;
        pif->managed = managed;
        pif->currently_attached = card->bridge && strcmp(card->bridge, network->bridge) == 0;
        pif = pif_insert(txn, pif);
        slot_str(&((PifMetricsRow *)txn_edit(txn, &CLASS_PIF_METRICS, pif->metrics))->pci_bus_path,
                 card->pci_path ? card->pci_path : "");
        return pif;
}

static bool fail_not_found(const char *device, const char *mac, XapiError **error)
{
        return xapi_fail(error,
                         ERR_COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS,
                         device, mac, NULL);
}

static Str commit_new(Manager *manager, const char *device, const Card *card, bool managed, XapiError **error)
{
        Txn *txn = txn_begin(manager->store);
        Str ref;

        if (pif_of_device(txn, manager->host, device, PIF_NO_VLAN)) {
                txn_abort(txn);
                xapi_fail(error, ERR_DUPLICATE_PIF_DEVICE_NAME, device, NULL);
                return NULL;
        }
        ref = str_ref(insert(txn, manager, device, card, managed)->row.ref);
        if (txn_commit_wait(txn, error))
                return ref;
        str_unref(ref);
        return NULL;
}

Str pif_introduce(Manager *manager, const char *dbg, const char *device, const char *mac, bool managed,
                  XapiError **error)
{
        NetworkError *e = NULL;
        Str ref = NULL;
        Card card;

        if (!card_get(manager, dbg, device, &card, &e)) {
                if (e->tag == NETWORK_ERROR_INTERFACE_DOES_NOT_EXIST)
                        fail_not_found(device, mac, error);
                else
                        networkd_fail(g_steal_pointer(&e), error);
                network_error_free(e);
        } else if (*mac && g_ascii_strcasecmp(mac, card.mac) != 0) {
                fail_not_found(device, mac, error);
        } else {
                ref = commit_new(manager, device, &card, managed, error);
        }
        card_clear(&card);
        return ref;
}

static bool is_known(Manager *manager, const char *device)
{
        Txn *txn = txn_begin(manager->store);
        bool known = pif_of_device(txn, manager->host, device, PIF_NO_VLAN);

        txn_abort(txn);
        return known;
}

static int compare_positions(const void *a, const void *b)
{
        const NetworkIntDictItem *x = a, *y = b;

        return (x->value > y->value) - (x->value < y->value);
}

bool pif_scan(Manager *manager, const char *dbg, GPtrArray **ret_made, XapiError **error)
{
        NetworkIntDict cards = { 0 };
        NetworkError *e = NULL;
        GPtrArray *made = g_ptr_array_new_with_free_func(g_free);
        bool ok = network_interface_get_interface_positions(manager->daemon->bus, NETWORKD_CALL_USEC, dbg,
                                                            &cards, &e) ||
                  networkd_fail(e, error);

        if (ok && cards.n)
                qsort(cards.items, cards.n, sizeof(*cards.items), compare_positions);
        for (size_t i = 0; ok && i < cards.n; i++) {
                auto_str ref = NULL;

                if (is_known(manager, cards.items[i].key))
                        continue;
                ref = pif_introduce(manager, dbg, cards.items[i].key, "", true, error);
                ok = ref;
                if (ok)
                        g_ptr_array_add(made, g_strdup(ref));
        }
        network_int_dict_clear(&cards);
        if (ok && ret_made)
                *ret_made = made;
        else
                g_ptr_array_unref(made);
        return ok;
}

/* ---- following ---- */

/* How a PIF is, on the host. */
typedef struct Seen {
        bool carrier;
        NetworkAddressList ipv4, ipv6;
        char *gateway;
} Seen;

static void seen_clear(Seen *s)
{
        network_address_list_clear(&s->ipv4);
        network_address_list_clear(&s->ipv6);
        free(s->gateway);
}

/* An interface that is not there has no carrier and no addresses. False: networkd does not answer. */
static bool see_addresses(Bus *bus, const char *name, Seen *ret)
{
        NetworkError *e = NULL;
        bool ok =
            network_interface_get_ipv4_addr(bus, NETWORKD_CALL_USEC, "follow", name, &ret->ipv4, &e) &&
            network_interface_get_ipv6_addr(bus, NETWORKD_CALL_USEC, "follow", name, &ret->ipv6, &e) &&
            network_interface_get_ipv4_gateway(bus, NETWORKD_CALL_USEC, "follow", name, &ret->gateway, &e);

        ok = ok || !network_error_failure(e);
        network_error_free(e);
        return ok;
}

static bool see(Bus *bus, const char *device, const char *bridge, Seen *ret)
{
        NetworkError *e = NULL;
        bool ok =
            network_interface_is_connected(bus, NETWORKD_CALL_USEC, "follow", device, &ret->carrier, &e) ||
            !network_error_failure(e);

        network_error_free(e);
        return ok && see_addresses(bus, bridge, ret) && (ret->ipv4.n || see_addresses(bus, device, ret));
}

static char *netmask_text(int64_t prefix_len)
{
        uint32_t mask = prefix_len <= 0 ? 0 : UINT32_MAX << (32 - MIN(prefix_len, 32));

        return g_strdup_printf("%u.%u.%u.%u", mask >> 24, mask >> 16 & 255, mask >> 8 & 255, mask & 255);
}

static Set *ipv6_set(const PifRow *pif, const NetworkAddressList *addresses)
{
        g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

        for (size_t i = 0; i < addresses->n; i++)
                g_ptr_array_add(texts, g_strdup_printf("%s/%lld", addresses->items[i].address,
                                                       (long long)addresses->items[i].prefix_length));
        g_ptr_array_add(texts, NULL);
        return set_of_strings(pif->IPv6->element, (const char *const *)texts->pdata);
}

/* What is configured stays as configured; the rest is as it is. */
static void fold_addresses(PifRow *pif, const Seen *s)
{
        if (pif->ip_configuration_mode != IP_CONFIGURATION_MODE_STATIC) {
                g_autofree char *netmask =
                    s->ipv4.n ? netmask_text(s->ipv4.items[0].prefix_length) : g_strdup("");

                slot_str(&pif->IP, s->ipv4.n ? s->ipv4.items[0].address : "");
                slot_str(&pif->netmask, netmask);
                slot_str(&pif->gateway, s->gateway ? s->gateway : "");
        }
        if (pif->ipv6_configuration_mode != IPV6_CONFIGURATION_MODE_STATIC)
                slot_set(&pif->IPv6, ipv6_set(pif, &s->ipv6));
}

static bool has_management(Txn *txn, const HostRow *host)
{
        for (uint32_t i = 0; i < host->PIFs->n; i++) {
                const PifRow *pif = (const PifRow *)txn_get(txn, &CLASS_PIF, host->PIFs->items[i].s);

                if (pif && pif->management)
                        return true;
        }
        return false;
}

static void fold(Manager *manager, const char *ref, const Seen *s)
{
        Txn *txn = txn_begin(manager->store);
        PifRow *pif = (PifRow *)txn_edit(txn, &CLASS_PIF, ref);
        PifMetricsRow *metrics =
            pif ? (PifMetricsRow *)txn_edit(txn, &CLASS_PIF_METRICS, pif->metrics) : NULL;
        const HostRow *host = (const HostRow *)txn_get(txn, &CLASS_HOST, manager->host);

        if (pif)
                fold_addresses(pif, s);
        /* The card that the host is reached through, until somebody says otherwise. */
        if (pif && host && *pif->IP && strcmp(pif->IP, host->address) == 0 && !has_management(txn, host))
                pif->management = true;
        if (metrics && metrics->carrier != s->carrier) {
                metrics->carrier = s->carrier;
                metrics->last_updated = time(NULL);
        }
        txn_commit(txn, NULL, NULL);
}

static bool refresh(Manager *manager, const PifRow *pif)
{
        const NetworkRow *network = STORE_GET(NetworkRow, CLASS_NETWORK, manager->store, pif->network);
        Seen s = { 0 };
        bool ok = see(manager->daemon->bus, pif->device, network ? network->bridge : "", &s);

        if (ok)
                fold(manager, pif->row.ref, &s);
        seen_clear(&s);
        if (network)
                row_unref(&network->row);
        return ok;
}

bool pifs_refresh(Manager *manager)
{
        NetworkError *e = NULL;
        NetworkKind kind;
        bool ok = network_bridge_get_kind(manager->daemon->bus, NETWORKD_CALL_USEC, "follow", &kind, &e);
        size_t n;
        const Row **rows;

        if (!ok) {
                network_error_free(e);
                return false;
        }
        rows = store_rows(manager->store, &CLASS_PIF, &n);
        for (size_t i = 0; ok && i < n; i++)
                if (strcmp(((const PifRow *)rows[i])->host, manager->host) == 0)
                        ok = refresh(manager, (const PifRow *)rows[i]);
        store_rows_free(rows, n);
        return ok;
}
