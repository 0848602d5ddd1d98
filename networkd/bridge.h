/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's own bridges and their ports. */
#pragma once

#include "manager.h"

#define BRIDGE_PORTS_MAX 64u /* that can be recorded of one */

/* What follows changes something, and is called with the manager's lock held. An operation that fails leaves everything
 * as it was, as far as the kernel lets it. */

/* Records a bridge as described, and makes it. One that is there already is taken as it is, and stays when it is
 * destroyed here. */
bool bridge_configure(Manager *manager, const char *name, const NetworkBridgeConfig *config,
                      NetworkError **error);
/* Several, all or none of them; those that carry the VLANs of others may be among them. */
bool bridges_configure(Manager *manager, size_t n, const char *const *names,
                       const NetworkBridgeConfig *const *configs, NetworkError **error);
/* The same where ports are to be what they are. */
bool bridge_create(Manager *manager, const char *name, const NetworkBridgeConfig *config,
                   NetworkError **error);
bool bridge_add_port(Manager *manager, const char *bridge, const char *name, const NetworkPortConfig *port,
                     NetworkError **error);
bool bridge_remove_port(Manager *manager, const char *bridge, const char *name, NetworkError **error);
/* With the VLANs on it when forced, else not while there are any (and that is no error). It is one while it has ports
 * that are not ours. One that is not there is no error. */
bool bridge_destroy(Manager *manager, const char *name, bool force, NetworkError **error);
/* Makes a recorded bridge be as recorded, changing what differs, and when asked for, also what cannot be told to. Of
 * recorded ports that are not there, the first is told of in the end. */
bool bridge_apply(Manager *manager, const char *name, bool asked, NetworkError **error);
/* Deletes it where it is ours, and the VLAN's interface on it. NULL and what is no bridge are left alone. */
bool bridge_delete(Manager *manager, const Links *links, const Link *link, NetworkError **error);
/* The recorded bridges on VLANs of that one; owned names. */
GPtrArray *bridge_on_vlans_of(const Manager *manager, const char *name);

/* Makes an interface be up and a port of that bridge; not where it belongs to somebody else. */
bool bridge_take_port(Manager *manager, const char *bridge, const char *name, NetworkError **error);
/* Makes it be none of that bridge. */
bool bridge_release_port(Manager *manager, const char *bridge, const char *name, NetworkError **error);
/* Whether it is one, now. */
bool bridge_is_its_port(Manager *manager, const char *bridge, const char *name);
/* Whether an interface is a recorded port of that bridge. */
bool bridge_has_port(const NetworkBridgeConfig *config, const char *interface);
/* A port that is not ours: neither recorded nor made by this daemon. NULL: none. Borrowed, as long as links. */
const Link *bridge_foreign_port(const Manager *manager, const Links *links, const Link *bridge);
