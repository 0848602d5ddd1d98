/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <netlink/netlink.h>

#include "backend.h"

/* Marks that the kernel keeps: the group of links that this daemon made, the origin of its routes. */
#define NETLINK_GROUP    0x58415049 /* "XAPI" */
#define NETLINK_PROTOCOL 0x58

/* A connection to the kernel. NULL with *ret_error a negative errno. */
struct nl_sock *netlink_open(int *ret_error);
/* All links, addresses and routes with a gateway. 0 or negative errno. */
int netlink_read(struct nl_sock *socket, Links *links);
/* An error of libnl as a negative errno. */
int netlink_errno(int error);

/* As BackendClass.watch has it. */
typedef struct NetlinkWatch NetlinkWatch;
int netlink_watch(uv_loop_t *loop, void (*appeared)(const char *name, void *data), void *data,
                  NetlinkWatch **ret);
void netlink_unwatch(NetlinkWatch *watch); /* NULL is legal */
