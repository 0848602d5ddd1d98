/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "service-private.h"
#include "sr.h"

/* The plugin's type: what the call says, or else the queue. */
static const char *type_of(const Door *door, const char *type, StorageError **error)
{
        if (type == NULL)
                type = door->type;
        if (type == NULL)
                storage_fail_missing_configuration_parameter(error, "sr_type");
        return type;
}

static bool on_create(void *data, const ServiceCall *call, StorageSrCreateArgs *args, BusDict *ret,
                      StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        const char *type = type_of(data, args->sr_type, error);

        return type != NULL && sr_create(door_manager(data), &operation, type, args, ret, error);
}

/* `queue` names the plugin, as upstream's callers do. */
static bool on_probe(void *data, const ServiceCall *call, StorageSrProbeArgs *args, StorageProbeResult *ret,
                     StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        const char *type;

        if (g_str_has_prefix(args->queue, PLUGIN_QUEUE_PREFIX))
                type = args->queue + strlen(PLUGIN_QUEUE_PREFIX);
        else
                type = type_of(data, NULL, error);
        return type != NULL &&
               sr_probe(door_manager(data), &operation, type, &args->device_config, ret, error);
}

static bool on_attach(void *data, const ServiceCall *call, StorageSrAttachArgs *args, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);
        const char *type = type_of(data, args->sr_type, error);

        return type != NULL &&
               sr_attach(door_manager(data), &operation, type, args->sr, &args->device_config, error);
}

static bool on_detach(void *data, const ServiceCall *call, StorageSrDetachArgs *args, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return sr_detach(door_manager(data), &operation, args->sr, error);
}

static bool on_reset(void *data, const ServiceCall *call, StorageSrResetArgs *args, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return sr_reset(door_manager(data), &operation, args->sr, error);
}

static bool on_destroy(void *data, const ServiceCall *call, StorageSrDestroyArgs *args, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return sr_destroy(door_manager(data), &operation, args->sr, error);
}

static bool on_scan(void *data, const ServiceCall *call, StorageSrScanArgs *args, StorageVdiInfoList *ret,
                    StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return sr_scan(door_manager(data), &operation, args->sr, ret, error);
}

static bool on_scan2(void *data, const ServiceCall *call, StorageSrScan2Args *args, StorageSrScan *ret,
                     StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return sr_stat(door_manager(data), &operation, args->sr, &ret->sr, error) &&
               sr_scan(door_manager(data), &operation, args->sr, &ret->vdis, error);
}

static bool on_stat(void *data, const ServiceCall *call, StorageSrStatArgs *args, StorageSrInfo *ret,
                    StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return sr_stat(door_manager(data), &operation, args->sr, ret, error);
}

static bool on_list(void *data, const ServiceCall *call, StorageSrListArgs *args, BusStrings *ret,
                    StorageError **error)
{
        manager_list(door_manager(data), ret);
        return true;
}

static bool on_set_name_label(void *data, const ServiceCall *call, StorageSrSetNameLabelArgs *args,
                              StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return sr_set_name_label(door_manager(data), &operation, args->sr, args->new_name_label, error);
}

static bool on_set_name_description(void *data, const ServiceCall *call,
                                    StorageSrSetNameDescriptionArgs *args, StorageError **error)
{
        Operation operation = operation_of(call, args->dbg);

        return sr_set_name_description(door_manager(data), &operation, args->sr, args->new_name_description,
                                       error);
}

void service_sr_functions(StorageService *functions)
{
        functions->sr_create = on_create;
        functions->sr_probe = on_probe;
        functions->sr_attach = on_attach;
        functions->sr_detach = on_detach;
        functions->sr_reset = on_reset;
        functions->sr_destroy = on_destroy;
        functions->sr_scan = on_scan;
        functions->sr_scan2 = on_scan2;
        functions->sr_stat = on_stat;
        functions->sr_list = on_list;
        functions->sr_set_name_label = on_set_name_label;
        functions->sr_set_name_description = on_set_name_description;
}
