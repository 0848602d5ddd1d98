/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VLAN interface that a bridge on a VLAN of another bridge has as its port. */
#pragma once

#include "manager.h"

/* The interface that carries a bridge's VLANs: its first recorded port, else its first that has a card behind it. NULL:
 * there is none. Borrowed, as long as links. */
const Link *vlan_carrier(const Manager *manager, const Links *links, const char *bridge);
/* The interface on that carrier with that tag. NULL: none. */
const Link *vlan_find(const Links *links, const Link *carrier, int64_t tag);
/* Makes it be there, up, and a port of `bridge`, which is there; others that were made here for that bridge go. vlan NULL:
 * none is wanted. Vlan_in_use: somebody else has that tag. */
bool vlan_apply(Manager *manager, const char *bridge, const NetworkVlan *vlan, NetworkError **error);
