/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel tells of links, addresses and routes. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "netlink-internal.h"

#define TRIES 10 /* of a list that changes while it is read */

static void read_kind(Link *link, struct nlattr *attribute)
{
        static struct nla_policy policy[IFLA_INFO_MAX + 1] = { [IFLA_INFO_KIND] = { .type = NLA_STRING } };
        static struct nla_policy vlan_policy[IFLA_VLAN_MAX + 1] = { [IFLA_VLAN_ID] = { .type = NLA_U16 } };
        struct nlattr *info[IFLA_INFO_MAX + 1], *vlan[IFLA_VLAN_MAX + 1];

        if (nla_parse_nested(info, IFLA_INFO_MAX, attribute, policy) < 0 || info[IFLA_INFO_KIND] == NULL)
                return;
        g_strlcpy(link->kind, nla_get_string(info[IFLA_INFO_KIND]), sizeof(link->kind));
        if (strcmp(link->kind, LINK_KIND_VLAN) == 0 && info[IFLA_INFO_DATA] != NULL &&
            nla_parse_nested(vlan, IFLA_VLAN_MAX, info[IFLA_INFO_DATA], vlan_policy) == 0 &&
            vlan[IFLA_VLAN_ID] != NULL)
                link->tag = nla_get_u16(vlan[IFLA_VLAN_ID]);
}

static void read_mac(Link *link, struct nlattr *attribute)
{
        const uint8_t *mac = nla_data(attribute);

        if (nla_len(attribute) == 6)
                snprintf(link->mac, sizeof(link->mac), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                         mac[2], mac[3], mac[4], mac[5]);
}

/* Left out where there is no IPv6. */
static void read_ipv6(Link *link, struct nlattr *families)
{
        struct nlattr *ipv6[IFLA_INET6_MAX + 1],
            *family = nla_find(nla_data(families), nla_len(families), AF_INET6);
        int32_t settings[DEVCONF_ACCEPT_RA_DEFRTR + 1];

        if (family == NULL || nla_parse_nested(ipv6, IFLA_INET6_MAX, family, NULL) < 0 ||
            ipv6[IFLA_INET6_CONF] == NULL || nla_len(ipv6[IFLA_INET6_CONF]) < (int)sizeof(settings))
                return;
        memcpy(settings, nla_data(ipv6[IFLA_INET6_CONF]), sizeof(settings));
        if (settings[DEVCONF_ACCEPT_RA] != 0)
                link->takes =
                    settings[DEVCONF_ACCEPT_RA_DEFRTR] != 0 ? IPV6_TAKES_ROUTER : IPV6_TAKES_PREFIXES;
        if (ipv6[IFLA_INET6_ADDR_GEN_MODE] != NULL)
                link->makes_link_local = nla_get_u8(ipv6[IFLA_INET6_ADDR_GEN_MODE]) != IN6_ADDR_GEN_MODE_NONE;
}

static uint32_t number(struct nlattr *attribute)
{
        return attribute != NULL ? nla_get_u32(attribute) : 0;
}

static int on_link(struct nl_msg *message, void *data)
{
        static struct nla_policy policy[IFLA_MAX + 1] = {
                [IFLA_IFNAME] = { .type = NLA_STRING, .maxlen = IFNAMSIZ },
                [IFLA_MTU] = { .type = NLA_U32 },
                [IFLA_MASTER] = { .type = NLA_U32 },
                [IFLA_LINK] = { .type = NLA_U32 },
                [IFLA_GROUP] = { .type = NLA_U32 },
                [IFLA_CARRIER] = { .type = NLA_U8 },
                [IFLA_LINKINFO] = { .type = NLA_NESTED },
        };
        const struct ifinfomsg *info = nlmsg_data(nlmsg_hdr(message));
        struct nlattr *attributes[IFLA_MAX + 1];
        Link *link;

        if (nlmsg_hdr(message)->nlmsg_type != RTM_NEWLINK ||
            nlmsg_parse(nlmsg_hdr(message), sizeof(*info), attributes, IFLA_MAX, policy) < 0 ||
            attributes[IFLA_IFNAME] == NULL)
                return NL_SKIP;
        link = links_add(data, info->ifi_index, nla_get_string(attributes[IFLA_IFNAME]));
        link->mtu = number(attributes[IFLA_MTU]);
        link->master = (int)number(attributes[IFLA_MASTER]);
        link->parent = (int)number(attributes[IFLA_LINK]);
        link->ours = number(attributes[IFLA_GROUP]) == NETLINK_GROUP;
        link->up = info->ifi_flags & IFF_UP;
        link->carrier = link->up && attributes[IFLA_CARRIER] != NULL && nla_get_u8(attributes[IFLA_CARRIER]);
        link->loopback = info->ifi_flags & IFF_LOOPBACK;
        if (attributes[IFLA_ADDRESS] != NULL)
                read_mac(link, attributes[IFLA_ADDRESS]);
        if (attributes[IFLA_LINKINFO] != NULL)
                read_kind(link, attributes[IFLA_LINKINFO]);
        if (attributes[IFLA_AF_SPEC] != NULL)
                read_ipv6(link, attributes[IFLA_AF_SPEC]);
        return NL_OK;
}

static bool read_address(int family, struct nlattr *attribute, int prefix_len, Address *ret)
{
        *ret = (Address){ .family = family, .prefix_len = prefix_len };
        return (size_t)nla_len(attribute) ==
                   (family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr)) &&
               inet_ntop(family, nla_data(attribute), ret->text, sizeof(ret->text)) != NULL;
}

static int on_address(struct nl_msg *message, void *data)
{
        const struct ifaddrmsg *info = nlmsg_data(nlmsg_hdr(message));
        struct nlattr *attributes[IFA_MAX + 1], *text;
        Address address;
        uint8_t origin;
        Link *link;

        if (nlmsg_hdr(message)->nlmsg_type != RTM_NEWADDR ||
            (info->ifa_family != AF_INET && info->ifa_family != AF_INET6) ||
            nlmsg_parse(nlmsg_hdr(message), sizeof(*info), attributes, IFA_MAX, NULL) < 0)
                return NL_SKIP;
        link = (Link *)links_by_index(data, (int)info->ifa_index);
        text = attributes[IFA_LOCAL] != NULL ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
        if (link == NULL || text == NULL ||
            !read_address(info->ifa_family, text, info->ifa_prefixlen, &address))
                return NL_OK;
        origin = attributes[IFA_PROTO] != NULL ? nla_get_u8(attributes[IFA_PROTO]) : 0;
        address.learned = origin == IFAPROT_KERNEL_RA;
        if (info->ifa_scope != RT_SCOPE_LINK)
                g_array_append_val(link->addresses, address);
        else if (origin == IFAPROT_KERNEL_LL)
                link->link_local = address;
        return NL_OK;
}

static int on_route(struct nl_msg *message, void *data)
{
        static const uint8_t nowhere[sizeof(struct in6_addr)];
        const struct rtmsg *info = nlmsg_data(nlmsg_hdr(message));
        struct nlattr *attributes[RTA_MAX + 1];
        Links *links = data;
        Route route = { 0 };
        Address gateway;

        if (nlmsg_hdr(message)->nlmsg_type != RTM_NEWROUTE || info->rtm_table != RT_TABLE_MAIN ||
            info->rtm_type != RTN_UNICAST ||
            nlmsg_parse(nlmsg_hdr(message), sizeof(*info), attributes, RTA_MAX, NULL) < 0 ||
            attributes[RTA_GATEWAY] == NULL || attributes[RTA_OIF] == NULL ||
            !read_address(info->rtm_family, attributes[RTA_GATEWAY], 0, &gateway))
                return NL_SKIP;
        route.link = (int)nla_get_u32(attributes[RTA_OIF]);
        route.ours = info->rtm_protocol == NETLINK_PROTOCOL;
        route.learned = info->rtm_protocol == RTPROT_RA;
        g_strlcpy(route.gateway, gateway.text, sizeof(route.gateway));
        if (attributes[RTA_DST] != NULL) {
                if (!read_address(info->rtm_family, attributes[RTA_DST], info->rtm_dst_len, &route.to))
                        return NL_SKIP;
        } else {
                route.to = (Address){ .family = info->rtm_family };
                inet_ntop(info->rtm_family, nowhere, route.to.text, sizeof(route.to.text));
        }
        g_array_append_val(links->routes, route);
        return NL_OK;
}

static int dump(struct nl_sock *socket, int type, void *header, size_t size, nl_recvmsg_msg_cb_t function,
                Links *links)
{
        int r;

        nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, function, links);
        r = nl_send_simple(socket, type, NLM_F_DUMP, header, size);
        if (r < 0)
                return r;
        return nl_recvmsgs_default(socket);
}

static int read_once(struct nl_sock *socket, Links *links)
{
        struct ifinfomsg link = { .ifi_family = AF_UNSPEC };
        struct ifaddrmsg address = { .ifa_family = AF_UNSPEC };
        struct rtmsg route4 = { .rtm_family = AF_INET }, route6 = { .rtm_family = AF_INET6 };
        int r;

        g_ptr_array_set_size(links->links, 0);
        g_array_set_size(links->routes, 0);
        r = dump(socket, RTM_GETLINK, &link, sizeof(link), on_link, links);
        if (r >= 0)
                r = dump(socket, RTM_GETADDR, &address, sizeof(address), on_address, links);
        if (r >= 0)
                r = dump(socket, RTM_GETROUTE, &route4, sizeof(route4), on_route, links);
        if (r >= 0)
                r = dump(socket, RTM_GETROUTE, &route6, sizeof(route6), on_route, links);
        return r;
}

int netlink_read(struct nl_sock *socket, Links *links)
{
        int r = 0;

        for (int i = 0; i < TRIES; i++) {
                r = read_once(socket, links);
                if (r != -NLE_DUMP_INTR)
                        break;
        }
        return netlink_errno(r);
}
