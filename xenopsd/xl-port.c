/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xl-port.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include <glib.h>

/* No bridge takes such an address for its own, and no guest has it. */
static const unsigned char port_mac[] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };

static struct ifreq request_of(const char *name)
{
        struct ifreq request = { 0 };
        g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
        return request;
}

static int call(int fd, unsigned long code, struct ifreq *request)
{
        return ioctl(fd, code, request) < 0 ? -errno : 0;
}

static int set_up(int fd, const char *name, bool up)
{
        struct ifreq request = request_of(name);
        int r = call(fd, SIOCGIFFLAGS, &request);
        if (r < 0)
                return r;
        request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
        return call(fd, SIOCSIFFLAGS, &request);
}

/* The name of the bridge that has the port; NULL: none has. */
static char *bridge_of(const char *name)
{
        g_autofree char *path = g_strdup_printf("/sys/class/net/%s/brport/bridge", name);
        g_autofree char *target = g_file_read_link(path, NULL);
        return target ? g_path_get_basename(target) : NULL;
}

static int set_bridge(int fd, const char *name, const char *bridge)
{
        g_autofree char *now = bridge_of(name);
        if (now && g_str_equal(now, bridge))
                return 0;
        unsigned index = if_nametoindex(name);
        if (index == 0)
                return -ENODEV;
        if (if_nametoindex(bridge) == 0)
                return -ENOENT;
        struct ifreq request = request_of(bridge);
        request.ifr_ifindex = (int)index;
        if (now) {
                struct ifreq leave = request_of(now);
                leave.ifr_ifindex = (int)index;
                call(fd, SIOCBRDELIF, &leave);
        }
        return call(fd, SIOCBRADDIF, &request);
}

/* ---- which frames of the guest the bridge takes ---- */

typedef struct Request {
        struct nlmsghdr header;
        union {
                struct ifinfomsg link;
                struct ndmsg neighbour;
        };
        char attributes[128];
} Request;

static void put(Request *request, struct nlattr **ret, uint16_t type, const void *data, size_t size)
{
        struct nlattr *attribute =
            (struct nlattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));
        attribute->nla_type = type;
        attribute->nla_len = (uint16_t)(NLA_HDRLEN + size);
        if (size > 0)
                memcpy((char *)attribute + NLA_HDRLEN, data, size);
        request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + NLA_ALIGN(attribute->nla_len);
        if (ret)
                *ret = attribute;
}

/* 0, or what the kernel says. */
static int ask(Request *request)
{
        struct {
                struct nlmsghdr header;
                struct nlmsgerr error;
                char rest[512];
        } answer;
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        if (fd < 0)
                return -errno;
        request->header.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
        int r = 0;
        if (send(fd, request, request->header.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0)
                r = -errno;
        else if (answer.header.nlmsg_type == NLMSG_ERROR)
                r = answer.error.error;
        close(fd);
        return r;
}

static int set_flags(unsigned index, uint8_t locked)
{
        uint8_t learning = !locked;
        struct nlattr *nest;
        Request request = { .header = { .nlmsg_len = NLMSG_LENGTH(sizeof request.link),
                                        .nlmsg_type = RTM_SETLINK },
                            .link = { .ifi_family = AF_BRIDGE, .ifi_index = (int)index } };
        put(&request, &nest, IFLA_PROTINFO | NLA_F_NESTED, NULL, 0);
        put(&request, NULL, IFLA_BRPORT_LEARNING, &learning, sizeof learning);
        put(&request, NULL, IFLA_BRPORT_LOCKED, &locked, sizeof locked);
        nest->nla_len = (uint16_t)((char *)&request + request.header.nlmsg_len - (char *)nest);
        return ask(&request);
}

/* The address at which the bridge finds the guest, and the only one that a locked port may speak from. */
static int set_address(unsigned index, const unsigned char *mac, bool there)
{
        Request request = {
                .header = { .nlmsg_len = NLMSG_LENGTH(sizeof request.neighbour),
                            .nlmsg_type = there ? RTM_NEWNEIGH : RTM_DELNEIGH,
                            .nlmsg_flags = there ? NLM_F_CREATE | NLM_F_REPLACE : 0 },
                .neighbour = { .ndm_family = AF_BRIDGE,
                               .ndm_ifindex = (int)index,
                               .ndm_state = NUD_NOARP,
                               .ndm_flags = NTF_MASTER },
        };
        put(&request, NULL, NDA_LLADDR, mac, 6);
        int r = ask(&request);
        return r == -ENOENT && !there ? 0 : r;
}

static int set_lock(const char *name, const XenopsVif *vif)
{
        unsigned bytes[6];
        unsigned char mac[6];
        bool locked = vif->locking_mode.tag == XENOPS_LOCKING_MODE_LOCKED;
        unsigned index = if_nametoindex(name);
        if (sscanf(vif->mac, "%2x:%2x:%2x:%2x:%2x:%2x", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4],
                   &bytes[5]) != 6)
                return -EINVAL;
        for (size_t i = 0; i < sizeof mac; i++)
                mac[i] = (unsigned char)bytes[i];
        int r = set_flags(index, locked);
        return r < 0 ? r : set_address(index, mac, locked);
}

static int connect_by(int fd, const char *name, const XenopsVif *vif)
{
        struct ifreq request = request_of(name);
        if (if_nametoindex(name) == 0)
                return -ENODEV;
        bool up = vif->carrier && vif->locking_mode.tag != XENOPS_LOCKING_MODE_DISABLED;
        if (!up)
                set_up(fd, name, false);
        request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
        memcpy(request.ifr_hwaddr.sa_data, port_mac, sizeof port_mac);
        int r = call(fd, SIOCSIFHWADDR, &request);
        if (r < 0 && r != -EBUSY) /* a port that is up keeps the one it was given */
                return r;
        if (vif->mtu > 0) {
                request = request_of(name);
                request.ifr_mtu = (int)vif->mtu;
                r = call(fd, SIOCSIFMTU, &request);
                if (r < 0)
                        return r;
        }
        r = set_bridge(fd, name, vif->backend.local);
        if (r == 0)
                r = set_lock(name, vif);
        return r < 0 || !up ? r : set_up(fd, name, true);
}

int xl_port_connect(const char *name, const XenopsVif *vif)
{
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* any kind will do */
        if (fd < 0)
                return -errno;
        int r = connect_by(fd, name, vif);
        close(fd);
        return r;
}
