/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether this host is one of Xen's, for daemons that choose what is behind them. */
#pragma once

#include <stdbool.h>

/* Whether this is Xen's control domain. */
bool xen_is_control_domain(void);
