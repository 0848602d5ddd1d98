/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "client.h"
#include "netlink-internal.h"
#include "sysfs.h"

#define IPV6_SETTINGS "/proc/sys/net/ipv6/conf"
#define BUFFER_BYTES  (1 << 20) /* for messages that wait; lists of thousands of links */

typedef struct Netlink {
        Backend backend;
        char *folder;           /* gone after a boot */
        struct nl_sock *socket; /* of changes */
        NetlinkWatch *watch;    /* NULL: none */
} Netlink;

int netlink_errno(int error)
{
        switch (error < 0 ? -error : 0) {
        case 0:
                return 0;
        case NLE_OBJ_NOTFOUND:
        case NLE_NODEV:
                return -ENODEV;
        case NLE_EXIST:
                return -EEXIST;
        case NLE_NOMEM:
                return -ENOMEM;
        case NLE_BUSY:
                return -EBUSY;
        case NLE_PERM:
        case NLE_NOACCESS:
                return -EPERM;
        case NLE_RANGE:
                return -ERANGE;
        case NLE_OPNOTSUPP:
        case NLE_AF_NOSUPPORT:
        case NLE_PROTO_MISMATCH:
                return -EOPNOTSUPP;
        case NLE_NOADDR:
                return -EADDRNOTAVAIL;
        case NLE_AGAIN:
        case NLE_DUMP_INTR:
                return -EAGAIN;
        case NLE_INVAL:
        case NLE_MISSING_ATTR:
                return -EINVAL;
        default:
                return -EIO;
        }
}

struct nl_sock *netlink_open(int *ret_error)
{
        struct nl_sock *socket = nl_socket_alloc();
        int r = socket != NULL ? nl_connect(socket, NETLINK_ROUTE) : -NLE_NOMEM;

        if (r == 0)
                r = nl_socket_set_buffer_size(socket, BUFFER_BYTES, 0);
        if (r == 0) {
                nl_socket_enable_msg_peek(socket);
                return socket;
        }
        *ret_error = netlink_errno(r);
        nl_socket_free(socket);
        return NULL;
}

static int backend_read(Backend *backend, Links **ret)
{
        Links *links;
        struct nl_sock *socket;
        int r = 0;

        socket = netlink_open(&r);
        if (socket == NULL)
                return r;
        links = links_new();
        r = netlink_read(socket, links);
        nl_socket_free(socket);
        if (r == 0)
                *ret = links;
        else
                links_free(links);
        return r;
}

/* ---- links ---- */

/* The index, or 0. */
static unsigned index_of(const char *name)
{
        return name != NULL ? if_nametoindex(name) : 0;
}

/* A message about the link; to make one where `name` is given. */
static struct nl_msg *link_message(int type, int flags, unsigned index, unsigned up, unsigned mask)
{
        struct ifinfomsg info = { .ifi_index = (int)index, .ifi_flags = up, .ifi_change = mask };
        struct nl_msg *message = nlmsg_alloc_simple(type, flags);

        if (message == NULL || nlmsg_append(message, &info, sizeof(info), NLMSG_ALIGNTO) < 0)
                abort();
        return message;
}

/* Sends, waits for the kernel's word, frees the message. */
static int message_send(Netlink *netlink, struct nl_msg *message)
{
        return netlink_errno(nl_send_sync(netlink->socket, message));
}

static bool put_mac(struct nl_msg *message, const char *text)
{
        uint8_t mac[6];

        return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1], &mac[2], &mac[3],
                      &mac[4], &mac[5]) == 6 &&
               nla_put(message, IFLA_ADDRESS, sizeof(mac), mac) == 0;
}

static struct nl_msg *add_message(const Change *change, const char *kind)
{
        struct nl_msg *message = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0, 0);

        nla_put_string(message, IFLA_IFNAME, change->name);
        nla_put_u32(message, IFLA_GROUP, NETLINK_GROUP);
        if (strcmp(kind, LINK_KIND_BRIDGE) == 0 && change->text != NULL)
                put_mac(message, change->text);
        return message;
}

/* A bridge that forwards at once: no spanning tree, so nothing to wait for. */
static int add_bridge(Netlink *netlink, const Change *change)
{
        struct nl_msg *message = add_message(change, LINK_KIND_BRIDGE);
        struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO), *data;

        nla_put_string(message, IFLA_INFO_KIND, LINK_KIND_BRIDGE);
        data = nla_nest_start(message, IFLA_INFO_DATA);
        nla_put_u32(message, IFLA_BR_STP_STATE, 0);
        nla_put_u32(message, IFLA_BR_FORWARD_DELAY, 0);
        nla_nest_end(message, data);
        nla_nest_end(message, info);
        return message_send(netlink, message);
}

static int add_vlan(Netlink *netlink, const Change *change)
{
        unsigned carrier = index_of(change->text);
        struct nlattr *info, *data;
        struct nl_msg *message;

        if (carrier == 0)
                return -ENODEV;
        message = add_message(change, LINK_KIND_VLAN);
        nla_put_u32(message, IFLA_LINK, carrier);
        info = nla_nest_start(message, IFLA_LINKINFO);
        nla_put_string(message, IFLA_INFO_KIND, LINK_KIND_VLAN);
        data = nla_nest_start(message, IFLA_INFO_DATA);
        nla_put_u16(message, IFLA_VLAN_ID, (uint16_t)change->number);
        nla_nest_end(message, data);
        nla_nest_end(message, info);
        return message_send(netlink, message);
}

static int set_snooping(Netlink *netlink, const Change *change, unsigned index)
{
        struct nl_msg *message = link_message(RTM_NEWLINK, 0, index, 0, 0);
        struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO), *data;

        nla_put_string(message, IFLA_INFO_KIND, LINK_KIND_BRIDGE);
        data = nla_nest_start(message, IFLA_INFO_DATA);
        nla_put_u8(message, IFLA_BR_MCAST_SNOOPING, change->number != 0);
        nla_nest_end(message, data);
        nla_nest_end(message, info);
        return message_send(netlink, message);
}

/* Netlink tells of these and does not take them. */
static int set_ipv6(const char *name, const char *setting, const char *value)
{
        g_autofree char *path = g_strdup_printf(IPV6_SETTINGS "/%s/%s", name, setting);
        int fd = open(path, O_WRONLY | O_CLOEXEC), r;

        if (fd < 0)
                return -errno;
        r = write(fd, value, strlen(value)) < 0 ? -errno : 0;
        close(fd);
        return r;
}

/* Also on a host that is a router itself. */
static int set_advertisements(const Change *change)
{
        int r = change->number == IPV6_IGNORES ? 0
                                               : set_ipv6(change->name, "accept_ra_defrtr",
                                                          change->number == IPV6_TAKES_ROUTER ? "1" : "0");

        return r < 0 ? r : set_ipv6(change->name, "accept_ra", change->number == IPV6_IGNORES ? "0" : "2");
}

/* How links that nobody set make the address; where that is not at all, as RFC 4291 has it. */
static void usual_link_local(char ret[2])
{
        g_autofree char *text = NULL;

        g_strlcpy(ret, "0", 2);
        if (g_file_get_contents(IPV6_SETTINGS "/default/addr_gen_mode", &text, NULL, NULL) &&
            atoi(text) != IN6_ADDR_GEN_MODE_NONE && atoi(text) > 0 && atoi(text) < 10)
                ret[0] = text[0];
}

static int set_link_local(Netlink *netlink, const Change *change, unsigned index)
{
        struct nlattr *families, *family;
        struct nl_msg *message;
        char mode[2];

        /* Told by netlink, a link that is up would make it when it comes up again. */
        if (change->number != 0) {
                usual_link_local(mode);
                return set_ipv6(change->name, "addr_gen_mode", mode);
        }
        message = link_message(RTM_NEWLINK, 0, index, 0, 0);
        families = nla_nest_start(message, IFLA_AF_SPEC);
        family = nla_nest_start(message, AF_INET6);
        nla_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
        nla_nest_end(message, family);
        nla_nest_end(message, families);
        return message_send(netlink, message);
}

static int change_link(Netlink *netlink, const Change *change, unsigned index)
{
        unsigned up = change->kind == CHANGE_UP ? IFF_UP : 0,
                 mask = change->kind == CHANGE_UP || change->kind == CHANGE_DOWN ? IFF_UP : 0,
                 master = index_of(change->text);
        struct nl_msg *message;

        if (change->kind == CHANGE_MASTER && change->text != NULL && master == 0)
                return -ENODEV;
        message = link_message(change->kind == CHANGE_DELETE ? RTM_DELLINK : RTM_NEWLINK, 0, index, up, mask);
        if (change->kind == CHANGE_MASTER)
                nla_put_u32(message, IFLA_MASTER, master);
        if (change->kind == CHANGE_MTU)
                nla_put_u32(message, IFLA_MTU, (uint32_t)change->number);
        if (change->kind == CHANGE_MAC && !put_mac(message, change->text)) {
                nlmsg_free(message);
                return -EINVAL;
        }
        return message_send(netlink, message);
}

/* ---- addresses and routes ---- */

static size_t address_bytes(const Address *address, void *ret)
{
        inet_pton(address->family, address->text, ret);
        return address->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

/* The address of all ones in the network, as is usual for IPv4; none where there is no room for it. */
static void put_broadcast(struct nl_msg *message, const Address *address, struct in_addr local)
{
        if (address->family == AF_INET && address->prefix_len < 31) {
                local.s_addr |= htonl(UINT32_MAX >> address->prefix_len);
                nla_put(message, IFA_BROADCAST, sizeof(local), &local);
        }
}

static int change_address(Netlink *netlink, const Change *change, unsigned index)
{
        bool add = change->kind == CHANGE_ADD_ADDRESS;
        struct ifaddrmsg info = { .ifa_family = (uint8_t)change->address->family,
                                  .ifa_prefixlen = (uint8_t)change->address->prefix_len,
                                  .ifa_index = index };
        struct nl_msg *message =
            nlmsg_alloc_simple(add ? RTM_NEWADDR : RTM_DELADDR, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
        union {
                struct in_addr v4;
                struct in6_addr v6;
        } local;
        size_t size = address_bytes(change->address, &local);

        if (message == NULL || nlmsg_append(message, &info, sizeof(info), NLMSG_ALIGNTO) < 0)
                abort();
        nla_put(message, IFA_LOCAL, (int)size, &local);
        nla_put(message, IFA_ADDRESS, (int)size, &local);
        put_broadcast(message, change->address, local.v4);
        return message_send(netlink, message);
}

static int change_route(Netlink *netlink, const Change *change, unsigned index)
{
        bool add = change->kind == CHANGE_ADD_ROUTE;
        struct rtmsg info = { .rtm_family = (uint8_t)change->address->family,
                              .rtm_dst_len = (uint8_t)change->address->prefix_len,
                              .rtm_table = RT_TABLE_MAIN,
                              .rtm_protocol = change->number != 0 ? RTPROT_RA : NETLINK_PROTOCOL,
                              .rtm_scope = RT_SCOPE_UNIVERSE,
                              .rtm_type = RTN_UNICAST };
        struct nl_msg *message =
            nlmsg_alloc_simple(add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
        struct in6_addr bytes;
        size_t size = address_bytes(change->address, &bytes);

        if (message == NULL || nlmsg_append(message, &info, sizeof(info), NLMSG_ALIGNTO) < 0)
                abort();
        if (change->address->prefix_len > 0)
                nla_put(message, RTA_DST, (int)size, &bytes);
        inet_pton(change->address->family, change->text, &bytes);
        nla_put(message, RTA_GATEWAY, (int)size, &bytes);
        nla_put_u32(message, RTA_OIF, index);
        return message_send(netlink, message);
}

static int backend_change(Backend *backend, const Change *change)
{
        Netlink *netlink = (Netlink *)backend;
        unsigned index;

        if (change->kind == CHANGE_ADD_BRIDGE)
                return add_bridge(netlink, change);
        if (change->kind == CHANGE_ADD_VLAN)
                return add_vlan(netlink, change);
        if (change->kind == CHANGE_STOP_DHCP)
                return client_stop(netlink->folder, change->name);
        index = index_of(change->name);
        if (index == 0)
                return -ENODEV;
        switch (change->kind) {
        case CHANGE_START_DHCP:
                return client_start(netlink->folder, change->name, (int)change->number);
        case CHANGE_SNOOPING:
                return set_snooping(netlink, change, index);
        case CHANGE_ADVERTISEMENTS:
                return set_advertisements(change);
        case CHANGE_LINK_LOCAL:
                return set_link_local(netlink, change, index);
        case CHANGE_ADD_ADDRESS:
        case CHANGE_REMOVE_ADDRESS:
                return change_address(netlink, change, index);
        case CHANGE_ADD_ROUTE:
        case CHANGE_REMOVE_ROUTE:
                return change_route(netlink, change, index);
        default:
                return change_link(netlink, change, index);
        }
}

/* ---- the back end ---- */

static bool exists(Backend *backend, const char *name)
{
        return link_name_is_valid(name) && index_of(name) != 0;
}

static bool has_dhcp(Backend *backend, const char *name)
{
        return client_runs(name);
}

static bool is_physical(Backend *backend, const char *name)
{
        return sysfs_is_physical(SYSFS_ROOT, name);
}

static char *pci_path(Backend *backend, const char *name)
{
        return sysfs_pci_path(SYSFS_ROOT, name);
}

static int watch(Backend *backend, uv_loop_t *loop, void (*appeared)(const char *name, void *data),
                 void *data)
{
        return netlink_watch(loop, appeared, data, &((Netlink *)backend)->watch);
}

static void unwatch(Backend *backend)
{
        Netlink *netlink = (Netlink *)backend;

        netlink_unwatch(g_steal_pointer(&netlink->watch));
}

static void backend_free(Backend *backend)
{
        Netlink *netlink = (Netlink *)backend;

        nl_socket_free(netlink->socket);
        g_free(netlink->folder);
        g_free(netlink);
}

Backend *netlink_new(const char *folder, char **ret_error)
{
        static const BackendClass class = { .name = "netlink",
                                            .read = backend_read,
                                            .exists = exists,
                                            .change = backend_change,
                                            .is_physical = is_physical,
                                            .pci_path = pci_path,
                                            .has_dhcp = has_dhcp,
                                            .watch = watch,
                                            .unwatch = unwatch,
                                            .free = backend_free };
        Netlink *netlink = g_new0(Netlink, 1);
        int r = 0;

        netlink->backend.class = &class;
        netlink->folder = g_strdup(folder);
        netlink->socket = netlink_open(&r);
        if (netlink->socket != NULL)
                return &netlink->backend;
        *ret_error = g_strdup_printf("netlink: %s", g_strerror(-r));
        g_free(netlink->folder);
        g_free(netlink);
        return NULL;
}
