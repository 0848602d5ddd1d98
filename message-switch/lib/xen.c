/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xen.h"

#include <glib.h>

/* The feature's bit is Xen's public ABI (XENFEAT_dom0). */
#define XENFEAT_DOM0 11
#define FEATURES     "/sys/hypervisor/properties/features"

bool xen_is_control_domain(void)
{
        g_autofree char *features = NULL;
        return g_file_get_contents(FEATURES, &features, NULL, NULL) &&
               (g_ascii_strtoull(features, NULL, 16) & 1u << XENFEAT_DOM0);
}
