/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files about VIFs share. */
#pragma once

#include "call.h"
#include "hotplug.h"
#include "xenapi-handlers.h"

extern const HotplugClass VIF_DEVICES;

/* vif-configuration.c */
bool vif_configure_ipv4(Call *call, const VifConfigureIpv4Params *p, XapiError **error);
bool vif_configure_ipv6(Call *call, const VifConfigureIpv6Params *p, XapiError **error);
