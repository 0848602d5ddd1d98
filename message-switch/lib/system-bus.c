/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "system-bus.h"

#include "loop.h"

typedef struct Attempt {
        GDBusConnection *bus;
        GError *error;
        bool ended;
} Attempt;

static void on_connected(GObject *source, GAsyncResult *result, gpointer data)
{
        Attempt *attempt = data;

        attempt->bus = g_dbus_connection_new_for_address_finish(result, &attempt->error);
        attempt->ended = true;
}

static gboolean on_late(gpointer data)
{
        g_cancellable_cancel(data);
        return G_SOURCE_REMOVE;
}

int system_bus_msec(uint64_t deadline_usec)
{
        uint64_t now = clock_usec();

        return deadline_usec > now ? (int)MIN((deadline_usec - now) / 1000 + 1, G_MAXINT) : 1;
}

/* GDBus itself waits for a bus that accepts and is silent, for ever. */
GDBusConnection *system_bus_connect(uint64_t deadline_usec, GError **error)
{
        g_autofree char *address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, error);
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        g_autoptr(GSource) late = g_timeout_source_new((guint)system_bus_msec(deadline_usec));
        GMainContext *context = g_main_context_get_thread_default();
        Attempt attempt = { 0 };

        if (address == NULL)
                return NULL;
        g_source_set_callback(late, on_late, cancellable, NULL);
        g_source_attach(late, context);
        g_dbus_connection_new_for_address(address,
                                          G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                              G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                          NULL, cancellable, on_connected, &attempt);
        while (!attempt.ended)
                g_main_context_iteration(context, TRUE);
        g_source_destroy(late);
        if (g_error_matches(attempt.error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
                g_clear_error(&attempt.error);
                g_set_error_literal(&attempt.error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                                    "the system's D-Bus does not answer");
        }
        if (attempt.error != NULL)
                g_propagate_error(error, attempt.error);
        return attempt.bus;
}
