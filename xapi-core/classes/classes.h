/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handlers of each class that has any: one file a class beside this one. */
#pragma once

#include "xenapi-handlers.h"

extern const CrashdumpHandlers crashdump_handlers;
extern const EventHandlers event_handlers;
extern const HostHandlers host_handlers;
extern const MessageHandlers message_handlers;
extern const NetworkHandlers network_handlers;
extern const PifHandlers pif_handlers;
extern const PoolHandlers pool_handlers;
extern const RoleHandlers role_handlers;
extern const SecretHandlers secret_handlers;
extern const PbdHandlers pbd_handlers;
extern const SessionHandlers session_handlers;
extern const SubjectHandlers subject_handlers;
extern const SrHandlers sr_handlers;
extern const TaskHandlers task_handlers;
extern const VbdHandlers vbd_handlers;
extern const VdiHandlers vdi_handlers;
extern const VifHandlers vif_handlers;
extern const VlanHandlers vlan_handlers;
extern const VmApplianceHandlers vm_appliance_handlers;
extern const VmHandlers vm_handlers;

#define MESSAGES_MAX 10000
/* Drops the oldest messages above the limit. */
void messages_collect(Store *store);

/* After a change to what they depend on. */
void host_update_allowed_operations(Txn *txn, const char *ref);
