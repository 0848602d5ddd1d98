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

#include <linux/sockios.h>

#include <glib.h>

#include "xl-lock.h"

/* No bridge takes such an address for its own, and no guest has it. */
static const unsigned char port_mac[] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };

bool xl_port_mac(const char *text, unsigned char ret[6])
{
        unsigned bytes[6];
        char rest;
        if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4],
                   &bytes[5], &rest) != 6)
                return false;
        for (size_t i = 0; i < G_N_ELEMENTS(bytes); i++)
                ret[i] = (unsigned char)bytes[i];
        return true;
}

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

static int connect_by(int fd, const char *name, const XenopsVif *vif)
{
        struct ifreq request = request_of(name);
        unsigned char mac[6];
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
                r = xl_port_mac(vif->mac, mac) ? xl_lock_set(name, mac, &vif->locking_mode) : -EINVAL;
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
