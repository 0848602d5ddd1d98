/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether an interface's DHCP client runs, from what is recorded of it. */
#pragma once

#include "manager.h"

/* Starts it where IPv4 is by DHCP, and stops it where it is not any more. The interface is recorded and there. What
 * its client has put there, this daemon knows nothing of. */
bool dhcp_apply(Manager *manager, const char *name, NetworkError **error);
