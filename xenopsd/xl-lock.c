/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xl-lock.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "xl-filter.h"

/* The filter's place on the port: before any other, so that what it drops is dropped. */
#define FILTER_PRIORITY 1
#define FILTER_HANDLE   1
#define ANY_PROTOCOL    ((uint32_t)FILTER_PRIORITY << 16 | __builtin_bswap16(ETH_P_ALL))

/* ---- speaking to the kernel ---- */

static int on_error(struct sockaddr_nl *who, struct nlmsgerr *error, void *data)
{
        *(int *)data = error->error;
        return NL_STOP;
}

static struct nl_sock *open_socket(int *ret_error)
{
        struct nl_sock *socket = nl_socket_alloc();
        if (socket && nl_connect(socket, NETLINK_ROUTE) == 0 &&
            nl_socket_modify_err_cb(socket, NL_CB_CUSTOM, on_error, ret_error) == 0)
                return socket;
        nl_socket_free(socket);
        return NULL;
}

/* Takes the message. 0, or what the kernel says. */
static int ask(struct nl_msg *message)
{
        int refused = 0;
        struct nl_sock *socket = open_socket(&refused);
        if (!socket) {
                nlmsg_free(message);
                return -EIO;
        }
        int r = nl_send_sync(socket, message);
        nl_socket_free(socket);
        return refused < 0 ? refused : r < 0 ? -EIO : 0;
}

static struct nl_msg *message_new(int type, int flags, size_t bytes, void *header, size_t header_bytes)
{
        struct nl_msg *message = nlmsg_alloc_size(bytes);
        if (!message || !nlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags) ||
            nlmsg_append(message, header, header_bytes, NLMSG_ALIGNTO) < 0)
                abort();
        return message;
}

#define MESSAGE_BYTES 512 /* of any but a program's */

/* ---- which address is whose ---- */

static int set_flags(unsigned index, bool locked)
{
        struct ifinfomsg link = { .ifi_family = AF_BRIDGE, .ifi_index = (int)index };
        struct nl_msg *message = message_new(RTM_SETLINK, 0, MESSAGE_BYTES, &link, sizeof link);
        struct nlattr *nest = nla_nest_start(message, IFLA_PROTINFO | NLA_F_NESTED);
        nla_put_u8(message, IFLA_BRPORT_LEARNING, !locked);
        nla_put_u8(message, IFLA_BRPORT_LOCKED, locked);
        nla_nest_end(message, nest);
        return ask(message);
}

/* The address at which the bridge finds the guest, and the only one that a locked port may speak from. No other port that
 * speaks from it gets it. */
static int set_address(unsigned index, const unsigned char *mac, bool there)
{
        struct ndmsg neighbour = { .ndm_family = AF_BRIDGE,
                                   .ndm_ifindex = (int)index,
                                   .ndm_state = NUD_NOARP,
                                   .ndm_flags = there ? NTF_MASTER | NTF_STICKY : NTF_MASTER };
        struct nl_msg *message =
            message_new(there ? RTM_NEWNEIGH : RTM_DELNEIGH, there ? NLM_F_CREATE | NLM_F_REPLACE : 0,
                        MESSAGE_BYTES, &neighbour, sizeof neighbour);
        nla_put(message, NDA_LLADDR, 6, mac);
        int r = ask(message);
        return r == -ENOENT && !there ? 0 : r;
}

/* ---- what passes ---- */

static int add_queue(unsigned index)
{
        struct tcmsg queue = { .tcm_ifindex = (int)index,
                               .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
                               .tcm_parent = TC_H_CLSACT };
        struct nl_msg *message =
            message_new(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, MESSAGE_BYTES, &queue, sizeof queue);
        nla_put_string(message, TCA_KIND, "clsact");
        int r = ask(message);
        return r == -EEXIST ? 0 : r;
}

static struct nl_msg *filter_message(int type, unsigned index, size_t bytes)
{
        struct tcmsg filter = { .tcm_ifindex = (int)index,
                                .tcm_handle = FILTER_HANDLE,
                                .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
                                .tcm_info = ANY_PROTOCOL };
        struct nl_msg *message = message_new(type, type == RTM_NEWTFILTER ? NLM_F_CREATE : 0,
                                             MESSAGE_BYTES + bytes, &filter, sizeof filter);
        nla_put_string(message, TCA_KIND, "bpf");
        return message;
}

/* The kernel puts it in the place of the one before it in one step. */
static int put_filter(unsigned index, const GArray *program)
{
        size_t bytes = program->len * sizeof(struct sock_filter);
        int r = add_queue(index);
        if (r < 0)
                return r;
        struct nl_msg *message = filter_message(RTM_NEWTFILTER, index, bytes);
        struct nlattr *options = nla_nest_start(message, TCA_OPTIONS);
        nla_put_u16(message, TCA_BPF_OPS_LEN, (uint16_t)program->len);
        nla_put(message, TCA_BPF_OPS, (int)bytes, program->data);
        nla_put_u32(message, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
        nla_nest_end(message, options);
        return ask(message);
}

static int remove_filter(unsigned index)
{
        int r = ask(filter_message(RTM_DELTFILTER, index, 0));
        /* There is no such filter, or not even a place where one could be. */
        return r == -ENOENT || r == -EINVAL ? 0 : r;
}

/* ---- all of it ---- */

static int lock_port(unsigned index, const unsigned char *mac, const XenopsLockedAddresses *addresses)
{
        g_autoptr(GArray) program = NULL;
        int r = xl_filter_program(mac, addresses, &program);
        if (r == 0)
                r = put_filter(index, program);
        if (r == 0)
                r = set_flags(index, true);
        return r < 0 ? r : set_address(index, mac, true);
}

static int unlock_port(unsigned index, const unsigned char *mac)
{
        int r = remove_filter(index);
        if (r == 0)
                r = set_flags(index, false);
        return r < 0 ? r : set_address(index, mac, false);
}

int xl_lock_set(const char *name, const unsigned char mac[6], const XenopsLockingMode *mode)
{
        unsigned index = if_nametoindex(name);
        if (index == 0)
                return -ENODEV;
        return mode->tag == XENOPS_LOCKING_MODE_LOCKED ? lock_port(index, mac, &mode->locked)
                                                       : unlock_port(index, mac);
}
