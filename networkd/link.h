/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interfaces of a host with their addresses and routes, as they were at one moment. */
#pragma once

#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

#include <glib.h>

#define LINK_MTU_MIN     68
#define LINK_MTU_MAX     65535
#define LINK_VLAN_MAX    4094
#define LINK_MAC_SIZE    18 /* with the NUL */
#define LINK_KIND_BRIDGE "bridge"
#define LINK_KIND_VLAN   "vlan"

/* An address, or a network: what follows the prefix is of no matter there. */
typedef struct Address {
        int family; /* AF_INET, AF_INET6 */
        int prefix_len;
        char text[INET6_ADDRSTRLEN]; /* as inet_ntop writes it */
        bool learned;                /* from what a router advertises */
} Address;

/* What a link takes of what routers advertise by IPv6. */
typedef enum Ipv6Advertisements {
        IPV6_IGNORES,
        IPV6_TAKES_PREFIXES, /* addresses, no default route */
        IPV6_TAKES_ROUTER,
} Ipv6Advertisements;

typedef struct Link {
        int index;
        char name[IFNAMSIZ];
        char kind[IFNAMSIZ]; /* LINK_KIND_...; "" where the kernel gives none */
        char mac[LINK_MAC_SIZE];
        int64_t mtu;
        bool up;
        bool carrier; /* false while down */
        bool ours;    /* made by this daemon, one before it included */
        bool loopback;
        Ipv6Advertisements takes;
        bool makes_link_local; /* an IPv6 address, by itself, whenever it is up */
        Address link_local;    /* that address; family 0: there is none */
        int master;            /* index of the bridge or bond whose port it is; 0: none */
        int parent;            /* a VLAN's: index of what carries it */
        int tag;               /* a VLAN's */
        GArray *addresses;     /* of Address; those of scope link left out */
} Link;

typedef struct Route {
        int link;   /* index */
        Address to; /* prefix_len 0: the default route */
        char gateway[INET6_ADDRSTRLEN];
        bool ours;
        bool learned; /* from what a router advertises */
} Route;

typedef struct Links {
        GPtrArray *links; /* of Link, by index */
        GArray *routes;   /* of Route; those with a gateway */
} Links;

Links *links_new(void);
void links_free(Links *links); /* NULL is legal */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Links, links_free)

Link *links_add(Links *links, int index, const char *name);   /* borrowed; `name` is cut to what fits */
const Link *links_find(const Links *links, const char *name); /* borrowed, as long as `links`; NULL: none */
const Link *links_by_index(const Links *links, int index);
bool link_is_bridge(const Link *link);
bool link_has_address(const Link *link, const Address *address);
const Route *links_gateway(const Links *links, const Link *link,
                           int family); /* its default route; NULL: none */

/* Whether an interface can have that name: at most 15 bytes of printable ASCII without '/', ':', '%' or spaces. */
bool link_name_is_valid(const char *name);
bool link_mac_is_valid(const char *text); /* six pairs of hexadecimal digits, of one interface */

/* False: it is no address of that family, or the prefix is too long. */
bool address_parse(int family, const char *text, int64_t prefix_len, Address *ret);
bool address_equal(const Address *a, const Address *b);
