/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the service share: the functions behind the methods. Each has the shape that StorageService wants. */
#pragma once

#include "manager.h"
#include "message-switch/lib/waiters.h"

/* One queue; what the functions are given as `data`. */
typedef struct Door {
        Manager *manager;
        char *type; /* of the plugin whose queue it is; NULL: the queue of all */
        char *queue;
        BusService *service;
        Waiters *waiters; /* for updates; on the loop alone */
} Door;

static inline Manager *door_manager(void *door)
{
        return ((Door *)door)->manager;
}

static inline Operation operation_of(const ServiceCall *call, const char *dbg)
{
        return (Operation){ .dbg = dbg, .deadline_usec = call->deadline_usec, .call = call };
}

/* Fill in the functions of SR and of VDI and DP. */
void service_sr_functions(StorageService *functions);
void service_vdi_functions(StorageService *functions);
