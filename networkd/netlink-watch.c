/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interfaces that come while this daemon runs. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "netlink-internal.h"

#define BUFFER_BYTES (4 << 20) /* for a storm of messages */

struct NetlinkWatch {
        uv_poll_t poll;
        struct nl_sock *socket;
        GHashTable *names; /* index -> name, of what is there */
        void (*appeared)(const char *name, void *data);
        void *data;
};

static void came(NetlinkWatch *watch, int index, const char *name, bool ours)
{
        const char *known = g_hash_table_lookup(watch->names, GINT_TO_POINTER(index));

        if (known != NULL && strcmp(known, name) == 0)
                return;
        g_hash_table_insert(watch->names, GINT_TO_POINTER(index), g_strdup(name));
        if (!ours)
                watch->appeared(name, watch->data);
}

static int on_message(struct nl_msg *message, void *data)
{
        static struct nla_policy policy[IFLA_MAX + 1] = {
                [IFLA_IFNAME] = { .type = NLA_STRING, .maxlen = IFNAMSIZ },
                [IFLA_GROUP] = { .type = NLA_U32 },
        };
        const struct ifinfomsg *info = nlmsg_data(nlmsg_hdr(message));
        struct nlattr *attributes[IFLA_MAX + 1];
        NetlinkWatch *watch = data;
        int type = nlmsg_hdr(message)->nlmsg_type;

        /* A bridge tells of its ports in messages of its own, AF_BRIDGE, when they leave it. */
        if ((type != RTM_NEWLINK && type != RTM_DELLINK) || info->ifi_family != AF_UNSPEC ||
            nlmsg_parse(nlmsg_hdr(message), sizeof(*info), attributes, IFLA_MAX, policy) < 0)
                return NL_SKIP;
        if (type == RTM_DELLINK)
                g_hash_table_remove(watch->names, GINT_TO_POINTER(info->ifi_index));
        else if (attributes[IFLA_IFNAME] != NULL)
                came(watch, info->ifi_index, nla_get_string(attributes[IFLA_IFNAME]),
                     attributes[IFLA_GROUP] != NULL && nla_get_u32(attributes[IFLA_GROUP]) == NETLINK_GROUP);
        return NL_OK;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
        NetlinkWatch *watch = poll->data;
        int r = nl_recvmsgs_default(watch->socket);

        /* libuv stops the poll after an error. */
        if (status < 0)
                uv_poll_start(poll, UV_READABLE, on_readable);
        if (r >= 0 || r == -NLE_AGAIN || r == -NLE_INTR)
                return;
        /* More came than there was room for. */
        g_hash_table_remove_all(watch->names);
        watch->appeared("", watch->data);
}

static void note_present(NetlinkWatch *watch, const Links *links)
{
        for (guint i = 0; i < links->links->len; i++) {
                const Link *link = g_ptr_array_index(links->links, i);

                g_hash_table_insert(watch->names, GINT_TO_POINTER(link->index), g_strdup(link->name));
        }
}

static int begin(NetlinkWatch *watch, uv_loop_t *loop)
{
        g_autoptr(Links) links = links_new();
        struct nl_sock *reader;
        int r = 0;

        nl_socket_disable_seq_check(watch->socket);
        nl_socket_modify_cb(watch->socket, NL_CB_VALID, NL_CB_CUSTOM, on_message, watch);
        if (nl_socket_set_buffer_size(watch->socket, BUFFER_BYTES, 0) < 0 ||
            nl_socket_add_membership(watch->socket, RTNLGRP_LINK) < 0 ||
            nl_socket_set_nonblocking(watch->socket) < 0)
                return -EIO;
        reader = netlink_open(&r);
        if (reader == NULL)
                return r;
        r = netlink_read(reader, links);
        nl_socket_free(reader);
        if (r < 0)
                return r;
        note_present(watch, links);
        return uv_poll_init(loop, &watch->poll, nl_socket_get_fd(watch->socket));
}

static void watch_free(NetlinkWatch *watch)
{
        nl_socket_free(watch->socket);
        g_hash_table_unref(watch->names);
        g_free(watch);
}

static void on_closed(uv_handle_t *handle)
{
        watch_free(handle->data);
}

int netlink_watch(uv_loop_t *loop, void (*appeared)(const char *name, void *data), void *data,
                  NetlinkWatch **ret)
{
        NetlinkWatch *watch = g_new0(NetlinkWatch, 1);
        int r = 0;

        watch->names = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        watch->appeared = appeared;
        watch->data = data;
        watch->socket = netlink_open(&r);
        if (watch->socket != NULL)
                r = begin(watch, loop);
        if (r < 0) {
                watch_free(watch);
                return r;
        }
        watch->poll.data = watch;
        uv_poll_start(&watch->poll, UV_READABLE, on_readable);
        *ret = watch;
        return 0;
}

void netlink_unwatch(NetlinkWatch *watch)
{
        if (watch != NULL)
                uv_close((uv_handle_t *)&watch->poll, on_closed);
}
