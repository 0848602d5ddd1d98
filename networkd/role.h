/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose default route and name servers this host takes: one interface's of all. */
#pragma once

#include "manager.h"

/* Whether those of that interface count: where nobody has said which do, those of any. */
bool role_is_gateway(const Record *record, const char *name);
bool role_is_dns(const Record *record, const char *name);
/* From now on that interface's gateways are the default ones, and no other's. With the manager's lock held. */
bool role_set_gateway(Manager *manager, const char *name, NetworkError **error);
/* The same of its name servers. */
bool role_set_dns(Manager *manager, const char *name, NetworkError **error);
