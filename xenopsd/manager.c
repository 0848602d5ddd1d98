/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <glib.h>

#include "config.h"
#include "host-info.h"
#include "message-switch/lib/xen.h"
#include "operation.h"
#include "vbd.h"

static void on_shut_down(const char *vm, void *data)
{
        Manager *manager = data;
        if (vm_store_has(manager->vms, vm))
                operation_submit_own(manager, &operation_check, vm);
        else
                log_warning("A guest ended of which no VM is known", "XAPI_VM", vm, NULL);
}

static void on_changed(const char *vm, void *data)
{
        manager_vm_changed(data, vm);
}

static void on_ejected(const char *vm, const char *device, void *data)
{
        vbd_eject_wanted(data, vm, device);
}

static Backend *make_xenlight(Manager *manager, const ManagerSettings *settings, const BackendEvents *events,
                              char **ret_error)
{
#ifdef XAPI_XENLIGHT
        XenlightSettings xenlight = settings->xenlight;
        if (!xenlight.path)
                xenlight.path = settings->path;
        return xenlight_new(&xenlight, manager->loop, events, ret_error);
#else
        *ret_error = g_strdup("this xenopsd was built without libxenlight");
        return NULL;
#endif
}

static Backend *make_backend(Manager *manager, const ManagerSettings *settings, char **ret_error)
{
        BackendEvents events = { on_shut_down, on_changed, on_ejected, manager };
        const char *name = settings->backend ? settings->backend : "simulator";
        bool automatic = g_str_equal(name, "auto");
        if (g_str_equal(name, "xenlight") || (automatic && xen_is_control_domain()))
                return make_xenlight(manager, settings, &events, ret_error);
        if (automatic)
                log_warning("This is no control domain of Xen: domains are simulated", NULL);
        else if (!g_str_equal(name, "simulator")) {
                *ret_error = g_strdup_printf("there is no back end \"%s\"", name);
                return NULL;
        }
        SimulatorSettings simulator = settings->simulator;
        g_autofree char *path = g_build_filename(settings->path, "simulator", NULL);
        if (!simulator.path)
                simulator.path = path;
        return simulator_new(&simulator, manager->loop, &events, ret_error);
}

Manager *manager_new(const ManagerSettings *settings, Loop *loop, Workers *workers, Bus *bus,
                     char **ret_error)
{
        Manager *manager = g_new0(Manager, 1);
        pthread_mutex_init(&manager->memory_lock, NULL);
        pthread_mutex_init(&manager->ejects_lock, NULL);
        manager->ejects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        manager->loop = loop;
        manager->workers = workers;
        manager->bus = bus;
        manager->acknowledge_timeout_ms = settings->acknowledge_timeout_ms;
        manager->grace_ms = settings->grace_ms;
        manager->instance_id = g_uuid_string_random();
        manager->updates = updates_new(loop);
        manager->tasks = tasks_new(manager->updates);
        manager->queues = queues_new(workers);
        manager->rests =
            rests_new((uint64_t)settings->restless_window_ms * 1000, (uint64_t)settings->rest_ms * 1000);
        g_autofree char *path = g_build_filename(settings->path, "ledger", NULL);
        manager->ledger = ledger_open(path, ret_error);
        manager->backend = manager->ledger ? make_backend(manager, settings, ret_error) : NULL;
        if (!manager->backend) {
                manager_free(manager);
                return NULL;
        }
        manager->vms = vm_store_new(manager->ledger);
        manager->journal = journal_new(manager->ledger);
        manager->leftovers = leftovers_new(manager->ledger, bus);
        host_info_read(&manager->host);
        manager->backend->operations->host_stat(manager->backend, &manager->host);
        return manager;
}

void manager_start(Manager *manager)
{
        g_auto(GStrv) unfinished = journal_list(manager->journal);
        for (char **vm = unfinished; *vm; vm++) {
                if (vm_store_has(manager->vms, *vm))
                        operation_submit_own(manager, &operation_recover, *vm);
                else
                        journal_end(manager->journal, *vm);
        }
        g_autofree VmConfig **configs = vm_store_list(manager->vms);
        for (VmConfig **config = configs; *config; config++) {
                manager_changed(manager, *config);
                vm_config_unref(*config);
        }
        manager->backend->operations->start(manager->backend);
}

/* Long enough for what is about to end anyway. */
#define SETTLE_USEC (200u * 1000u)

bool manager_settle(Manager *manager)
{
        leftovers_stop(manager->leftovers);
        for (uint64_t deadline = clock_usec() + SETTLE_USEC; clock_usec() < deadline; g_usleep(1000))
                if (queues_length(manager->queues) == 0)
                        return true;
        log_info("Operations are left to the next xenopsd", NULL);
        return false;
}

void manager_free(Manager *manager)
{
        if (!manager)
                return;
        if (manager->backend)
                manager->backend->operations->free(manager->backend);
        leftovers_free(manager->leftovers);
        journal_free(manager->journal);
        vm_store_free(manager->vms);
        ledger_close(manager->ledger);
        queues_free(manager->queues);
        rests_free(manager->rests);
        tasks_free(manager->tasks);
        updates_free(manager->updates);
        xenops_host_clear(&manager->host);
        pthread_mutex_destroy(&manager->memory_lock);
        pthread_mutex_destroy(&manager->ejects_lock);
        g_hash_table_destroy(manager->ejects);
        g_free(manager->instance_id);
        g_free(manager);
}

void manager_vm_changed(Manager *manager, const char *vm)
{
        updates_add(manager->updates, UPDATE_VM, vm, NULL);
}

#define DEVICES_CHANGED(kind, list)                                                                          \
        do {                                                                                                 \
                for (size_t i = 0; i < (list)->n; i++)                                                       \
                        updates_add(manager->updates, (kind), vm, (list)->items[i].id.device);               \
        } while (0)

void manager_changed(Manager *manager, const VmConfig *config)
{
        const XenopsMetadata *metadata = &config->metadata;
        const char *vm = metadata->vm.id;
        manager_vm_changed(manager, vm);
        DEVICES_CHANGED(UPDATE_VBD, &metadata->vbds);
        DEVICES_CHANGED(UPDATE_VIF, &metadata->vifs);
        DEVICES_CHANGED(UPDATE_PCI, &metadata->pcis);
        DEVICES_CHANGED(UPDATE_VGPU, &metadata->vgpus);
        DEVICES_CHANGED(UPDATE_VUSB, &metadata->vusbs);
}

#define DEVICES_FORGET(kind, list)                                                                           \
        do {                                                                                                 \
                for (size_t i = 0; i < (list)->n; i++)                                                       \
                        updates_forget(manager->updates, (kind), vm, (list)->items[i].id.device);            \
        } while (0)

bool manager_remove_vm(Manager *manager, const char *vm, XenopsError **error)
{
        auto_vm_config *config = vm_store_get(manager->vms, vm, error);
        BackendDomain domain;
        if (!config)
                return false;
        if (journal_get(manager->journal, vm) != JOURNAL_NOTHING)
                return xenops_fail_internal(error, "VM %s is being changed", vm);
        if (manager->backend->operations->stat(manager->backend, vm, &domain))
                return xenops_fail_bad_power_state(
                    error, domain.paused ? XENOPS_POWER_STATE_PAUSED : XENOPS_POWER_STATE_RUNNING,
                    XENOPS_POWER_STATE_HALTED);
        if (!vm_store_remove(manager->vms, vm, error))
                return false;
        vbd_eject_forget(manager, vm);
        DEVICES_FORGET(UPDATE_VBD, &config->metadata.vbds);
        DEVICES_FORGET(UPDATE_VIF, &config->metadata.vifs);
        DEVICES_FORGET(UPDATE_PCI, &config->metadata.pcis);
        DEVICES_FORGET(UPDATE_VGPU, &config->metadata.vgpus);
        DEVICES_FORGET(UPDATE_VUSB, &config->metadata.vusbs);
        updates_gone(manager->updates, UPDATE_VM, vm, NULL);
        rests_forget(manager->rests, vm);
        return true;
}
