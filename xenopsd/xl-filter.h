/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which frames of a locked interface pass: a classic BPF program. */
#pragma once

#include <linux/filter.h>

#include <glib.h>

#include "xenops.h"

#define XL_FILTER_ADDRESSES_MAX                                                                              \
        100 /* of a family; so that any program has less than BPF_MAXINSNS instructions */

/* Of frames that start with an Ethernet header and come from the guest, the program passes (TC_ACT_OK) those from its MAC
 * address that are
 *  - IPv4 from an address or network of `locked.ipv4`, or a DHCP client's question; no DHCP server's answer;
 *  - ARP that gives the guest's own MAC address and such an address, or asks whether such an address is free;
 *  - IPv6 from one of `locked.ipv6`: protocols that are known to carry no neighbour discovery, and of ICMPv6 errors, echo,
 *    solicitations, and advertisements of such an address; no router's advertisement or redirection, nor a DHCP server's
 *    answer; what is to be learned at the start (whether the address is free, router solicitations, membership
 *    of multicast groups) also from `::` and from the link-local address that RFC 4291 makes of the MAC address;
 * and drops (TC_ACT_SHOT) all others, those with a VLAN tag included.
 * *ret: of struct sock_filter; owned. 0; -EINVAL: an address is none; -E2BIG: too many of them. */
int xl_filter_program(const unsigned char mac[6], const XenopsLockedAddresses *locked, GArray **ret);
