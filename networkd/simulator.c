/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulator.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "idl/runtime/bus-type.h"
#include "sim-state.h"

typedef struct Simulator {
        Backend backend;
        char *path;
        char **cards;
        pthread_mutex_t lock;
        Links *links;
} Simulator;

static Link *find(Links *links, const char *name)
{
        return name != NULL ? (Link *)links_find(links, name) : NULL;
}

/* As different as names are, and the same after a restart. */
static void make_mac(const char *name, char ret[LINK_MAC_SIZE])
{
        guint hash = g_str_hash(name);

        g_snprintf(ret, LINK_MAC_SIZE, "02:51:%02x:%02x:%02x:%02x", hash >> 24, hash >> 16 & 255,
                   hash >> 8 & 255, hash & 255);
}

static Link *add(Links *links, const char *name, const char *kind)
{
        int index = 1;
        Link *link;

        for (guint i = 0; i < links->links->len; i++)
                index = MAX(index, ((const Link *)g_ptr_array_index(links->links, i))->index + 1);
        link = links_add(links, index, name);
        g_strlcpy(link->kind, kind, sizeof(link->kind));
        make_mac(name, link->mac);
        link->mtu = 1500;
        return link;
}

/* ---- changes ---- */

static int add_link(Links *links, const Change *change)
{
        bool vlan = change->kind == CHANGE_ADD_VLAN;
        const Link *carrier = vlan ? links_find(links, change->text) : NULL;
        Link *link;

        if (links_find(links, change->name) != NULL)
                return -EEXIST;
        if (vlan && carrier == NULL)
                return -ENODEV;
        link = add(links, change->name, vlan ? LINK_KIND_VLAN : LINK_KIND_BRIDGE);
        link->ours = link->makes_link_local = true;
        if (vlan) {
                link->parent = carrier->index;
                link->tag = (int)change->number;
        } else if (change->text != NULL) {
                g_strlcpy(link->mac, change->text, sizeof(link->mac));
        }
        return 0;
}

static void delete_link(Links *links, int index)
{
        for (guint i = links->routes->len; i-- > 0;)
                if (g_array_index(links->routes, Route, i).link == index)
                        g_array_remove_index(links->routes, i);
        for (guint i = links->links->len; i-- > 0;) {
                Link *link = g_ptr_array_index(links->links, i);

                if (link->master == index)
                        link->master = 0;
                if (link->index == index)
                        g_ptr_array_remove_index(links->links, i);
        }
        /* What it carries goes with it. */
        for (guint i = 0; i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);

                if (link->parent == index && strcmp(link->kind, LINK_KIND_VLAN) == 0) {
                        delete_link(links, link->index);
                        i = 0;
                }
        }
}

static int change_address(Link *link, const Change *change)
{
        bool there = link_has_address(link, change->address);

        if (change->kind == CHANGE_ADD_ADDRESS) {
                if (there)
                        return -EEXIST;
                g_array_append_val(link->addresses, *change->address);
                return 0;
        }
        for (guint i = 0; there && i < link->addresses->len; i++)
                if (address_equal(&g_array_index(link->addresses, Address, i), change->address)) {
                        g_array_remove_index(link->addresses, i);
                        return 0;
                }
        return -EADDRNOTAVAIL;
}

static int change_route(Links *links, const Link *link, const Change *change)
{
        Route route = { .link = link->index, .to = *change->address, .ours = true };

        g_strlcpy(route.gateway, change->text, sizeof(route.gateway));
        for (guint i = 0; i < links->routes->len; i++) {
                const Route *other = &g_array_index(links->routes, Route, i);

                if (!address_equal(&other->to, &route.to))
                        continue;
                if (change->kind == CHANGE_ADD_ROUTE)
                        return -EEXIST;
                if (other->link == route.link && strcmp(other->gateway, route.gateway) == 0) {
                        g_array_remove_index(links->routes, i);
                        return 0;
                }
        }
        if (change->kind == CHANGE_REMOVE_ROUTE)
                return -ESRCH;
        g_array_append_val(links->routes, route);
        return 0;
}

static int set_master(Links *links, Link *link, const char *name)
{
        const Link *master = find(links, name);

        if (name != NULL && master == NULL)
                return -ENODEV;
        if (master != NULL && !link_is_bridge(master))
                return -EOPNOTSUPP;
        link->master = master != NULL ? master->index : 0;
        return 0;
}

/* What the simulated server gives the interface. */
static void lease_address(const Link *link, Address *ret)
{
        g_autofree char *text = g_strdup_printf("10.251.%d.2", link->index & 255);

        address_parse(AF_INET, text, 24, ret);
}

/* With a default route where that counts. */
static int change_lease(Links *links, Link *link, const Change *change)
{
        bool start = change->kind == CHANGE_START_DHCP;
        Route route = { .link = link->index };
        Address lease;

        lease_address(link, &lease);
        address_parse(AF_INET, "0.0.0.0", 0, &route.to);
        g_snprintf(route.gateway, sizeof(route.gateway), "10.251.%d.1", link->index & 255);
        if (link_has_address(link, &lease) == start)
                return 0;
        for (guint i = links->routes->len; !start && i-- > 0;)
                if (strcmp(g_array_index(links->routes, Route, i).gateway, route.gateway) == 0)
                        g_array_remove_index(links->routes, i);
        if (start && (change->number & DHCP_TAKES_GATEWAY))
                g_array_append_val(links->routes, route);
        return change_address(
            link, &(Change){ .kind = start ? CHANGE_ADD_ADDRESS : CHANGE_REMOVE_ADDRESS, .address = &lease });
}

static int change(Links *links, const Change *change)
{
        Link *link;

        if (change->kind == CHANGE_ADD_BRIDGE || change->kind == CHANGE_ADD_VLAN)
                return add_link(links, change);
        link = find(links, change->name);
        if (link == NULL)
                return -ENODEV;
        switch (change->kind) {
        case CHANGE_DELETE:
                delete_link(links, link->index);
                return 0;
        case CHANGE_MASTER:
                return set_master(links, link, change->text);
        case CHANGE_UP:
        case CHANGE_DOWN:
                link->up = link->carrier = change->kind == CHANGE_UP;
                return 0;
        case CHANGE_MTU:
                link->mtu = change->number;
                return 0;
        case CHANGE_MAC:
                g_strlcpy(link->mac, change->text, sizeof(link->mac));
                return 0;
        case CHANGE_LINK_LOCAL:
                link->makes_link_local = change->number != 0;
                return 0;
        case CHANGE_ADVERTISEMENTS:
                link->takes = (Ipv6Advertisements)change->number;
                return 0;
        case CHANGE_ADD_ADDRESS:
        case CHANGE_REMOVE_ADDRESS:
                return change_address(link, change);
        case CHANGE_START_DHCP:
        case CHANGE_STOP_DHCP:
                return change_lease(links, link, change);
        case CHANGE_ADD_ROUTE:
        case CHANGE_REMOVE_ROUTE:
                return change_route(links, link, change);
        default:
                return 0; /* snooping: nothing to see of it */
        }
}

static int backend_change(Backend *backend, const Change *wanted)
{
        Simulator *simulator = (Simulator *)backend;
        g_autoptr(Links) changed = NULL;
        int r;

        pthread_mutex_lock(&simulator->lock);
        changed = links_copy(simulator->links);
        r = change(changed, wanted);
        if (r == 0)
                r = sim_state_write(simulator->path, changed);
        if (r == 0) {
                links_free(simulator->links);
                simulator->links = g_steal_pointer(&changed);
        }
        pthread_mutex_unlock(&simulator->lock);
        return r;
}

/* ---- the back end ---- */

static int backend_read(Backend *backend, Links **ret)
{
        Simulator *simulator = (Simulator *)backend;

        pthread_mutex_lock(&simulator->lock);
        *ret = links_copy(simulator->links);
        pthread_mutex_unlock(&simulator->lock);
        return 0;
}

static bool has_dhcp(Backend *backend, const char *name)
{
        Simulator *simulator = (Simulator *)backend;
        const Link *link;
        Address lease;
        bool yes;

        pthread_mutex_lock(&simulator->lock);
        link = links_find(simulator->links, name);
        if (link != NULL)
                lease_address(link, &lease);
        yes = link != NULL && link_has_address(link, &lease);
        pthread_mutex_unlock(&simulator->lock);
        return yes;
}

static bool exists(Backend *backend, const char *name)
{
        Simulator *simulator = (Simulator *)backend;
        bool yes;

        pthread_mutex_lock(&simulator->lock);
        yes = links_find(simulator->links, name) != NULL;
        pthread_mutex_unlock(&simulator->lock);
        return yes;
}

static bool is_physical(Backend *backend, const char *name)
{
        return g_strv_contains((const char *const *)((Simulator *)backend)->cards, name);
}

static char *pci_path(Backend *backend, const char *name)
{
        return bus_strdup("");
}

static void backend_free(Backend *backend)
{
        Simulator *simulator = (Simulator *)backend;

        links_free(simulator->links);
        pthread_mutex_destroy(&simulator->lock);
        g_strfreev(simulator->cards);
        g_free(simulator->path);
        g_free(simulator);
}

static void add_loopback(Links *links)
{
        Link *link = add(links, "lo", "");

        g_strlcpy(link->mac, "00:00:00:00:00:00", sizeof(link->mac));
        link->mtu = 65536;
        link->up = link->carrier = link->loopback = true;
}

static int start(Simulator *simulator)
{
        int r = sim_state_read(simulator->path, &simulator->links);

        if (r == -ENOENT) {
                simulator->links = links_new();
                add_loopback(simulator->links);
                r = 0;
        }
        for (char **card = simulator->cards; r == 0 && *card != NULL; card++)
                if (links_find(simulator->links, *card) == NULL)
                        add(simulator->links, *card, "");
        return r == 0 ? sim_state_write(simulator->path, simulator->links) : r;
}

Backend *simulator_new(const char *folder, const char *interfaces, char **ret_error)
{
        static const BackendClass class = { .name = "simulator",
                                            .read = backend_read,
                                            .exists = exists,
                                            .change = backend_change,
                                            .is_physical = is_physical,
                                            .pci_path = pci_path,
                                            .has_dhcp = has_dhcp,
                                            .free = backend_free };
        Simulator *simulator = g_new0(Simulator, 1);
        int r;

        simulator->backend.class = &class;
        simulator->path = g_build_filename(folder, "simulator", NULL);
        simulator->cards = g_strsplit_set(interfaces, " ", -1);
        pthread_mutex_init(&simulator->lock, NULL);
        for (char **card = simulator->cards; *card != NULL; card++)
                if (!link_name_is_valid(*card)) {
                        *ret_error = g_strdup_printf("No name that an interface can have: %s", *card);
                        backend_free(&simulator->backend);
                        return NULL;
                }
        r = start(simulator);
        if (r == 0)
                return &simulator->backend;
        *ret_error = g_strdup_printf("%s: %s", simulator->path, g_strerror(-r));
        backend_free(&simulator->backend);
        return NULL;
}
