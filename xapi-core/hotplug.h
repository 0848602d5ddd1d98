/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A change to a device of a running VM: marked, asked of xenopsd, waited for, and seen in the rows. On a worker. */
#pragma once

#include "operations.h"
#include "xenops.h"

typedef struct Hotplug {
        Call *call;
        const OperationRules *rules; /* of the device's class */
        const char *device;          /* its ref */
        int64_t operation;
        /* Calls xenopsd; *ret_task is its task (owned), NULL where there is nothing to wait for. */
        bool (*ask)(struct Hotplug *hotplug, const char *vm_uuid, char **ret_task, XapiError **error);
        /* In the last transaction, when all went well; may be NULL. */
        void (*finish)(Txn *txn, struct Hotplug *hotplug);
        const void *data;
        /* Filled in by hotplug_run: */
        Str vm; /* ref */
        bool failed;
} Hotplug;

/* `vm_field` is the index of the device's field that names its VM. */
bool hotplug_run(Hotplug *hotplug, size_t vm_field, XapiError **error);
