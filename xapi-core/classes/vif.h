/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The messages of class VIF that are not in vif.c. */
#pragma once

#include "call.h"
#include "xenapi-handlers.h"

/* vif-configuration.c */
bool vif_configure_ipv4(Call *call, const VifConfigureIpv4Params *p, XapiError **error);
bool vif_configure_ipv6(Call *call, const VifConfigureIpv6Params *p, XapiError **error);
