/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DEBUG.trigger: what guests do by themselves. */
#include "simulator.h"

#include <string.h>

#include <glib.h>

/* guest vm=U do=poweroff|reboot|crash|suspend [after=SECONDS]; or do=eject device=D */
static bool trigger_guest(Simulator *simulator, const BusStrings *arguments, XenopsError **error)
{
        static const char *const keys[] = { "vm", "do", "after", "device", NULL };
        uint64_t after_usec = 0;
        if (!sim_arguments_check(arguments, keys, error) ||
            !sim_argument_usec(arguments, "after", &after_usec, error))
                return false;
        const char *vm = sim_argument(arguments, "vm"), *what = sim_argument(arguments, "do");
        const char *device = sim_argument(arguments, "device");
        bool eject = what && strcmp(what, "eject") == 0;
        SimReason reason = what && !eject ? sim_reason_of(what) : SIM_NONE;
        if (!vm || eject != (device != NULL) || (!eject && reason == SIM_NONE))
                return xenops_fail_internal(error,
                                            "guest needs vm= and do=poweroff, reboot, crash or suspend; "
                                            "or do=eject and device=");
        SimDomain *domain = sim_table_find(simulator->table, vm);
        if (!domain)
                return xenops_fail_bad_power_state(error, XENOPS_POWER_STATE_HALTED,
                                                   XENOPS_POWER_STATE_RUNNING);
        sim_domain_lock(simulator->table, domain);
        bool running = domain->life == SIM_RUNNING, paused = domain->life == SIM_PAUSED;
        if (running && !eject && after_usec == 0)
                sim_domain_shut(domain, reason);
        else if (running && !eject)
                sim_domain_request(domain, reason, clock_usec(), after_usec, after_usec);
        int r = sim_domain_commit(simulator->table, domain);
        sim_domain_unref(simulator->table, domain);
        if (r < 0)
                return simulator_fail_errno(error, "cannot write the domain", r);
        if (running && eject)
                simulator->backend.events.ejected(vm, device, simulator->backend.events.data);
        return running || xenops_fail_bad_power_state(
                              error, paused ? XENOPS_POWER_STATE_PAUSED : XENOPS_POWER_STATE_HALTED,
                              XENOPS_POWER_STATE_RUNNING);
}

/* Guests that run behave, from now on, as they were told to; those that have no tools cannot. */
static void teach_guests(Simulator *simulator)
{
        g_auto(GStrv) vms = sim_table_list(simulator->table);
        for (char **vm = vms; *vm; vm++) {
                SimDomain *domain = sim_table_find(simulator->table, *vm);
                if (!domain)
                        continue;
                SimGuest guest = sim_faults_guest(simulator->faults, *vm);
                sim_memory_set_guest(simulator->memory, domain->domid, guest.balloons && domain->tools,
                                     (int64_t)guest.delay_usec);
                sim_domain_unref(simulator->table, domain);
        }
}

/* destroy vm=U: the domain is taken away by somebody else, whatever the guest does. */
static bool trigger_destroy(Simulator *simulator, const BusStrings *arguments, XenopsError **error)
{
        static const char *const keys[] = { "vm", NULL };
        if (!sim_arguments_check(arguments, keys, error))
                return false;
        const char *vm = sim_argument(arguments, "vm");
        SimDomain *domain = vm ? sim_table_find(simulator->table, vm) : NULL;
        if (!domain)
                return xenops_fail_bad_power_state(error, XENOPS_POWER_STATE_HALTED,
                                                   XENOPS_POWER_STATE_RUNNING);
        sim_domain_lock(simulator->table, domain);
        sim_domain_shut(domain, SIM_POWEROFF);
        int r = sim_domain_commit(simulator->table, domain);
        sim_domain_unref(simulator->table, domain);
        return r == 0 || simulator_fail_errno(error, "cannot write the domain", r);
}

bool simulator_trigger(Backend *backend, const char *command, const BusStrings *arguments,
                       XenopsError **error)
{
        Simulator *simulator = (Simulator *)backend;
        if (strcmp(command, "guest") == 0)
                return trigger_guest(simulator, arguments, error);
        if (strcmp(command, "destroy") == 0)
                return trigger_destroy(simulator, arguments, error);
        int r = sim_faults_trigger(simulator->faults, command, arguments, error);
        if (r == 0)
                teach_guests(simulator);
        if (r > 0)
                return xenops_fail_internal(error, "the simulator has no command \"%s\"", command);
        return r == 0;
}
