/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each HTTP request is for: calls, preflights, and the few paths that are served. */
#pragma once

#include "http-server.h"

typedef struct Manager Manager;

void server_on_request(HttpExchange *exchange, void *manager);
/* Sends the answers that are held back (those to wrong passwords). */
void server_let_go(Manager *manager);
