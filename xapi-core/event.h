/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* event.from and event.next: calls that wait without a thread. */
#pragma once

#include "dispatch.h"

/* `secret` is what the client sent, `session` the reference. True: the message was one of the two, and done will be called when there is something to tell. False: not called. */
bool event_dispatch(Manager *manager, const Message *message, const char *secret, const char *session,
                    const Value *params, HttpExchange *exchange, DispatchDone done, void *data);
