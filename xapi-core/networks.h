/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bridges of networks on this host, by way of networkd: made when something needs them, gone when nothing does. */
#pragma once

#include "call.h"

typedef struct Networks Networks;

/* Starts a thread that waits for networkd, finds the host's cards when the host has no PIF yet, plugs the PIFs that
 * should be plugged, removes bridges of networks without a PIF that nothing uses any more, and follows the cards' state. */
Networks *networks_new(Manager *manager);
void networks_stop(Networks *networks); /* before the bus is closed */
void networks_free(Networks *networks); /* when no worker runs any more; NULL is legal */

/* Makes the network's bridge be there, and stay until networks_drop. On workers. `dbg` is for logs. */
bool networks_hold(Networks *networks, const char *dbg, const char *network, XapiError **error);
/* Ends it; what nothing else uses goes after a while. */
void networks_drop(Networks *networks, const char *network);
/* Ends it, and leaves the bridge there. */
void networks_release(Networks *networks, const char *network);
/* Something that may have been the last to use it is gone. Any thread, also in a transaction; networks may be NULL. */
void networks_note(Networks *networks, const char *network);
/* The same where there is no row any more that would name the bridge. */
void networks_note_bridge(Networks *networks, const char *bridge);

/* Around whatever plugs, unplugs or removes PIFs: one at a time, and while no bridge is being made. On workers; held
 * across calls to networkd; outermost but for a VM's lock. */
void networks_lock(Networks *networks);
void networks_unlock(Networks *networks);
