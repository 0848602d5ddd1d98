/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <netlink/netlink.h>

#include "backend.h"

/* Marks that the kernel keeps: the group of links that this daemon made, the origin of its routes. */
#define NETLINK_GROUP    0x58415049 /* "XAPI" */
#define NETLINK_PROTOCOL 0x58

/* All links, addresses and routes with a gateway. 0 or negative errno. */
int netlink_read(struct nl_sock *socket, Links *links);
/* An error of libnl as a negative errno. */
int netlink_errno(int error);
