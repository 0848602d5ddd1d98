/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xl-guest.h"

#include <glib.h>

#include "message-switch/lib/daemon.h"

static void xenlight_start(Backend *backend)
{
        Xenlight *xenlight = (Xenlight *)backend;
        g_auto(GStrv) vms = xl_table_list(xenlight->table);
        for (char **name = vms; *name; name++) {
                XlVm *vm = xl_table_lock(xenlight->table, *name);
                if (!vm)
                        continue;
                int64_t domid = vm->domid;
                xl_table_unlock(xenlight->table, vm);
                libxl_dominfo info;
                if (domid == XL_NO_DOMAIN)
                        continue; /* half built: the journal knows what becomes of it */
                if (xl_domain_info(xenlight, domid, &info) == 0) {
                        libxl_dominfo_dispose(&info);
                        xl_events_watch(xenlight, (uint32_t)domid);
                        xl_guests_watch(xenlight->guests, *name, (uint32_t)domid);
                } else {
                        backend->events.shut_down(*name, backend->events.data);
                }
        }
}

static bool unimplemented(XenopsError **error, const char *what)
{
        return xenops_fail_unimplemented(error, what);
}

static bool xl_set_shadow_multiplier(BackendContext *context, const XenopsVm *vm, double multiplier,
                                     XenopsError **error)
{
        return unimplemented(error, "VM.set_shadow_multiplier");
}

static bool xl_request_rdp(BackendContext *context, const XenopsVm *vm, bool enabled, XenopsError **error)
{
        return unimplemented(error, "VM.request_rdp");
}

static bool xl_trigger(Backend *backend, const char *command, const BusStrings *arguments,
                       XenopsError **error)
{
        return xenops_fail_internal(error, "xenlight has no command \"%s\"", command);
}

/* Comes after all that was posted. */
static void xenlight_finish(void *data)
{
        Xenlight *xenlight = data;
        xl_guests_free(g_steal_pointer(&xenlight->guests));
        xl_events_free(g_steal_pointer(&xenlight->events));
        if (xenlight->look)
                libxl_ctx_free(xenlight->look);
        xl_log_free(xenlight->look_log);
        xl_table_free(xenlight->table);
        ledger_close(xenlight->ledger);
        g_strfreev(xenlight->kernel_folders);
        g_free(xenlight->cores);
        g_free(xenlight->path);
        g_free(xenlight);
}

static void xenlight_free(Backend *backend)
{
        /* Whom it tells of guests may be gone before the loop comes to the rest. */
        xl_guests_free(g_steal_pointer(&((Xenlight *)backend)->guests));
        loop_post(backend->loop, xenlight_finish, backend);
}

#define NO_MEDIUM_BYTES 2048

static bool make_no_medium(const char *folder)
{
        static const char nothing[NO_MEDIUM_BYTES];
        g_autofree char *path = g_build_filename(folder, XL_NO_MEDIUM, NULL);
        return g_file_set_contents(path, nothing, sizeof nothing, NULL);
}

static const BackendOperations xenlight_operations = {
        .name = "xenlight",
        .save_asks = true,
        .free = xenlight_free,
        .start = xenlight_start,
        .context_new = xl_context_new,
        .context_free = xl_context_free,
        .list = xl_list,
        .stat = xl_stat,
        .state = xl_state,
        .vbd_stat = xl_vbd_stat,
        .vif_stat = xl_vif_stat,
        .create = xl_create,
        .destroy = xl_destroy,
        .set_memory = xl_set_memory,
        .set_memory_range = xl_set_memory_range,
        .memory_overhead = xl_memory_overhead,
        .build = xl_build,
        .create_device_model = xl_create_device_model,
        .unpause = xl_unpause,
        .pause = xl_pause,
        .vbd_plug = xl_vbd_plug,
        .vbd_unplug = xl_vbd_unplug,
        .vbd_change = xl_vbd_change,
        .vif_plug = xl_vif_plug,
        .vif_unplug = xl_vif_unplug,
        .vif_change = xl_vif_change,
        .request = xl_request,
        .wait_acknowledged = xl_wait_acknowledged,
        .wait_shut_down = xl_wait_shut_down,
        .save = xl_save,
        .restore = xl_restore,
        .fast_resume = xl_fast_resume,
        .core_dump = xl_core_dump,
        .set_xsdata = xl_set_xsdata,
        .set_vcpus = xl_set_vcpus,
        .set_shadow_multiplier = xl_set_shadow_multiplier,
        .request_rdp = xl_request_rdp,
        .open_console = xl_open_console,
        .host_stat = xl_host_stat,
        .total_memory_mib = xl_total_memory_mib,
        .console_data = xl_console_data,
        .diagnostics = xl_diagnostics,
        .trigger = xl_trigger,
};

Backend *xenlight_new(const XenlightSettings *settings, Loop *loop, const BackendEvents *events,
                      char **ret_error)
{
        g_autofree char *path = g_build_filename(settings->path, "xenlight", NULL);
        Ledger *ledger = ledger_open(path, ret_error);
        if (!ledger)
                return NULL;
        if (!make_no_medium(settings->path)) {
                *ret_error = g_strdup_printf("cannot write into %s", settings->path);
                ledger_close(ledger);
                return NULL;
        }
        Xenlight *xenlight = g_new0(Xenlight, 1);
        xenlight->backend = (Backend){ &xenlight_operations, loop, *events };
        xenlight->ledger = ledger;
        xenlight->path = g_strdup(settings->path);
        xenlight->cores = g_strdup(settings->cores);
        xenlight->plug_timeout_ms = settings->plug_timeout_ms;
        xenlight->kernel_folders = g_strsplit(settings->kernel_folders, ":", -1);
        xenlight->table = xl_table_new(ledger);
        xenlight->look_log = xl_log_new();
        xenlight->events = xl_events_new(xenlight, ret_error);
        xenlight->look = xenlight->events ? xl_ctx_new(xenlight->look_log, NULL, NULL) : NULL;
        if (xenlight->look)
                xenlight->guests = xl_guests_new(xenlight, ret_error);
        if (!xenlight->guests) {
                if (!*ret_error)
                        *ret_error = g_strdup("cannot reach Xen");
                xenlight_finish(xenlight);
                return NULL;
        }
        return &xenlight->backend;
}
