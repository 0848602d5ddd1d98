/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the simulated hypervisor, its domains and their guests tell of themselves. */
#include "simulator.h"

#include <errno.h>
#include <stdlib.h>

#include <glib.h>

static void replace_text(char **slot, const char *text)
{
        free(*slot);
        *slot = bus_strdup(text);
}

/* As an agent in the guest would write it into xenstore. */
static void guest_agent(const SimDomain *domain, BusDict *agent)
{
        static const char *const facts[][2] = {
                { "attr/PVAddons/Installed", "1" },
                { "attr/PVAddons/MajorVersion", "8" },
                { "attr/PVAddons/MinorVersion", "4" },
                { "attr/PVAddons/MicroVersion", "0" },
                { "attr/PVAddons/BuildVersion", "1" },
                { "control/feature-balloon", "1" },
                { "control/feature-poweroff", "1" },
                { "control/feature-reboot", "1" },
                { "control/feature-shutdown", "1" },
                { "control/feature-static-ip-setting", "1" },
                { "control/feature-suspend", "1" },
                { "control/feature-vcpu-hotplug", "1" },
                { "data/meminfo_free", "65536" },
                { "data/os_distro", "debian" },
                { "data/os_majorver", "12" },
                { "data/os_minorver", "0" },
                { "data/os_name", "Debian GNU/Linux 12 (simulated)" },
                { "data/os_uname", "6.1.0-simulated" },
                { "data/updated", "1" },
                { "feature/hotplug/cdrom", "1" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(facts); i++)
                bus_dict_set(agent, facts[i][0], facts[i][1]);
        unsigned n_vifs = 0;
        for (size_t i = 0; i < domain->n_devices; i++) {
                if (!g_str_equal(domain->devices[i].kind, "vif"))
                        continue;
                char key[48], address[48];
                g_snprintf(key, sizeof key, "attr/vif/%u/ipv4/0", n_vifs);
                g_snprintf(address, sizeof address, "10.%u.%u.%u", n_vifs++ % 256,
                           (unsigned)(domain->domid / 250 % 256), (unsigned)(domain->domid % 250) + 2);
                bus_dict_set(agent, key, address);
        }
}

static void add_console(XenopsVmState *state, XenopsConsoleProtocol protocol, const SimDomain *domain)
{
        XenopsConsole *console = BUS_LIST_ADD(&state->consoles);
        *console = (XenopsConsole){ protocol, 0,
                                    bus_printf("/simulated/%s/%" G_GINT64_FORMAT,
                                               protocol == XENOPS_CONSOLE_PROTOCOL_RFB ? "vnc" : "console",
                                               domain->domid) };
}

void simulator_state(Backend *backend, const XenopsVm *vm, XenopsVmState *state)
{
        SimTable *table = ((Simulator *)backend)->table;
        SimDomain *domain = sim_table_find(table, vm->id);
        if (!domain)
                return;
        sim_domain_lock(table, domain);
        *(int64_t *)bus_list_add((BusList *)(void *)&state->domids, sizeof(int64_t)) = domain->domid;
        add_console(state, XENOPS_CONSOLE_PROTOCOL_VT100, domain);
        if (domain->hvm)
                add_console(state, XENOPS_CONSOLE_PROTOCOL_RFB, domain);
        SimMemoryDomain memory = { 0 };
        sim_memory_get(((Simulator *)backend)->memory, domain->domid, &memory);
        state->memory_target = memory.target_kib * 1024;
        state->memory_actual = memory.actual_kib * 1024;
        state->memory_limit = MAX(state->memory_actual, vm->memory_static_max);
        state->vcpu_target = domain->vcpus;
        state->shadow_multiplier_target = domain->shadow_multiplier;
        state->last_start_time = (double)domain->started_usec / 1e6;
        if (domain->tools && domain->life == SIM_RUNNING) {
                guest_agent(domain, &state->guest_agent);
                bus_dict_set(&state->guest_agent, "data/ts", domain->rdp ? "1" : "0");
        }
        state->pv_drivers_detected = domain->tools;
        sim_domain_unlock(table, domain);
        sim_domain_unref(table, domain);
}

void simulator_host_stat(Backend *backend, XenopsHost *host)
{
        replace_text(&host->hypervisor.version, "4.17.0-simulated");
        replace_text(&host->hypervisor.capabilities,
                     "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64");
        host->chipset_info = (XenopsChipsetInfo){ .iommu = false, .hvm = true };
}

char *simulator_console_data(Backend *backend)
{
        return bus_strdup("Xen simulator");
}

/* Posted under the domain's lock, so that what ends consoles comes after. */
int simulator_open_console(Backend *backend, const XenopsVm *vm, XenopsConsoleProtocol protocol,
                           XenopsError **error)
{
        Simulator *simulator = (Simulator *)backend;
        SimDomain *domain = sim_table_find(simulator->table, vm->id);
        int fd = -ENXIO;
        if (domain) {
                sim_domain_lock(simulator->table, domain);
                if (!domain->gone && domain->life != SIM_SHUTDOWN &&
                    (domain->hvm || protocol == XENOPS_CONSOLE_PROTOCOL_VT100))
                        fd = sim_consoles_open(simulator->consoles, vm->id, vm->name, protocol);
                sim_domain_unlock(simulator->table, domain);
                sim_domain_unref(simulator->table, domain);
        }
        if (fd == -ENXIO)
                xenops_fail_does_not_exist(error, "console", vm->id);
        else if (fd < 0)
                simulator_fail_errno(error, "cannot open a console", fd);
        return fd < 0 ? -1 : fd;
}

char *simulator_diagnostics(Backend *backend)
{
        Simulator *simulator = (Simulator *)backend;
        g_auto(GStrv) vms = sim_table_list(simulator->table);
        g_autofree char *faults = sim_faults_text(simulator->faults);
        return bus_printf(
            "simulator: %u domains, %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " MiB free\nfaults: %s\n",
            g_strv_length(vms), sim_memory_free_kib(simulator->memory) / 1024, simulator->memory_mib, faults);
}
