/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "operation.h"

static bool on_add(void *data, const ServiceCall *call, XenopsVmAddArgs *args, char **ret,
                   XenopsError **error)
{
        Manager *manager = data;
        if (!vm_store_add(manager->vms, &args->vm, error))
                return false;
        manager_vm_changed(manager, args->vm.id);
        *ret = bus_strdup(args->vm.id);
        return true;
}

static bool on_remove(void *data, const ServiceCall *call, XenopsVmRemoveArgs *args, XenopsError **error)
{
        return manager_remove_vm(data, args->id ? args->id : "", error);
}

static bool on_exists(void *data, const ServiceCall *call, XenopsVmExistsArgs *args, bool *ret,
                      XenopsError **error)
{
        *ret = vm_store_has(((Manager *)data)->vms, args->id ? args->id : "");
        return true;
}

static void fill_stat(Manager *manager, const VmConfig *config, XenopsVmStat *ret)
{
        bus_value_copy(&xenops_type_vm, &ret->vm, &config->metadata.vm);
        manager_vm_state(manager, config, &ret->state);
}

static bool on_stat(void *data, const ServiceCall *call, XenopsVmStatArgs *args, XenopsVmStat *ret,
                    XenopsError **error)
{
        Manager *manager = data;
        auto_vm_config *config = vm_store_get(manager->vms, args->id ? args->id : "", error);
        if (config)
                fill_stat(manager, config, ret);
        return config;
}

static bool on_stat_whole(void *data, const ServiceCall *call, XenopsVmStatWholeArgs *args,
                          XenopsWholeStat *ret, XenopsError **error)
{
        Manager *manager = data;
        auto_vm_config *config = vm_store_get(manager->vms, args->id ? args->id : "", error);
        if (!config)
                return false;
        fill_stat(manager, config, &ret->vm);
        service_fill_vbds(manager, config, &ret->vbds);
        service_fill_vifs(manager, config, &ret->vifs);
        return true;
}

static bool on_list(void *data, const ServiceCall *call, XenopsVmListArgs *args, XenopsVmStatList *ret,
                    XenopsError **error)
{
        Manager *manager = data;
        g_autofree VmConfig **configs = vm_store_list(manager->vms);
        for (VmConfig **config = configs; *config; config++) {
                fill_stat(manager, *config, BUS_LIST_ADD(ret));
                vm_config_unref(*config);
        }
        return true;
}

/* What would have to be another for a running VM to need a restart: all that its domain is made from. */
static bool on_generate_state_string(void *data, const ServiceCall *call,
                                     XenopsVmGenerateStateStringArgs *args, char **ret, XenopsError **error)
{
        json_t *json = bus_encode(&xenops_type_vm, &args->vm);
        static const char *const live[] = {
                "name",      "xsdata", "on_crash",           "on_shutdown",
                "on_reboot", "vcpus",  "memory_dynamic_min", "memory_dynamic_max"
        };
        for (size_t i = 0; i < G_N_ELEMENTS(live); i++)
                json_object_del(json, live[i]);
        char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
        g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
        *ret = bus_strdup(sum);
        free(text);
        json_decref(json);
        return true;
}

static bool on_export_metadata(void *data, const ServiceCall *call, XenopsVmExportMetadataArgs *args,
                               char **ret, XenopsError **error)
{
        auto_vm_config *config = vm_store_get(((Manager *)data)->vms, args->id ? args->id : "", error);
        if (config)
                *ret = vm_metadata_text(&config->metadata);
        return config;
}

static bool on_import_metadata(void *data, const ServiceCall *call, XenopsVmImportMetadataArgs *args,
                               char **ret, XenopsError **error)
{
        Manager *manager = data;
        XenopsMetadata metadata;
        if (!vm_metadata_parse(args->metadata ? args->metadata : "", &metadata, error))
                return false;
        bool good = metadata.pcis.n == 0 && metadata.vgpus.n == 0 && metadata.vusbs.n == 0;
        good = good
                   ? vm_store_import(manager->vms, &metadata, error)
                   : xenops_fail_unimplemented(error, "VM.import_metadata with PCI, USB or graphics devices");
        if (good) {
                *ret = bus_strdup(metadata.vm.id);
                auto_vm_config *config = vm_store_get(manager->vms, metadata.vm.id, error);
                if (config)
                        manager_changed(manager, config);
                good = config;
        }
        xenops_metadata_clear(&metadata);
        return good;
}

static bool on_open_console(void *data, const ServiceCall *call, XenopsVmOpenConsoleArgs *args,
                            XenopsError **error)
{
        Manager *manager = data;
        auto_vm_config *config = vm_store_get(manager->vms, args->id ? args->id : "", error);
        if (!config)
                return false;
        const BackendOperations *operations = manager->backend->operations;
        if (!operations->open_console)
                return xenops_fail_unimplemented(error, "VM.open_console");
        int fd = operations->open_console(manager->backend, &config->metadata.vm, args->protocol, error);
        if (fd < 0)
                return false;
        service_call_send_fd(call, fd);
        return true;
}

/* A hard shutdown and a hard reboot go before what waits, and end what waits for the guest. */
static bool on_shutdown(void *data, const ServiceCall *call, XenopsVmShutdownArgs *args, char **ret,
                        XenopsError **error)
{
        return operation_submit(data, &operation_shutdown, call->method, args->debug_info, args->id, args,
                                !args->delay, ret, error);
}

static bool on_reboot(void *data, const ServiceCall *call, XenopsVmRebootArgs *args, char **ret,
                      XenopsError **error)
{
        return operation_submit(data, &operation_reboot, call->method, args->debug_info, args->id, args,
                                !args->delay, ret, error);
}

#define OPERATION(name, Args)                                                                                \
        static bool on_##name(void *data, const ServiceCall *call, Args *args, char **ret,                   \
                              XenopsError **error)                                                           \
        {                                                                                                    \
                return operation_submit(data, &operation_##name, call->method, args->debug_info, args->id,   \
                                        args, false, ret, error);                                            \
        }

OPERATION(start, XenopsVmStartArgs)
OPERATION(suspend, XenopsVmSuspendArgs)
OPERATION(resume, XenopsVmResumeArgs)
OPERATION(fast_resume, XenopsVmFastResumeArgs)
OPERATION(pause, XenopsVmPauseArgs)
OPERATION(unpause, XenopsVmUnpauseArgs)
OPERATION(delay, XenopsVmDelayArgs)
OPERATION(request_rdp, XenopsVmRequestRdpArgs)
OPERATION(set_vcpus, XenopsVmSetVcpusArgs)
OPERATION(set_shadow_multiplier, XenopsVmSetShadowMultiplierArgs)
OPERATION(set_memory_dynamic_range, XenopsVmSetMemoryDynamicRangeArgs)
OPERATION(set_xsdata, XenopsVmSetXsdataArgs)
OPERATION(s3suspend, XenopsVmS3suspendArgs)
OPERATION(s3resume, XenopsVmS3resumeArgs)

void service_vm_fill(XenopsService *table)
{
        table->vm_add = on_add;
        table->vm_remove = on_remove;
        table->vm_exists = on_exists;
        table->vm_stat = on_stat;
        table->vm_stat_whole = on_stat_whole;
        table->vm_list = on_list;
        table->vm_generate_state_string = on_generate_state_string;
        table->vm_export_metadata = on_export_metadata;
        table->vm_import_metadata = on_import_metadata;
        table->vm_open_console = on_open_console;
        table->vm_start = on_start;
        table->vm_shutdown = on_shutdown;
        table->vm_reboot = on_reboot;
        table->vm_suspend = on_suspend;
        table->vm_resume = on_resume;
        table->vm_fast_resume = on_fast_resume;
        table->vm_pause = on_pause;
        table->vm_unpause = on_unpause;
        table->vm_delay = on_delay;
        table->vm_request_rdp = on_request_rdp;
        table->vm_set_vcpus = on_set_vcpus;
        table->vm_set_shadow_multiplier = on_set_shadow_multiplier;
        table->vm_set_memory_dynamic_range = on_set_memory_dynamic_range;
        table->vm_set_xsdata = on_set_xsdata;
        table->vm_s3suspend = on_s3suspend;
        table->vm_s3resume = on_s3resume;
}
