/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's processors, as Linux tells of them. */
#pragma once

#include "xenops.h"

/* Sets cpu_info; what is not told stays empty. */
void host_info_read(XenopsHost *host);
