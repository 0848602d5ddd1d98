/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Places of which there are few, shared among sessions: each may have as many as it leaves free, so that one that takes
 * all it can get leaves half of them, and whoever has none yet finds one unless all are taken. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct Shares Shares;

Shares *shares_new(size_t places);
void shares_free(Shares *shares);
/* One more for this session ("": all that have none, together). False: it has its share, or none is left. */
bool shares_take(Shares *shares, const char *session);
void shares_give_back(Shares *shares, const char *session);
