/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A change to a device of a running VM: marked, asked of xenopsd, waited for, and seen in the rows. On a worker. */
#pragma once

#include "operations.h"
#include "xenops.h"

/* A class of devices. The fields are indices into Class.fields. */
typedef struct HotplugClass {
        const OperationRules *rules;
        size_t vm_field;   /* whose it is */
        size_t name_field; /* what xenopsd calls it within the VM */
} HotplugClass;

typedef struct Hotplug {
        Call *call;
        const HotplugClass *class;
        const char *device; /* its ref */
        int64_t operation;
        /* Calls xenopsd; *ret_task is its task (owned), NULL where there is nothing to wait for. False: xenopsd's refusal,
         * owned, or else *error. */
        bool (*ask)(struct Hotplug *hotplug, char **ret_task, XenopsError **refusal, XapiError **error);
        /* In the last transaction, when all went well; may be NULL. */
        void (*finish)(Txn *txn, struct Hotplug *hotplug);
        const void *data;
        /* Filled in by hotplug_run; for ask: */
        Bus *bus;
        const Row *row; /* of the device, as it is while nobody else changes anything of the VM at xenopsd */
        const VmRow *vm;
        XenopsDeviceId id;
        Str vm_ref;
        bool failed;
} Hotplug;

bool hotplug_run(Hotplug *hotplug, XapiError **error);
