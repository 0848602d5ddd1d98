/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Xen and its domains are like now. Nothing here waits. */
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "xl-guest.h"

#define XEN_PAGE_BYTES 4096

bool xl_uuid(const char *vm, libxl_uuid *ret)
{
        return g_uuid_string_is_valid(vm) && libxl_uuid_from_string(ret, vm) == 0;
}

BackendReason xl_reason(libxl_shutdown_reason reason)
{
        switch (reason) {
        case LIBXL_SHUTDOWN_REASON_REBOOT:
        case LIBXL_SHUTDOWN_REASON_SOFT_RESET:
                return BACKEND_REBOOT;
        case LIBXL_SHUTDOWN_REASON_SUSPEND:
                return BACKEND_SUSPEND;
        case LIBXL_SHUTDOWN_REASON_CRASH:
        case LIBXL_SHUTDOWN_REASON_WATCHDOG:
                return BACKEND_CRASH;
        default:
                return BACKEND_POWEROFF;
        }
}

int xl_domain_info(Xenlight *xenlight, int64_t domid, libxl_dominfo *ret)
{
        libxl_dominfo_init(ret);
        if (domid < 0)
                return ERROR_DOMAIN_NOTFOUND;
        int rc = libxl_domain_info(xenlight->look, ret, (uint32_t)domid);
        if (rc == 0 && ret->dying) {
                libxl_dominfo_dispose(ret);
                rc = ERROR_DOMAIN_NOTFOUND;
        }
        return rc;
}

size_t xl_domains_of(Xenlight *xenlight, const char *vm, uint32_t **ret)
{
        libxl_uuid uuid;
        int n = 0;
        size_t n_found = 0;
        *ret = NULL;
        libxl_dominfo *domains = xl_uuid(vm, &uuid) ? libxl_list_domain(xenlight->look, &n) : NULL;
        if (!domains)
                return 0;
        *ret = g_new(uint32_t, (size_t)n + 1);
        for (int i = 0; i < n; i++)
                if (!domains[i].dying && libxl_uuid_compare(&domains[i].uuid, &uuid) == 0)
                        (*ret)[n_found++] = domains[i].domid;
        libxl_dominfo_list_free(domains, n);
        return n_found;
}

static int64_t domid_of(Xenlight *xenlight, const char *vm, uint64_t *ret_started_usec)
{
        XlVm *found = xl_table_lock(xenlight->table, vm);
        int64_t domid = XL_NO_DOMAIN;
        if (found) {
                domid = found->domid;
                if (ret_started_usec)
                        *ret_started_usec = found->started_usec;
                xl_table_unlock(xenlight->table, found);
        }
        return domid;
}

bool xl_find(BackendContext *context, const char *vm, XlDomain *ret, XenopsError **error)
{
        XlTable *table = xl_of(context)->table;
        XlVm *found = xl_table_lock(table, vm);
        if (!found)
                return xenops_fail_bad_power_state(error, XENOPS_POWER_STATE_HALTED,
                                                   XENOPS_POWER_STATE_RUNNING);
        *ret = (XlDomain){ found->domid, found->hvm, found->plan };
        xl_table_unlock(table, found);
        if (ret->domid == XL_NO_DOMAIN && !ret->plan)
                return xenops_fail_domain_not_built(error);
        return true;
}

bool xl_domid(BackendContext *context, const char *vm, uint32_t *ret_domid, XenopsError **error)
{
        XlDomain domain;
        if (!xl_find(context, vm, &domain, error))
                return false;
        if (domain.domid == XL_NO_DOMAIN)
                return xenops_fail_domain_not_built(error);
        *ret_domid = (uint32_t)domain.domid;
        return true;
}

char *xl_device_node(BackendContext *context, const char *kind, const XenopsDeviceId *id)
{
        XlTable *table = xl_of(context)->table;
        XlVm *vm = xl_table_lock(table, id->vm);
        if (!vm)
                return NULL;
        const XlDevice *device = xl_vm_device(vm, kind, id->device);
        char *node = device ? g_strdup(device->node) : NULL;
        xl_table_unlock(table, vm);
        return node;
}

char **xl_list(Backend *backend)
{
        return xl_table_list(((Xenlight *)backend)->table);
}

bool xl_stat(Backend *backend, const char *vm, BackendDomain *ret)
{
        Xenlight *xenlight = (Xenlight *)backend;
        libxl_dominfo info;
        XlVm *found = xl_table_lock(xenlight->table, vm);
        if (!found)
                return false;
        int64_t domid = found->domid;
        xl_table_unlock(xenlight->table, found);

        *ret = (BackendDomain){ .domid = domid };
        if (domid == XL_NO_DOMAIN) {
                ret->paused = true;
                return true;
        }
        if (xl_domain_info(xenlight, domid, &info) != 0) {
                /* Somebody took the domain away. What served it is still to be cleared. */
                ret->shut_down = true;
                ret->reason = BACKEND_POWEROFF;
                return true;
        }
        ret->paused = info.paused && !info.shutdown;
        ret->shut_down = info.shutdown;
        ret->memory_kib = (int64_t)info.current_memkb;
        ret->vcpus = info.vcpu_online;
        if (info.shutdown)
                ret->reason = xl_reason(info.shutdown_reason);
        libxl_dominfo_dispose(&info);
        return true;
}

void xl_state(Backend *backend, const XenopsVm *vm, XenopsVmState *state)
{
        Xenlight *xenlight = (Xenlight *)backend;
        uint64_t started_usec = 0;
        libxl_dominfo info;
        int64_t domid = domid_of(xenlight, vm->id, &started_usec);
        if (xl_domain_info(xenlight, domid, &info) != 0)
                return;
        *(int64_t *)bus_list_add((BusList *)(void *)&state->domids, sizeof(int64_t)) = domid;
        state->memory_actual = (int64_t)info.current_memkb * 1024;
        state->memory_limit = (int64_t)info.max_memkb * 1024;
        state->vcpu_target = info.vcpu_online;
        state->last_start_time = (double)started_usec / 1e6;
        libxl_dominfo_dispose(&info);
        xl_console_state(xenlight, vm, (uint32_t)domid, state);
        xl_guests_fill(xenlight->guests, (uint32_t)domid, state);
}

static bool device_stat(Backend *backend, const char *kind, const XenopsDeviceId *id, BackendDevice *ret)
{
        XlTable *table = ((Xenlight *)backend)->table;
        XlVm *vm = xl_table_lock(table, id->vm);
        if (!vm)
                return false;
        const XlDevice *device = xl_vm_device(vm, kind, id->device);
        if (device)
                *ret = (BackendDevice){ device->carrier, g_strdup(device->memo) };
        xl_table_unlock(table, vm);
        return device;
}

bool xl_vbd_stat(Backend *backend, const XenopsDeviceId *id, BackendDevice *ret)
{
        return device_stat(backend, "vbd", id, ret);
}

bool xl_vif_stat(Backend *backend, const XenopsDeviceId *id, BackendDevice *ret)
{
        return device_stat(backend, "vif", id, ret);
}

static void replace_text(char **slot, char *text)
{
        free(*slot);
        *slot = text;
}

void xl_host_stat(Backend *backend, XenopsHost *host)
{
        Xenlight *xenlight = (Xenlight *)backend;
        const libxl_version_info *version = libxl_get_version_info(xenlight->look);
        libxl_physinfo info;
        if (version) {
                replace_text(&host->hypervisor.version,
                             bus_printf("%d.%d%s", version->xen_version_major, version->xen_version_minor,
                                        version->xen_version_extra));
                replace_text(&host->hypervisor.capabilities, bus_strdup(version->capabilities));
        }
        libxl_physinfo_init(&info);
        if (libxl_get_physinfo(xenlight->look, &info) == 0) {
                /* dom0 sees only its own processors. */
                host->cpu_info.cpu_count = info.nr_cpus;
                host->cpu_info.threads_per_core = info.threads_per_core;
                host->cpu_info.socket_count =
                    MAX(info.nr_cpus / MAX(info.threads_per_core * info.cores_per_socket, 1), 1);
                host->cpu_info.nr_nodes = info.nr_nodes;
                host->chipset_info =
                    (XenopsChipsetInfo){ .iommu = info.cap_hvm_directio, .hvm = info.cap_hvm };
        }
        libxl_physinfo_dispose(&info);
}

int64_t xl_total_memory_mib(Backend *backend)
{
        libxl_physinfo info;
        libxl_physinfo_init(&info);
        int64_t mib = 0;
        if (libxl_get_physinfo(((Xenlight *)backend)->look, &info) == 0)
                mib = (int64_t)(info.total_pages / (1024 * 1024 / XEN_PAGE_BYTES));
        libxl_physinfo_dispose(&info);
        return mib;
}

char *xl_console_data(Backend *backend)
{
        libxl_ctx *ctx = ((Xenlight *)backend)->look;
        g_autoptr(GString) text = g_string_new(NULL);
        char *line;
        libxl_xen_console_reader *reader = libxl_xen_console_read_start(ctx, 0);
        while (reader && libxl_xen_console_read_line(ctx, reader, &line) > 0)
                g_string_append(text, line);
        if (reader)
                libxl_xen_console_read_finish(ctx, reader);
        return bus_strdup(text->str);
}

char *xl_diagnostics(Backend *backend)
{
        Xenlight *xenlight = (Xenlight *)backend;
        g_autoptr(GString) text = g_string_new(NULL);
        g_auto(GStrv) ours = xl_table_list(xenlight->table);
        int n = 0;
        libxl_dominfo *domains = libxl_list_domain(xenlight->look, &n);
        uint64_t free_kib = 0;
        libxl_get_free_memory(xenlight->look, &free_kib);
        g_string_printf(text,
                        "xenlight: %u domains, %" G_GUINT64_FORMAT " of %" G_GINT64_FORMAT " MiB free\n",
                        g_strv_length(ours), free_kib / 1024, xl_total_memory_mib(backend));
        for (int i = 0; domains && i < n; i++) {
                char *uuid = g_strdup_printf(LIBXL_UUID_FMT, LIBXL_UUID_BYTES(domains[i].uuid));
                bool own = g_strv_contains((const char *const *)ours, uuid);
                g_string_append_printf(text, "domain %u %s %s%s%s%s\n", domains[i].domid, uuid,
                                       own                     ? "ours"
                                       : domains[i].domid == 0 ? "control domain"
                                                               : "not ours",
                                       domains[i].paused ? " paused" : "",
                                       domains[i].shutdown ? " shut down" : "",
                                       domains[i].dying ? " dying" : "");
                g_free(uuid);
        }
        if (domains)
                libxl_dominfo_list_free(domains, n);
        return bus_strdup(text->str);
}
