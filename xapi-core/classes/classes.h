/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handlers of each class that has any: one file a class beside this one. */
#pragma once

#include "xenapi-handlers.h"

extern const EventHandlers event_handlers;
extern const NetworkHandlers network_handlers;
extern const SessionHandlers session_handlers;
extern const TaskHandlers task_handlers;
extern const VbdHandlers vbd_handlers;
extern const VifHandlers vif_handlers;
extern const VmHandlers vm_handlers;
