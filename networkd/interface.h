/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How an interface is to be: up, its largest packet, its addresses and routes. */
#pragma once

#include "manager.h"

/* With the manager's lock held. Records and applies; a failure leaves everything as it was, as far as the kernel lets it.
 * Interface_does_not_exist where it is not there. */
bool interface_configure(Manager *manager, const char *name, const NetworkInterfaceConfig *config,
                         NetworkError **error);
/* Several, all or none of them. */
bool interfaces_configure(Manager *manager, size_t n, const char *const *names,
                          const NetworkInterfaceConfig *const *configs, NetworkError **error);
/* The recorded configuration, or that of an interface of which nothing is; deep copy, *ret is overwritten. */
void interface_config(const Manager *manager, const char *name, NetworkInterfaceConfig *ret);
/* Makes a recorded interface be as recorded, changing what differs. */
bool interface_apply(Manager *manager, const char *name, NetworkError **error);
/* What was put on it goes, and it is recorded no more; success when it was not. */
bool interface_forget(Manager *manager, const char *name, NetworkError **error);
/* The same, and it is taken down; not where that would cut off what was not set here. */
bool interface_bring_down(Manager *manager, const char *name, NetworkError **error);
/* Whether that address was set here. */
bool interface_put_address(const Manager *manager, const char *name, const Address *address);
/* Only records; nothing is done to the interface. */
bool interface_record(Manager *manager, const char *name, const NetworkInterfaceConfig *config,
                      NetworkError **error);
