/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notices what nobody tells of: that a domain has more or less memory than it had, or processors. */
#pragma once

#include "manager.h"

typedef struct Figures Figures;

#define FIGURES_NEWS_KIB 1024 /* a smaller change is no news */

/* Looks at all domains every so often, and has clients look at those that changed. */
Figures *figures_new(Manager *manager, uint64_t interval_ms);
void figures_free(Figures *figures); /* on the loop's thread, when no worker runs; NULL is legal */
