/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "config.h"
#include "operation.h"

/* ---- tasks ---- */

static void fill_task(XenopsTask *ret, const TaskStat *stat)
{
        *ret = (XenopsTask){ .id = bus_strdup(stat->id),
                             .dbg = bus_strdup(stat->label),
                             .ctime = stat->created,
                             .cancellable = stat->cancellable };
        switch (stat->state) {
        case TASK_PENDING:
                ret->state.tag = XENOPS_TASK_STATE_PENDING;
                ret->state.pending = stat->progress;
                break;
        case TASK_COMPLETED:
                ret->state.tag = XENOPS_TASK_STATE_COMPLETED;
                ret->state.completed.duration = stat->duration;
                break;
        case TASK_FAILED:
                ret->state.tag = XENOPS_TASK_STATE_FAILED;
                ret->state.failed = bus_encode_error(&xenops_interface, stat->error);
                break;
        }
}

static Task *find_task(Manager *manager, const char *id, XenopsError **error)
{
        Task *task = tasks_find(manager->tasks, id ? id : "");
        if (!task)
                xenops_fail_does_not_exist(error, "Task", id ? id : "");
        return task;
}

static bool on_task_stat(void *data, const ServiceCall *call, XenopsTaskStatArgs *args, XenopsTask *ret,
                         XenopsError **error)
{
        Task *task = find_task(data, args->id, error);
        if (!task)
                return false;
        TaskStat stat = task_stat(task);
        fill_task(ret, &stat);
        task_stat_clear(&stat);
        task_unref(task);
        return true;
}

static bool on_task_cancel(void *data, const ServiceCall *call, XenopsTaskCancelArgs *args,
                           XenopsError **error)
{
        Task *task = find_task(data, args->id, error);
        if (!task)
                return false;
        cancel_ask(task_cancel(task));
        task_unref(task);
        return true;
}

static bool on_task_destroy(void *data, const ServiceCall *call, XenopsTaskDestroyArgs *args,
                            XenopsError **error)
{
        return tasks_destroy(((Manager *)data)->tasks, args->id ? args->id : "") ||
               xenops_fail_does_not_exist(error, "Task", args->id ? args->id : "");
}

static bool on_task_destroy_on_finish(void *data, const ServiceCall *call,
                                      XenopsTaskDestroyOnFinishArgs *args, XenopsError **error)
{
        return tasks_destroy(((Manager *)data)->tasks, args->id ? args->id : "") ||
               xenops_fail_does_not_exist(error, "Task", args->id ? args->id : "");
}

static bool on_task_list(void *data, const ServiceCall *call, XenopsTaskListArgs *args, XenopsTaskList *ret,
                         XenopsError **error)
{
        size_t n;
        g_autofree TaskStat *stats = tasks_list(((Manager *)data)->tasks, &n);
        for (size_t i = 0; i < n; i++) {
                fill_task(BUS_LIST_ADD(ret), &stats[i]);
                task_stat_clear(&stats[i]);
        }
        return true;
}

/* ---- updates ---- */

/* An answer that comes a little before the caller stops waiting for it. */
#define UPDATES_MARGIN_USEC (500u * 1000u)

static void fill_event(XenopsEventId *event, const UpdateId *id)
{
        static const XenopsEventIdTag tags[] = {
                [UPDATE_VM] = XENOPS_EVENT_ID_VM,     [UPDATE_VBD] = XENOPS_EVENT_ID_VBD,
                [UPDATE_VIF] = XENOPS_EVENT_ID_VIF,   [UPDATE_PCI] = XENOPS_EVENT_ID_PCI,
                [UPDATE_VGPU] = XENOPS_EVENT_ID_VGPU, [UPDATE_VUSB] = XENOPS_EVENT_ID_VUSB,
                [UPDATE_TASK] = XENOPS_EVENT_ID_TASK
        };
        event->tag = tags[id->kind];
        if (id->kind == UPDATE_VM)
                event->vm = bus_strdup(id->id);
        else if (id->kind == UPDATE_TASK)
                event->task = bus_strdup(id->id);
        else /* the devices' ids are all in the same place */
                event->vbd = (XenopsDeviceId){ bus_strdup(id->id), bus_strdup(id->device) };
}

static void fill_events(XenopsEventIdList *list, const UpdateId *ids, size_t n)
{
        *list = (XenopsEventIdList){ n, bus_alloc(n, sizeof(XenopsEventId)) };
        for (size_t i = 0; i < n; i++)
                fill_event(&list->items[i], &ids[i]);
}

static void on_updates(UpdateBatch *batch, void *data)
{
        XenopsUpdates updates = { .next = (int64_t)batch->next };
        fill_events(&updates.events, batch->ids, batch->n_ids);
        for (size_t i = 0; i < batch->n_barriers; i++) {
                XenopsBarrier *barrier = BUS_LIST_ADD(&updates.barriers);
                barrier->id = batch->barriers[i].id;
                fill_events(&barrier->events, batch->barriers[i].ids, batch->barriers[i].n_ids);
        }
        bus_request_respond(data, bus_encode(&xenops_type_updates, &updates), NULL, NULL, 0);
        xenops_updates_clear(&updates);
        update_batch_clear(batch);
}

static bool on_updates_get(void *data, const ServiceCall *call, XenopsUpdatesGetArgs *args,
                           XenopsUpdates *ret, XenopsError **error)
{
        Manager *manager = data;
        uint64_t now = clock_usec(), deadline = MAX(call->deadline_usec, now + UPDATES_MARGIN_USEC);
        deadline -= UPDATES_MARGIN_USEC;
        if (args->timeout && *args->timeout >= 0 && (uint64_t)*args->timeout < (deadline - now) / 1000000)
                deadline = now + (uint64_t)*args->timeout * 1000000;
        uint64_t since = args->last_id && *args->last_id > 0 ? (uint64_t)*args->last_id : 0;
        updates_wait(manager->updates, since, deadline, on_updates, service_call_defer(call));
        return true;
}

static bool on_updates_last_id(void *data, const ServiceCall *call, XenopsUpdatesLastIdArgs *args,
                               int64_t *ret, XenopsError **error)
{
        *ret = (int64_t)updates_last(((Manager *)data)->updates);
        return true;
}

#define DEVICES_APPEND(kind, list)                                                                           \
        do {                                                                                                 \
                for (size_t i = 0; i < (list)->n; i++)                                                       \
                        ids[n++] = (UpdateId){ (kind), (list)->items[i].id.vm, (list)->items[i].id.device }; \
        } while (0)

static bool on_updates_inject_barrier(void *data, const ServiceCall *call,
                                      XenopsUpdatesInjectBarrierArgs *args, XenopsError **error)
{
        Manager *manager = data;
        auto_vm_config *config = vm_store_get(manager->vms, args->vm_id ? args->vm_id : "", error);
        if (!config)
                return false;
        const XenopsMetadata *metadata = &config->metadata;
        size_t n = 0;
        g_autofree UpdateId *ids = g_new(UpdateId, metadata->vbds.n + metadata->vifs.n + metadata->pcis.n +
                                                       metadata->vgpus.n + metadata->vusbs.n);
        DEVICES_APPEND(UPDATE_VBD, &metadata->vbds);
        DEVICES_APPEND(UPDATE_VIF, &metadata->vifs);
        DEVICES_APPEND(UPDATE_PCI, &metadata->pcis);
        DEVICES_APPEND(UPDATE_VGPU, &metadata->vgpus);
        DEVICES_APPEND(UPDATE_VUSB, &metadata->vusbs);
        return updates_inject_barrier(manager->updates, args->id, args->vm_id, n, ids) == 0 ||
               xenops_fail_internal(error, "more than %u barriers", UPDATES_BARRIERS_MAX);
}

static bool on_updates_remove_barrier(void *data, const ServiceCall *call,
                                      XenopsUpdatesRemoveBarrierArgs *args, XenopsError **error)
{
        updates_remove_barrier(((Manager *)data)->updates, args->id);
        return true;
}

static bool on_updates_refresh_vm(void *data, const ServiceCall *call, XenopsUpdatesRefreshVmArgs *args,
                                  XenopsError **error)
{
        Manager *manager = data;
        auto_vm_config *config = vm_store_get(manager->vms, args->id ? args->id : "", error);
        if (config)
                manager_changed(manager, config);
        return config;
}

/* ---- the host, and xenopsd itself ---- */

static bool on_query(void *data, const ServiceCall *call, XenopsQueryArgs *args, XenopsQuery *ret,
                     XenopsError **error)
{
        Manager *manager = data;
        ret->name = bus_strdup(manager->backend->operations->name);
        ret->vendor = bus_strdup("XAPI toolstack");
        ret->version = bus_strdup(XAPI_VERSION);
        ret->instance_id = bus_strdup(manager->instance_id);
        return true;
}

static bool on_get_diagnostics(void *data, const ServiceCall *call, XenopsGetDiagnosticsArgs *args,
                               char **ret, XenopsError **error)
{
        Manager *manager = data;
        char *backend = manager->backend->operations->diagnostics(manager->backend);
        *ret = bus_printf("operations: %zu queued or running, %zu threads busy\nleftovers: %zu\n%s",
                          queues_length(manager->queues), workers_busy(manager->workers),
                          leftovers_length(manager->leftovers), backend);
        free(backend);
        return true;
}

static bool on_host_stat(void *data, const ServiceCall *call, XenopsHostStatArgs *args, XenopsHost *ret,
                         XenopsError **error)
{
        bus_value_copy(&xenops_type_host, ret, &((Manager *)data)->host);
        return true;
}

static bool on_host_get_console_data(void *data, const ServiceCall *call, XenopsHostGetConsoleDataArgs *args,
                                     char **ret, XenopsError **error)
{
        Backend *backend = ((Manager *)data)->backend;
        *ret = backend->operations->console_data(backend);
        return true;
}

static bool on_host_get_total_memory_mib(void *data, const ServiceCall *call,
                                         XenopsHostGetTotalMemoryMibArgs *args, int64_t *ret,
                                         XenopsError **error)
{
        Backend *backend = ((Manager *)data)->backend;
        *ret = backend->operations->total_memory_mib(backend);
        return true;
}

static bool on_debug_trigger(void *data, const ServiceCall *call, XenopsDebugTriggerArgs *args,
                             XenopsError **error)
{
        Backend *backend = ((Manager *)data)->backend;
        return backend->operations->trigger(backend, args->cmd ? args->cmd : "", &args->args, error);
}

static bool on_debug_shutdown(void *data, const ServiceCall *call, XenopsDebugShutdownArgs *args,
                              XenopsError **error)
{
        Manager *manager = data;
        manager->stop(manager->stop_data);
        return true;
}

/* ---- the table ---- */

/* All that only looks at memory or writes a small file; the rest gets a thread. */
static const char *const on_loop[] = {
        "query",
        "Task.stat",
        "Task.cancel",
        "Task.destroy",
        "Task.destroy_on_finish",
        "HOST.stat",
        "HOST.get_console_data",
        "HOST.get_total_memory_mib",
        "VM.add",
        "VM.remove",
        "VM.exists",
        "VM.stat",
        "VM.stat_whole",
        "VM.generate_state_string",
        "VM.export_metadata",
        "VM.import_metadata",
        "VM.pause",
        "VM.unpause",
        "VM.request_rdp",
        "VM.set_xsdata",
        "VM.set_vcpus",
        "VM.set_shadow_multiplier",
        "VM.set_memory_dynamic_range",
        "VM.delay",
        "VM.start",
        "VM.shutdown",
        "VM.reboot",
        "VM.suspend",
        "VM.resume",
        "VM.fast_resume",
        "VM.s3suspend",
        "VM.s3resume",
        "VBD.add",
        "VBD.plug",
        "VBD.unplug",
        "VBD.eject",
        "VBD.insert",
        "VBD.stat",
        "VBD.list",
        "VBD.remove",
        "VIF.add",
        "VIF.plug",
        "VIF.unplug",
        "VIF.move",
        "VIF.stat",
        "VIF.list",
        "VIF.remove",
        "VIF.set_carrier",
        "VIF.set_locking_mode",
        "VIF.set_ipv4_configuration",
        "VIF.set_ipv6_configuration",
        "VIF.set_trunks",
        "PCI.list",
        "VGPU.list",
        "VUSB.list",
        "UPDATES.get",
        "UPDATES.last_id",
        "UPDATES.inject_barrier",
        "UPDATES.remove_barrier",
        "UPDATES.refresh_vm",
        "DEBUG.trigger",
        "DEBUG.shutdown",
        NULL,
};
static const char *const urgent[] = { "get_diagnostics", "Task.list", NULL };

BusService *xenopsd_serve(Manager *manager)
{
        static XenopsService table = {
                .query = on_query,
                .get_diagnostics = on_get_diagnostics,
                .task_stat = on_task_stat,
                .task_cancel = on_task_cancel,
                .task_destroy = on_task_destroy,
                .task_destroy_on_finish = on_task_destroy_on_finish,
                .task_list = on_task_list,
                .host_stat = on_host_stat,
                .host_get_console_data = on_host_get_console_data,
                .host_get_total_memory_mib = on_host_get_total_memory_mib,
                .updates_get = on_updates_get,
                .updates_last_id = on_updates_last_id,
                .updates_inject_barrier = on_updates_inject_barrier,
                .updates_remove_barrier = on_updates_remove_barrier,
                .updates_refresh_vm = on_updates_refresh_vm,
                .debug_trigger = on_debug_trigger,
                .debug_shutdown = on_debug_shutdown,
        };
        service_vm_fill(&table);
        service_device_fill(&table);
        return xenops_serve(
            &table, manager,
            &(BusServiceOptions){
                .bus = manager->bus, .workers = manager->workers, .on_loop = on_loop, .urgent = urgent });
}
