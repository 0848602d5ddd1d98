/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The back end without a hypervisor: domains stand in a ledger (sim-table.h), guests react by the clock (sim-domain.h). */
#include "simulator.h"

#include <errno.h>

#include <glib.h>

static Simulator *simulator_of(BackendContext *context)
{
        return (Simulator *)context->backend;
}

bool simulator_fail_errno(XenopsError **error, const char *what, int r)
{
        return xenops_fail_internal(error, "simulator: %s: %s", what, g_strerror(-r));
}

SimDomain *simulator_enter(BackendContext *context, const char *vm, const char *step, XenopsError **error)
{
        Simulator *simulator = simulator_of(context);
        if (!sim_faults_meet(simulator->faults, vm, step, context->cancel, error))
                return NULL;
        SimDomain *domain = sim_table_find(simulator->table, vm);
        if (!domain) {
                xenops_fail_bad_power_state(error, XENOPS_POWER_STATE_HALTED, XENOPS_POWER_STATE_RUNNING);
                return NULL;
        }
        sim_domain_lock(simulator->table, domain);
        return domain;
}

bool simulator_leave(BackendContext *context, SimDomain *domain, XenopsError **error)
{
        Simulator *simulator = simulator_of(context);
        int r = sim_domain_commit(simulator->table, domain);
        sim_domain_unref(simulator->table, domain);
        return r == 0 || simulator_fail_errno(error, "cannot write the domain", r);
}

void simulator_abandon(BackendContext *context, SimDomain *domain)
{
        Simulator *simulator = simulator_of(context);
        sim_domain_unlock(simulator->table, domain);
        sim_domain_unref(simulator->table, domain);
}

static BackendContext *simulator_context_new(Backend *backend, Cancel *cancel)
{
        BackendContext *context = g_new(BackendContext, 1);
        *context = (BackendContext){ backend, cancel };
        return context;
}

static void simulator_context_free(BackendContext *context)
{
        g_free(context);
}

static char **simulator_list(Backend *backend)
{
        return sim_table_list(((Simulator *)backend)->table);
}

static BackendReason reason_of(SimReason reason)
{
        static const BackendReason reasons[] = { [SIM_NONE] = BACKEND_NO_REASON,
                                                 [SIM_POWEROFF] = BACKEND_POWEROFF,
                                                 [SIM_REBOOT] = BACKEND_REBOOT,
                                                 [SIM_SUSPEND] = BACKEND_SUSPEND,
                                                 [SIM_CRASH] = BACKEND_CRASH };
        return reasons[reason];
}

static bool simulator_stat(Backend *backend, const char *vm, BackendDomain *ret)
{
        SimTable *table = ((Simulator *)backend)->table;
        SimDomain *domain = sim_table_find(table, vm);
        if (!domain)
                return false;
        sim_domain_lock(table, domain);
        *ret = (BackendDomain){
                .domid = domain->domid,
                .paused = domain->life == SIM_PAUSED,
                .shut_down = domain->life == SIM_SHUTDOWN,
                .reason = reason_of(domain->reason),
                .vcpus = domain->vcpus,
        };
        SimMemoryDomain memory;
        if (sim_memory_get(((Simulator *)backend)->memory, domain->domid, &memory) == 0)
                ret->memory_kib = memory.actual_kib;
        sim_domain_unlock(table, domain);
        sim_domain_unref(table, domain);
        return true;
}

static bool simulator_create(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        Simulator *simulator = simulator_of(context);
        SimDomain *domain;
        if (!sim_faults_meet(simulator->faults, vm->id, "create", context->cancel, error))
                return false;
        int r = sim_table_create(simulator->table, vm->id, &domain);
        if (r == -EEXIST)
                return xenops_fail_already_exists(error, "domain", vm->id);
        if (r < 0)
                return simulator_fail_errno(error, "cannot create a domain", r);
        sim_domain_lock(simulator->table, domain);
        SimGuest guest = sim_faults_guest(simulator->faults, vm->id);
        domain->hvm = vm->ty.tag == XENOPS_BUILDER_INFO_HVM;
        domain->tools = !domain->hvm || guest.tools;
        sim_memory_set_guest(simulator->memory, domain->domid, guest.balloons && domain->tools,
                             (int64_t)guest.delay_usec);
        sim_memory_set_range(simulator->memory, domain->domid, vm->memory_static_max / 1024,
                             vm->memory_dynamic_min / 1024, vm->memory_dynamic_max / 1024);
        domain->vcpus = vm->vcpus;
        if (domain->hvm)
                domain->shadow_multiplier = vm->ty.hvm.shadow_multiplier;
        return simulator_leave(context, domain, error);
}

static bool simulator_destroy(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        Simulator *simulator = simulator_of(context);
        if (!sim_faults_meet(simulator->faults, vm->id, "destroy", context->cancel, error))
                return false;
        SimDomain *domain = sim_table_find(simulator->table, vm->id);
        if (!domain)
                return true;
        int r = sim_table_destroy(simulator->table, domain);
        if (r == 0)
                sim_consoles_end(simulator->consoles, vm->id, "is gone");
        sim_domain_unref(simulator->table, domain);
        return r == 0 || simulator_fail_errno(error, "cannot remove the domain", r);
}

static bool simulator_set_memory(BackendContext *context, const XenopsVm *vm, int64_t bytes,
                                 XenopsError **error)
{
        Simulator *simulator = simulator_of(context);
        int64_t free_kib;
        SimDomain *domain = simulator_enter(context, vm->id, "memory", error);
        if (!domain)
                return false;
        if (sim_domain_set_memory(simulator->table, domain, bytes / 1024, &free_kib) < 0) {
                simulator_abandon(context, domain);
                return xenops_fail_cannot_free_this_much_memory(error, bytes / 1024, free_kib);
        }
        return simulator_leave(context, domain, error);
}

static bool simulator_set_memory_range(BackendContext *context, const XenopsVm *vm, int64_t min_bytes,
                                       int64_t max_bytes, XenopsError **error)
{
        Simulator *simulator = simulator_of(context);
        SimDomain *domain = simulator_enter(context, vm->id, "memory-range", error);
        if (!domain)
                return false;
        int r = sim_memory_set_range(simulator->memory, domain->domid, vm->memory_static_max / 1024,
                                     min_bytes / 1024, max_bytes / 1024);
        simulator_abandon(context, domain);
        return r == 0 || simulator_fail_errno(error, "cannot set the range", r);
}

static bool simulator_build(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        SimDomain *domain = simulator_enter(context, vm->id, "build", error);
        if (!domain)
                return false;
        domain->built = true;
        domain->started_usec = clock_real_usec();
        return simulator_leave(context, domain, error);
}

static bool simulator_create_device_model(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        SimDomain *domain = simulator_enter(context, vm->id, "device-model", error);
        if (!domain)
                return false;
        domain->device_model = true;
        return simulator_leave(context, domain, error);
}

static bool set_life(BackendContext *context, const XenopsVm *vm, const char *step, SimLife from, SimLife to,
                     XenopsError **error)
{
        SimDomain *domain = simulator_enter(context, vm->id, step, error);
        if (!domain)
                return false;
        if (!domain->built || domain->life != from) {
                bool built = domain->built;
                simulator_abandon(context, domain);
                if (!built)
                        return xenops_fail_domain_not_built(error);
                return xenops_fail_bad_power_state(
                    error, from == SIM_PAUSED ? XENOPS_POWER_STATE_RUNNING : XENOPS_POWER_STATE_PAUSED,
                    from == SIM_PAUSED ? XENOPS_POWER_STATE_PAUSED : XENOPS_POWER_STATE_RUNNING);
        }
        domain->life = to;
        if (to == SIM_RUNNING)
                sim_memory_set_ran(simulator_of(context)->memory, domain->domid);
        return simulator_leave(context, domain, error);
}

static bool simulator_unpause(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        return set_life(context, vm, "unpause", SIM_PAUSED, SIM_RUNNING, error);
}

static bool simulator_pause(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        return set_life(context, vm, "pause", SIM_RUNNING, SIM_PAUSED, error);
}

static bool simulator_request(BackendContext *context, const XenopsVm *vm, BackendReason reason,
                              XenopsError **error)
{
        static const SimReason reasons[] = { [BACKEND_POWEROFF] = SIM_POWEROFF,
                                             [BACKEND_REBOOT] = SIM_REBOOT,
                                             [BACKEND_SUSPEND] = SIM_SUSPEND,
                                             [BACKEND_CRASH] = SIM_CRASH };
        SimDomain *domain = simulator_enter(context, vm->id, "request", error);
        if (!domain)
                return false;
        if (domain->life == SIM_SHUTDOWN) {
                simulator_abandon(context, domain);
                return true;
        }
        SimGuest guest = sim_faults_guest(simulator_of(context)->faults, vm->id);
        bool acknowledges = guest.acknowledges && domain->tools;
        sim_domain_request(domain, reasons[reason], clock_usec(),
                           acknowledges ? guest.delay_usec / 2 : SIM_NEVER,
                           acknowledges && guest.answers ? guest.delay_usec : SIM_NEVER);
        return simulator_leave(context, domain, error);
}

static int domain_wait(BackendContext *context, const char *vm, uint64_t deadline_usec,
                       int (*wait)(SimTable *, SimDomain *, uint64_t, Cancel *))
{
        SimTable *table = simulator_of(context)->table;
        SimDomain *domain = sim_table_find(table, vm);
        if (!domain)
                return -ESRCH;
        int r = wait(table, domain, deadline_usec, context->cancel);
        sim_domain_unref(table, domain);
        return r;
}

static int simulator_wait_acknowledged(BackendContext *context, const char *vm, uint64_t deadline_usec)
{
        return domain_wait(context, vm, deadline_usec, sim_domain_wait_acknowledged);
}

static int simulator_wait_shut_down(BackendContext *context, const char *vm, uint64_t deadline_usec)
{
        return domain_wait(context, vm, deadline_usec, sim_domain_wait_shutdown);
}

static bool simulator_fast_resume(BackendContext *context, const XenopsVm *vm, XenopsError **error)
{
        SimDomain *domain = simulator_enter(context, vm->id, "fast-resume", error);
        if (!domain)
                return false;
        if (domain->life != SIM_SHUTDOWN || domain->reason != SIM_SUSPEND) {
                simulator_abandon(context, domain);
                return xenops_fail_bad_power_state(error, XENOPS_POWER_STATE_RUNNING,
                                                   XENOPS_POWER_STATE_SUSPENDED);
        }
        domain->life = SIM_RUNNING;
        domain->reason = SIM_NONE;
        domain->announce = false;
        return simulator_leave(context, domain, error);
}

static bool simulator_set_vcpus(BackendContext *context, const XenopsVm *vm, int64_t vcpus,
                                XenopsError **error)
{
        SimDomain *domain = simulator_enter(context, vm->id, "vcpus", error);
        if (!domain)
                return false;
        domain->vcpus = vcpus;
        return simulator_leave(context, domain, error);
}

static bool simulator_set_shadow_multiplier(BackendContext *context, const XenopsVm *vm, double multiplier,
                                            XenopsError **error)
{
        SimDomain *domain = simulator_enter(context, vm->id, "shadow", error);
        if (!domain)
                return false;
        domain->shadow_multiplier = multiplier;
        return simulator_leave(context, domain, error);
}

static bool simulator_request_rdp(BackendContext *context, const XenopsVm *vm, bool enabled,
                                  XenopsError **error)
{
        SimDomain *domain = simulator_enter(context, vm->id, "rdp", error);
        if (!domain)
                return false;
        domain->rdp = enabled;
        return simulator_leave(context, domain, error);
}

static void simulator_start(Backend *backend)
{
        sim_table_start(((Simulator *)backend)->table);
}

static int64_t simulator_total_memory_mib(Backend *backend)
{
        return ((Simulator *)backend)->memory_mib;
}

/* Comes after all that the table posted. */
static void simulator_finish(void *data)
{
        Simulator *simulator = data;
        sim_faults_free(simulator->faults);
        sim_consoles_free(simulator->consoles);
        sim_memory_close(simulator->memory);
        ledger_close(simulator->ledger);
        g_free(simulator);
}

static void simulator_free(Backend *backend)
{
        sim_table_free(((Simulator *)backend)->table);
        loop_post(backend->loop, simulator_finish, backend);
}

static void simulator_shut_down(const char *vm, void *data)
{
        Simulator *simulator = data;
        sim_consoles_end(simulator->consoles, vm, "has shut down");
        simulator->backend.events.shut_down(vm, simulator->backend.events.data);
}

static const BackendOperations simulator_operations = {
        .name = "simulator",
        .free = simulator_free,
        .start = simulator_start,
        .context_new = simulator_context_new,
        .context_free = simulator_context_free,
        .list = simulator_list,
        .stat = simulator_stat,
        .state = simulator_state,
        .vbd_stat = simulator_vbd_stat,
        .vif_stat = simulator_vif_stat,
        .create = simulator_create,
        .destroy = simulator_destroy,
        .set_memory = simulator_set_memory,
        .set_memory_range = simulator_set_memory_range,
        .build = simulator_build,
        .create_device_model = simulator_create_device_model,
        .unpause = simulator_unpause,
        .pause = simulator_pause,
        .vbd_plug = simulator_vbd_plug,
        .vbd_unplug = simulator_vbd_unplug,
        .vbd_change = simulator_vbd_change,
        .vif_plug = simulator_vif_plug,
        .vif_unplug = simulator_vif_unplug,
        .vif_change = simulator_vif_change,
        .request = simulator_request,
        .wait_acknowledged = simulator_wait_acknowledged,
        .wait_shut_down = simulator_wait_shut_down,
        .save = simulator_save,
        .restore = simulator_restore,
        .fast_resume = simulator_fast_resume,
        .set_vcpus = simulator_set_vcpus,
        .set_shadow_multiplier = simulator_set_shadow_multiplier,
        .request_rdp = simulator_request_rdp,
        .open_console = simulator_open_console,
        .host_stat = simulator_host_stat,
        .total_memory_mib = simulator_total_memory_mib,
        .console_data = simulator_console_data,
        .diagnostics = simulator_diagnostics,
        .trigger = simulator_trigger,
};

Backend *simulator_new(const SimulatorSettings *settings, Loop *loop, const BackendEvents *events,
                       char **ret_error)
{
        SimGuest standard = { true, true, true, true, (uint64_t)settings->guest_delay_ms * 1000 };
        g_autofree char *path = g_build_filename(settings->path, "ledger", NULL);
        Ledger *ledger = ledger_open(path, ret_error);
        if (!ledger)
                return NULL;
        g_autofree char *memory_path = g_build_filename(settings->path, "memory", NULL);
        SimMemory *memory = sim_memory_open(memory_path, settings->memory_mib * 1024, ret_error);
        if (!memory) {
                ledger_close(ledger);
                return NULL;
        }
        Simulator *simulator = g_new0(Simulator, 1);
        simulator->backend = (Backend){ &simulator_operations, loop, *events };
        simulator->memory_mib = settings->memory_mib;
        simulator->ledger = ledger;
        simulator->memory = memory;
        simulator->faults = sim_faults_new(ledger, &standard);
        simulator->consoles = sim_consoles_new(loop);
        simulator->table = sim_table_new(ledger, loop, memory, simulator_shut_down, simulator);
        return &simulator->backend;
}
