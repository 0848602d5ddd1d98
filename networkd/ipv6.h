/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a bridge takes part in IPv6, and what it takes from routers on its network. */
#pragma once

#include "manager.h"

/* Makes a bridge of ours be as its interface is recorded: without IPv6 asked for, it has no address of it, so that no guest
 * finds one to speak to; with autoconfiguration, and only then, it takes what routers advertise. Others' links are left
 * alone. */
bool ipv6_apply(Manager *manager, const Links *links, const Link *link, NetworkError **error);
