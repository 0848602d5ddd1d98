/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device model is started by libxl, in xenopsd's own unit; here it gets one of its own, so that whatever is done to xenopsd's
 * (org.freedesktop.systemd1(5)) leaves it alone. */
#include <stdlib.h>

#include <xenstore.h>

#include "message-switch/lib/daemon.h"
#include "message-switch/lib/system-bus.h"
#include "xenlight.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"
#define SLICE        "machine.slice"
#define SYSTEMD_USEC 5000000u /* that systemd and its bus may take in all */

/* 0: the domain has none. */
static guint32 device_model_pid(uint32_t domid)
{
        char path[64];
        unsigned size;
        g_snprintf(path, sizeof path, "/local/domain/%u/image/device-model-pid", domid);
        struct xs_handle *xs = xs_open(0);
        char *text = xs ? xs_read(xs, XBT_NULL, path, &size) : NULL;
        guint32 pid = text ? (guint32)strtoul(text, NULL, 10) : 0;
        free(text);
        if (xs)
                xs_close(xs);
        return pid;
}

static GVariant *scope_parameters(const char *vm, guint32 pid)
{
        GVariantBuilder properties;
        g_autofree char *unit = g_strdup_printf("xapi-device-model-%s.scope", vm);
        g_autofree char *description = g_strdup_printf("Device model of VM %s", vm);
        g_variant_builder_init(&properties, G_VARIANT_TYPE("a(sv)"));
        g_variant_builder_add(&properties, "(sv)", "Description", g_variant_new_string(description));
        g_variant_builder_add(&properties, "(sv)", "Slice", g_variant_new_string(SLICE));
        g_variant_builder_add(&properties, "(sv)", "CollectMode", g_variant_new_string("inactive-or-failed"));
        g_variant_builder_add(&properties, "(sv)", "PIDs",
                              g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, &pid, 1, sizeof pid));
        return g_variant_new("(ssa(sv)a(sa(sv)))", unit, "replace", &properties, NULL);
}

static bool scope_ask(const char *vm, guint32 pid, GError **error)
{
        uint64_t deadline = clock_usec() + SYSTEMD_USEC;
        g_autoptr(GDBusConnection) bus = system_bus_connect(deadline, error);
        if (!bus)
                return false;
        g_autoptr(GVariant) job = g_dbus_connection_call_sync(
            bus, SYSTEMD_NAME, SYSTEMD_PATH, MANAGER, "StartTransientUnit", scope_parameters(vm, pid),
            G_VARIANT_TYPE("(o)"), G_DBUS_CALL_FLAGS_NONE, system_bus_msec(deadline), NULL, error);
        g_dbus_connection_close_sync(bus, NULL, NULL);
        return job;
}

static bool scope_start(const char *vm, guint32 pid, GError **error)
{
        g_autoptr(GMainContext) context = g_main_context_new();
        g_main_context_push_thread_default(context);
        bool good = scope_ask(vm, pid, error);
        g_main_context_pop_thread_default(context);
        return good;
}

void xl_scope_adopt(const char *vm, uint32_t domid)
{
        g_autoptr(GError) error = NULL;
        guint32 pid = device_model_pid(domid);
        if (pid > 0 && !scope_start(vm, pid, &error))
                log_debug("A device model stays in xenopsd's unit", "XAPI_VM", vm, "ERROR", error->message,
                          NULL);
}
