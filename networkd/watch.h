/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes what comes while this daemon runs be as recorded: a card that is plugged in, a bridge of others' that is late. */
#pragma once

#include "manager.h"
#include "message-switch/lib/loop.h"
#include "message-switch/lib/workers.h"

typedef struct Watch Watch;

/* On the loop's thread, as watch_stop; the manager outlives it. NULL: nothing ever comes, or, with a line in the log, it
 * cannot be seen. */
Watch *watch_new(Manager *manager, Loop *loop, Workers *workers);
void watch_stop(Watch *watch); /* before the workers are freed; NULL is legal */
void watch_free(Watch *watch); /* after; NULL is legal */
