/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* This host's end of a guest's interface, as a port of a bridge. */
#pragma once

#include "xenops.h"

#define XL_PORT_NAME_BYTES 16 /* IFNAMSIZ */

/* A MAC address as clients write it. False: it is none. */
bool xl_port_mac(const char *text, unsigned char ret[6]);
/* Makes the port as `vif` says: on its bridge, with its MTU, up if it has a carrier and is not disabled, locked as
 * xl-lock.h has it: before it is up. May be repeated. 0; -ENODEV: there is no such port; -ENOENT: no such bridge; or another negative errno. */
int xl_port_connect(const char *name, const XenopsVif *vif);
