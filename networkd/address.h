/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The addresses and routes of an interface. Those that are not ours are left alone. */
#pragma once

#include "manager.h"

#define ADDRESS_MAX 256u /* of an interface, of a family; routes as well */

/* False with *error: there is one among them that is none, or too many. */
bool addresses_check(int family, const NetworkAddressList *addresses, NetworkError **error);
bool routes_check(const NetworkInterfaceConfig *config, NetworkError **error);
/* Makes the interface's recorded addresses be there, and those go that were put there and are not wanted any more; new
 * ones first. It must be recorded and be there. */
bool addresses_apply(Manager *manager, const char *name, NetworkError **error);
/* The same for its gateways, where those of this interface count, and routes. */
bool routes_apply(Manager *manager, const char *name, NetworkError **error);
