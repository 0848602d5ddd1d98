/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each HTTP request is for: calls, preflights, and the few paths that are served. */
#pragma once

#include "http-server.h"

typedef struct Manager Manager;

void server_on_request(HttpExchange *exchange, void *manager);
/* Calls function(data), on the loop, after that time, or earlier when the server ends (at once if it is ending). */
void server_hold_back(Manager *manager, uint64_t delay_usec, void (*function)(void *data), void *data);
/* Sends the answers that are held back (those to wrong passwords). */
void server_let_go(Manager *manager);
