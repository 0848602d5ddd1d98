/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nbd-device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>
#include <linux/nbd-netlink.h>
#include <linux/nbd.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

#include "message-switch/lib/loop.h"

#define SECTOR_BYTES   512u /* as guests expect of a disk */
#define GONE_POLL_USEC 5000u
#define HURRY_SEC      1u

bool nbd_device_supported(void)
{
        return access("/sys/module/nbd", F_OK) == 0;
}

static char *attribute(int device, const char *name)
{
        g_autofree char *path = g_strdup_printf("/sys/block/nbd%d/%s", device, name);
        char *text = NULL;

        return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

bool nbd_device_taken(int device)
{
        g_autofree char *pid = attribute(device, "pid");

        return pid != NULL;
}

char *nbd_device_backend(int device)
{
        char *backend;

        if (!nbd_device_taken(device))
                return NULL;
        backend = attribute(device, "backend");
        return backend != NULL ? backend : g_strdup("");
}

typedef struct Channel {
        struct nl_sock *socket;
        int family;
} Channel;

static int channel_open(Channel *channel)
{
        int r;

        channel->socket = nl_socket_alloc();
        if (channel->socket == NULL)
                return -ENOMEM;
        r = genl_connect(channel->socket);
        channel->family = r < 0 ? r : genl_ctrl_resolve(channel->socket, NBD_GENL_FAMILY_NAME);
        if (channel->family >= 0)
                return 0;
        nl_socket_free(channel->socket);
        return r < 0 ? -ENOTCONN : -EOPNOTSUPP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *data)
{
        *(int *)data = error->error;
        return NL_STOP;
}

static int on_ack(struct nl_msg *message, void *data)
{
        *(int *)data = 0;
        return NL_STOP;
}

/* Sends the message, takes it, and waits for the kernel's word. libnl has error numbers of its own, the kernel's are
 * wanted. */
static int channel_talk(Channel *channel, struct nl_msg *message)
{
        struct nl_cb *callbacks = nl_cb_alloc(NL_CB_DEFAULT);
        int result = 1, r;

        nl_cb_err(callbacks, NL_CB_CUSTOM, on_error, &result);
        nl_cb_set(callbacks, NL_CB_ACK, NL_CB_CUSTOM, on_ack, &result);
        r = nl_send_auto(channel->socket, message);
        while (r >= 0 && result > 0)
                r = nl_recvmsgs(channel->socket, callbacks);
        nl_cb_put(callbacks);
        nlmsg_free(message);
        return result <= 0 ? result : -EIO;
}

typedef struct Request {
        Channel channel;
        struct nl_msg *message;
} Request;

/* 0, and request_send is to be called; or negative errno. */
static int request_open(Request *request, uint8_t command, int device)
{
        int r = channel_open(&request->channel);

        if (r < 0)
                return r;
        request->message = nlmsg_alloc();
        genlmsg_put(request->message, NL_AUTO_PORT, NL_AUTO_SEQ, request->channel.family, 0,
                    NLM_F_REQUEST | NLM_F_ACK, command, NBD_GENL_VERSION);
        nla_put_u32(request->message, NBD_ATTR_INDEX, (uint32_t)device);
        return 0;
}

static int request_send(Request *request)
{
        int r = channel_talk(&request->channel, request->message);

        nl_socket_free(request->channel.socket);
        return r;
}

static void put_connection(struct nl_msg *message, const NbdConnection *connection)
{
        struct nlattr *sockets, *item;

        nla_put_u64(message, NBD_ATTR_SIZE_BYTES, (uint64_t)connection->bytes / SECTOR_BYTES * SECTOR_BYTES);
        nla_put_u64(message, NBD_ATTR_BLOCK_SIZE_BYTES, SECTOR_BYTES);
        nla_put_u64(message, NBD_ATTR_TIMEOUT, NBD_TIMEOUT_SEC);
        nla_put_u64(message, NBD_ATTR_DEAD_CONN_TIMEOUT, NBD_DEAD_TIMEOUT_SEC);
        nla_put_u64(message, NBD_ATTR_CLIENT_FLAGS, NBD_CFLAG_DESTROY_ON_DISCONNECT);
        nla_put_string(message, NBD_ATTR_BACKEND_IDENTIFIER, connection->backend);
        sockets = nla_nest_start(message, NBD_ATTR_SOCKETS);
        item = nla_nest_start(message, NBD_SOCK_ITEM);
        nla_put_u32(message, NBD_SOCK_FD, (uint32_t)connection->socket);
        nla_nest_end(message, item);
        nla_nest_end(message, sockets);
}

int nbd_device_connect(int device, const NbdConnection *connection)
{
        Request request;
        int r = request_open(&request, NBD_CMD_CONNECT, device);

        if (r < 0)
                return r;
        put_connection(request.message, connection);
        nla_put_u64(request.message, NBD_ATTR_SERVER_FLAGS, connection->flags);
        return request_send(&request);
}

int nbd_device_reconnect(int device, const NbdConnection *connection)
{
        Request request;
        int r = request_open(&request, NBD_CMD_RECONFIGURE, device);

        if (r < 0)
                return r;
        put_connection(request.message, connection);
        return request_send(&request);
}

int nbd_device_hurry(int device, const char *backend)
{
        Request request;
        int r = request_open(&request, NBD_CMD_RECONFIGURE, device);

        if (r < 0)
                return r;
        nla_put_u64(request.message, NBD_ATTR_TIMEOUT, HURRY_SEC);
        nla_put_string(request.message, NBD_ATTR_BACKEND_IDENTIFIER, backend);
        return request_send(&request);
}

static void wait_gone(int device)
{
        uint64_t deadline_usec = clock_usec() + NBD_GONE_USEC;

        while (nbd_device_taken(device) && clock_usec() < deadline_usec)
                g_usleep(GONE_POLL_USEC);
}

int nbd_device_disconnect(int device, const char *backend)
{
        g_autofree char *its_backend = nbd_device_backend(device);
        Request request;
        int r;

        if (g_strcmp0(its_backend, backend) != 0)
                return 0;
        r = request_open(&request, NBD_CMD_DISCONNECT, device);
        if (r == 0)
                r = request_send(&request);
        if (r == 0)
                wait_gone(device);
        return r;
}

void nbd_device_each(void (*each)(int device, const char *backend, void *data), void *data)
{
        GDir *dir = g_dir_open("/sys/block", 0, NULL);
        const char *name;

        while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
                g_autofree char *backend = NULL;
                int device;

                if (sscanf(name, "nbd%d", &device) != 1)
                        continue;
                backend = nbd_device_backend(device);
                if (backend != NULL && g_str_has_prefix(backend, NBD_BACKEND_PREFIX))
                        each(device, backend, data);
        }
        if (dir != NULL)
                g_dir_close(dir);
}

struct NbdEvents {
        Channel channel;
        void (*lost)(int device, void *data);
        void *data;
};

static int on_event(struct nl_msg *message, void *data)
{
        struct nlattr *attributes[NBD_ATTR_MAX + 1];
        NbdEvents *events = data;
        struct nlmsghdr *header = nlmsg_hdr(message);
        const struct genlmsghdr *generic = genlmsg_hdr(header);

        if (genlmsg_parse(header, 0, attributes, NBD_ATTR_MAX, NULL) == 0 &&
            generic->cmd == NBD_CMD_LINK_DEAD && attributes[NBD_ATTR_INDEX] != NULL && events->lost != NULL)
                events->lost((int)nla_get_u32(attributes[NBD_ATTR_INDEX]), events->data);
        return NL_OK;
}

NbdEvents *nbd_events_new(void)
{
        NbdEvents *events = g_new0(NbdEvents, 1);
        int group;

        if (channel_open(&events->channel) < 0) {
                g_free(events);
                return NULL;
        }
        group =
            genl_ctrl_resolve_grp(events->channel.socket, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME);
        if (group < 0 || nl_socket_add_membership(events->channel.socket, group) < 0 ||
            nl_socket_set_nonblocking(events->channel.socket) < 0) {
                nbd_events_free(events);
                return NULL;
        }
        nl_socket_disable_seq_check(events->channel.socket);
        nl_socket_modify_cb(events->channel.socket, NL_CB_VALID, NL_CB_CUSTOM, on_event, events);
        return events;
}

void nbd_events_free(NbdEvents *events)
{
        if (events == NULL)
                return;
        nl_socket_free(events->channel.socket);
        g_free(events);
}

int nbd_events_fd(NbdEvents *events)
{
        return nl_socket_get_fd(events->channel.socket);
}

void nbd_events_read(NbdEvents *events, void (*lost)(int device, void *data), void *data)
{
        events->lost = lost;
        events->data = data;
        nl_recvmsgs_default(events->channel.socket);
}
