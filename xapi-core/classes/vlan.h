/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"

/* As VLAN.create. Returns the ref of the VLAN's PIF, owned, or NULL. *ret_vlan: the VLAN's, owned, unless NULL. */
Str vlan_make(Call *call, const char *tagged, int64_t tag, const char *network, Str *ret_vlan,
              XapiError **error);
/* As VLAN.destroy. */
bool vlan_destroy(Call *call, const char *vlan, XapiError **error);
