/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The objects that a host has before anybody asks for one: pool, host, control domain, network, storage. */
#pragma once

#include "manager.h"

/* Finds or makes them, refreshes what the machine says of itself, and sets manager->host, pool and dom0. `address` is where
 * clients reach the host; NULL: its own first address. A new pool gets a network, a local SR with its PBD, and the default
 * templates; it is durable when this returns. What is refreshed in objects that there are may not be. */
bool host_objects_ensure(Manager *manager, const char *address, XapiError **error);
