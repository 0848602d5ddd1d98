/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Servers in transient units of systemd, which starts one again that dies, whether or not sm-daemon lives
 * (org.freedesktop.systemd1(5)). */
#include "runner.h"

#include <string.h>
#include <unistd.h>

#include <gio/gio.h>

#include "message-switch/lib/loop.h"
#include "message-switch/lib/system-bus.h"
#include "server-unit.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"
#define SERVICE      "org.freedesktop.systemd1.Service"
#define PROPERTIES   "org.freedesktop.DBus.Properties"
#define POLL_MSEC    200u /* how often is looked whether a caller still wants it */

#define NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"
#define UNIT_EXISTS  "org.freedesktop.systemd1.UnitExists"

/* One conversation with systemd, on a connection and a context of its own. */
typedef struct Talk {
        const Operation *operation;
        GMainContext *context;
        GDBusConnection *bus;
        GHashTable *ended; /* job's path -> its result */
} Talk;

static void on_job_removed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                           const char *signal, GVariant *parameters, gpointer data)
{
        const char *job, *result;
        Talk *talk = data;

        g_variant_get(parameters, "(u&o&s&s)", NULL, &job, NULL, &result);
        g_hash_table_replace(talk->ended, g_strdup(job), g_strdup(result));
}

static GVariant *talk_call_at(Talk *talk, const char *path, const char *interface, const char *method,
                              GVariant *parameters, GError **error)
{
        return g_dbus_connection_call_sync(talk->bus, SYSTEMD_NAME, path, interface, method, parameters, NULL,
                                           G_DBUS_CALL_FLAGS_NONE,
                                           system_bus_msec(talk->operation->deadline_usec), NULL, error);
}

static GVariant *talk_call(Talk *talk, const char *method, GVariant *parameters, GError **error)
{
        return talk_call_at(talk, SYSTEMD_PATH, MANAGER, method, parameters, error);
}

static bool talk_connect(Talk *talk, GError **error)
{
        g_autoptr(GVariant) subscribed = NULL;

        talk->bus = system_bus_connect(talk->operation->deadline_usec, error);
        if (talk->bus == NULL)
                return false;
        g_dbus_connection_signal_subscribe(talk->bus, SYSTEMD_NAME, MANAGER, "JobRemoved", SYSTEMD_PATH, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_job_removed, talk, NULL);
        subscribed = talk_call(talk, "Subscribe", NULL, error);
        return subscribed != NULL;
}

static void talk_begin(Talk *talk, const Operation *operation)
{
        *talk = (Talk){ .operation = operation,
                        .context = g_main_context_new(),
                        .ended = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free) };
        g_main_context_push_thread_default(talk->context);
}

static void talk_end(Talk *talk)
{
        if (talk->bus != NULL) {
                g_dbus_connection_close_sync(talk->bus, NULL, NULL);
                g_object_unref(talk->bus);
        }
        g_main_context_pop_thread_default(talk->context);
        g_main_context_unref(talk->context);
        g_hash_table_unref(talk->ended);
}

static gboolean on_tick(gpointer data)
{
        return G_SOURCE_CONTINUE;
}

/* Waits for a job's end. Its result, borrowed until talk_end; NULL: not in time. */
static const char *talk_wait(Talk *talk, const char *job)
{
        g_autoptr(GSource) tick = g_timeout_source_new(POLL_MSEC);
        const Operation *operation = talk->operation;
        const char *result;

        g_source_set_callback(tick, on_tick, NULL, NULL);
        g_source_attach(tick, talk->context);
        while ((result = g_hash_table_lookup(talk->ended, job)) == NULL &&
               clock_usec() < operation->deadline_usec &&
               !(operation->call != NULL && service_call_cancelled(operation->call)))
                g_main_context_iteration(talk->context, TRUE);
        g_source_destroy(tick);
        return result;
}

static char *unit_name(const DiskRecord *record)
{
        g_autofree char *id = g_path_get_basename(record->folder);

        return g_strconcat(RUNNER_UNIT_PREFIX, id, ".service", NULL);
}

static char *why_of(GError *error)
{
        g_dbus_error_strip_remote_error(error);
        return g_strdup_printf("systemd: %s", error->message);
}

/* Waits for the job that the reply names. NULL, or what went wrong. */
static char *finish_job(Talk *talk, const char *unit, GVariant *reply)
{
        const char *job, *result;

        g_variant_get(reply, "(&o)", &job);
        result = talk_wait(talk, job);
        if (result == NULL)
                return g_strdup_printf("systemd: %s: not in time", unit);
        return strcmp(result, "done") == 0 ? NULL : g_strdup_printf("systemd: %s: %s", unit, result);
}

typedef enum UnitOwner { UNIT_NONE, UNIT_OURS, UNIT_OTHERS } UnitOwner;

/* Whether the unit of that name is what we started for the disk of that folder: anybody may name one so. */
static char *look_at_unit(Talk *talk, const char *unit, const char *folder, UnitOwner *ret)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) found = NULL, property = NULL, command = NULL;
        g_autofree char *name = NULL;
        const char *path;

        found = talk_call(talk, "GetUnit", g_variant_new("(s)", unit), &error);
        if (found == NULL) {
                name = g_dbus_error_get_remote_error(error);
                *ret = UNIT_NONE;
                return g_strcmp0(name, NO_SUCH_UNIT) == 0 ? NULL : why_of(error);
        }
        g_variant_get(found, "(&o)", &path);
        property =
            talk_call_at(talk, path, PROPERTIES, "Get", g_variant_new("(ss)", SERVICE, "ExecStart"), &error);
        if (property == NULL)
                return why_of(error);
        g_variant_get(property, "(v)", &command);
        *ret = server_unit_serves(command, folder) ? UNIT_OURS : UNIT_OTHERS;
        return NULL;
}

static char *stop_unit(Talk *talk, const char *unit, const char *folder, UnitOwner *ret_owner)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = NULL;
        g_autofree char *name = NULL;
        char *why;

        why = look_at_unit(talk, unit, folder, ret_owner);
        if (why != NULL || *ret_owner != UNIT_OURS)
                return why;
        reply = talk_call(talk, "StopUnit", g_variant_new("(ss)", unit, "replace"), &error);
        if (reply != NULL)
                return finish_job(talk, unit, reply);
        name = g_dbus_error_get_remote_error(error);
        return g_strcmp0(name, NO_SUCH_UNIT) == 0 ? NULL : why_of(error);
}

static char *stop_own_unit(Talk *talk, const char *unit, const char *folder)
{
        UnitOwner owner;
        char *why = stop_unit(talk, unit, folder, &owner);

        if (why == NULL && owner == UNIT_OTHERS)
                return g_strdup_printf("systemd: %s is not of this sm-daemon's making", unit);
        return why;
}

static char *start_unit(Talk *talk, const char *unit, const char *sm_disk, const DiskRecord *record)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = NULL;
        g_autofree char *name = NULL, *why = NULL;

        reply = talk_call(talk, "StartTransientUnit", server_unit_parameters(unit, sm_disk, record), &error);
        if (reply == NULL && (name = g_dbus_error_get_remote_error(error)) != NULL &&
            strcmp(name, UNIT_EXISTS) == 0) {
                g_clear_error(&error);
                why = stop_own_unit(talk, unit, record->folder);
                if (why != NULL)
                        return g_steal_pointer(&why);
                reply = talk_call(talk, "StartTransientUnit", server_unit_parameters(unit, sm_disk, record),
                                  &error);
        }
        return reply != NULL ? finish_job(talk, unit, reply) : why_of(error);
}

static char *start(const char *sm_disk, const DiskRecord *record, const Operation *operation)
{
        g_autofree char *unit = unit_name(record);
        g_autoptr(GError) error = NULL;
        char *why;
        Talk talk;

        talk_begin(&talk, operation);
        why = talk_connect(&talk, &error) ? start_unit(&talk, unit, sm_disk, record) : why_of(error);
        talk_end(&talk);
        return why;
}

static char *stop(const char *sm_disk, const DiskRecord *record, const Operation *operation)
{
        g_autofree char *unit = unit_name(record);
        g_autoptr(GError) error = NULL;
        char *why;
        Talk talk;

        talk_begin(&talk, operation);
        why = talk_connect(&talk, &error) ? stop_own_unit(&talk, unit, record->folder) : why_of(error);
        talk_end(&talk);
        return why;
}

static char *units_matching(Talk *talk, GPtrArray *units)
{
        const char *const states[] = { NULL }, *const patterns[] = { RUNNER_UNIT_PREFIX "*.service", NULL };
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GVariantIter) found = NULL;
        const char *name;

        reply = talk_call(
            talk, "ListUnitsByPatterns",
            g_variant_new("(@as@as)", g_variant_new_strv(states, 0), g_variant_new_strv(patterns, -1)),
            &error);
        if (reply == NULL)
                return why_of(error);
        g_variant_get(reply, "(a(ssssssouso))", &found);
        while (g_variant_iter_next(found, "(&ssssssouso)", &name, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                   NULL, NULL))
                g_ptr_array_add(units, g_strdup(name));
        return NULL;
}

/* A unit that is ours, and whose disk is not wanted, is stopped. */
static char *sweep_unit(Talk *talk, const char *unit, const Sweeping *sweeping)
{
        g_autofree char *id = g_strndup(unit + strlen(RUNNER_UNIT_PREFIX),
                                        strlen(unit) - strlen(RUNNER_UNIT_PREFIX ".service")),
                        *folder = g_build_filename(sweeping->folder, id, NULL);
        UnitOwner owner;

        return sweeping->wanted(id, NULL, sweeping->data) ? NULL : stop_unit(talk, unit, folder, &owner);
}

static char *sweep(const Sweeping *sweeping, const Operation *operation)
{
        g_autoptr(GPtrArray) units = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GError) error = NULL;
        char *why;
        Talk talk;

        talk_begin(&talk, operation);
        why = talk_connect(&talk, &error) ? units_matching(&talk, units) : why_of(error);
        for (guint i = 0; why == NULL && i < units->len; i++)
                why = sweep_unit(&talk, g_ptr_array_index(units, i), sweeping);
        talk_end(&talk);
        return why;
}

const Runner runner_systemd = {
        .name = "systemd", .restarts = true, .start = start, .stop = stop, .sweep = sweep
};
