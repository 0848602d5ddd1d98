/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Servers in transient units of systemd, which starts one again that dies, whether or not sm-daemon lives
 * (org.freedesktop.systemd1(5)). */
#include "runner.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>

#include "message-switch/lib/loop.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"
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

static GVariant *talk_call(Talk *talk, const char *method, GVariant *parameters, GError **error)
{
        uint64_t now = clock_usec(), deadline = talk->operation->deadline_usec;
        uint64_t msec = deadline > now ? (deadline - now) / 1000 + 1 : 1;

        return g_dbus_connection_call_sync(talk->bus, SYSTEMD_NAME, SYSTEMD_PATH, MANAGER, method, parameters,
                                           NULL, G_DBUS_CALL_FLAGS_NONE, (int)MIN(msec, G_MAXINT), NULL,
                                           error);
}

static bool talk_connect(Talk *talk, GError **error)
{
        g_autofree char *address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, error);
        g_autoptr(GVariant) subscribed = NULL;

        if (address == NULL)
                return false;
        talk->bus = g_dbus_connection_new_for_address_sync(address,
                                                           G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                               G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                           NULL, NULL, error);
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

static void add_text(GVariantBuilder *builder, const char *name, const char *value)
{
        g_variant_builder_add(builder, "(sv)", name, g_variant_new_string(value));
}

static void add_bool(GVariantBuilder *builder, const char *name)
{
        g_variant_builder_add(builder, "(sv)", name, g_variant_new_boolean(TRUE));
}

static void add_list(GVariantBuilder *builder, const char *name, bool allow, const char *const *items)
{
        g_variant_builder_add(builder, "(sv)", name,
                              g_variant_new("(b@as)", allow, g_variant_new_strv(items, -1)));
}

/* `sm-disk VERB FOLDER`; "privileged" is the + before a command in a unit's file: none of the confinement below. */
static void add_command(GVariantBuilder *builder, const char *property, const char *sm_disk, const char *verb,
                        const char *folder, const char *flag)
{
        const char *const argv[] = { sm_disk, verb, folder, NULL };
        const char *const flags[] = { flag, NULL };
        GVariant *command =
            g_variant_new("(s@as@as)", sm_disk, g_variant_new_strv(argv, -1), g_variant_new_strv(flags, -1));

        g_variant_builder_add(builder, "(sv)", property, g_variant_new_array(NULL, &command, 1));
}

static void add_life(GVariantBuilder *builder, const char *sm_disk, const DiskRecord *record)
{
        g_autofree char *pid = disk_record_file(record, DISK_PID),
                        *title = g_strdup_printf("Server of disk %s/%s", record->sr, record->vdi);

        add_text(builder, "Description", title);
        add_text(builder, "Type", "forking");
        add_text(builder, "PIDFile", pid);
        add_text(builder, "SyslogIdentifier", "sm-disk");
        add_text(builder, "CollectMode", "inactive-or-failed");
        add_text(builder, "Restart", "always");
        g_variant_builder_add(builder, "(sv)", "RestartUSec", g_variant_new_uint64(100 * 1000));
        g_variant_builder_add(builder, "(sv)", "StartLimitIntervalUSec", g_variant_new_uint64(0));
        g_variant_builder_add(builder, "(sv)", "TimeoutStartUSec", g_variant_new_uint64(60 * 1000000));
        g_variant_builder_add(builder, "(sv)", "TimeoutStopUSec", g_variant_new_uint64(15 * 1000000));
        g_variant_builder_add(builder, "(sv)", "OOMScoreAdjust", g_variant_new_int32(-500));
        add_command(builder, "ExecStartEx", sm_disk, "serve", record->folder, NULL);
        add_command(builder, "ExecStartPostEx", sm_disk, "connect", record->folder, "privileged");
        add_command(builder, "ExecStopEx", sm_disk, "disconnect", record->folder, "privileged");
}

/* Every folder at the top but for programs and for what the kernel shows: what is mounted over is so for all commands of
 * a unit (+ or not), and the one that connects the device needs /sys. */
static void hide_folders(GVariantBuilder *builder)
{
        static const char *const shown[] = { "bin",  "dev",  "lib", "lib32", "lib64", "libx32",
                                             "proc", "sbin", "sys", "usr",   NULL };
        GDir *top = g_dir_open("/", 0, NULL);
        GVariantBuilder hidden;
        const char *name;

        g_variant_builder_init(&hidden, G_VARIANT_TYPE("a(ss)"));
        while (top != NULL && (name = g_dir_read_name(top)) != NULL) {
                g_autofree char *path = g_strconcat("/", name, NULL);

                if (!g_strv_contains(shown, name) && g_file_test(path, G_FILE_TEST_IS_DIR) &&
                    !g_file_test(path, G_FILE_TEST_IS_SYMLINK))
                        g_variant_builder_add(&hidden, "(ss)", path, "ro");
        }
        if (top != NULL)
                g_dir_close(top);
        g_variant_builder_add(builder, "(sv)", "TemporaryFileSystem", g_variant_builder_end(&hidden));
}

/* The server parses what the guest writes: it has no privilege, sees nothing but programs and the folders of its disk,
 * and of these can write the latter alone. Its network namespace is the host's, because the command that connects the
 * device has the same one (+ or not), and needs that; AF_UNIX is all that it can make of it. */
static void add_confinement(GVariantBuilder *builder, const char *sm_disk, const DiskRecord *record)
{
        static const char *const families[] = { "AF_UNIX", NULL },
                                 *const calls[] = { "@system-service", NULL },
                                 *const native[] = { "native", NULL };
        static const char *const bools[] = {
                "NoNewPrivileges", "PrivateDevices",         "ProtectClock",         "ProtectControlGroups",
                "ProtectHostname", "ProtectKernelLogs",      "ProtectKernelModules", "ProtectKernelTunables",
                "LockPersonality", "MemoryDenyWriteExecute", "RestrictRealtime",     "RestrictSUIDSGID"
        };
        g_autofree char *images = g_path_get_dirname(record->path), *programs = g_path_get_dirname(sm_disk);
        GVariantBuilder binds, own;

        for (size_t i = 0; i < G_N_ELEMENTS(bools); i++)
                add_bool(builder, bools[i]);
        add_text(builder, "ProtectProc", "invisible");
        add_list(builder, "RestrictAddressFamilies", true, families);
        add_list(builder, "SystemCallFilter", true, calls);
        g_variant_builder_add(builder, "(sv)", "SystemCallArchitectures", g_variant_new_strv(native, -1));
        g_variant_builder_add(builder, "(sv)", "RestrictNamespaces", g_variant_new_uint64(0));
        g_variant_builder_add(builder, "(sv)", "CapabilityBoundingSet", g_variant_new_uint64(0));
        g_variant_builder_add(builder, "(sv)", "UMask", g_variant_new_uint32(0077));
        add_text(builder, "ProtectSystem", "strict");
        hide_folders(builder);
        g_variant_builder_init(&binds, G_VARIANT_TYPE("a(ssbt)"));
        g_variant_builder_add(&binds, "(ssbt)", "/etc/ld.so.cache", "/etc/ld.so.cache", TRUE, (guint64)0);
        g_variant_builder_add(&binds, "(ssbt)", programs, programs, FALSE, (guint64)0);
        g_variant_builder_add(builder, "(sv)", "BindReadOnlyPaths", g_variant_builder_end(&binds));
        g_variant_builder_init(&own, G_VARIANT_TYPE("a(ssbt)"));
        g_variant_builder_add(&own, "(ssbt)", images, images, FALSE, (guint64)0);
        g_variant_builder_add(&own, "(ssbt)", record->folder, record->folder, FALSE, (guint64)0);
        g_variant_builder_add(builder, "(sv)", "BindPaths", g_variant_builder_end(&own));
}

static GVariant *start_parameters(const char *unit, const char *sm_disk, const DiskRecord *record)
{
        GVariantBuilder properties;

        g_variant_builder_init(&properties, G_VARIANT_TYPE("a(sv)"));
        add_life(&properties, sm_disk, record);
        add_confinement(&properties, sm_disk, record);
        return g_variant_new("(ssa(sv)a(sa(sv)))", unit, "replace", &properties, NULL);
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

static char *stop_unit(Talk *talk, const char *unit)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = NULL;
        g_autofree char *name = NULL;

        reply = talk_call(talk, "StopUnit", g_variant_new("(ss)", unit, "replace"), &error);
        if (reply != NULL)
                return finish_job(talk, unit, reply);
        name = g_dbus_error_get_remote_error(error);
        return g_strcmp0(name, NO_SUCH_UNIT) == 0 ? NULL : why_of(error);
}

static char *start_unit(Talk *talk, const char *unit, const char *sm_disk, const DiskRecord *record)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = NULL;
        g_autofree char *name = NULL, *why = NULL;

        reply = talk_call(talk, "StartTransientUnit", start_parameters(unit, sm_disk, record), &error);
        if (reply == NULL && (name = g_dbus_error_get_remote_error(error)) != NULL &&
            strcmp(name, UNIT_EXISTS) == 0) {
                g_clear_error(&error);
                why = stop_unit(talk, unit);
                if (why != NULL)
                        return g_steal_pointer(&why);
                reply =
                    talk_call(talk, "StartTransientUnit", start_parameters(unit, sm_disk, record), &error);
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
        why = talk_connect(&talk, &error) ? stop_unit(&talk, unit) : why_of(error);
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

static char *sweep(bool (*wanted)(const char *id, void *data), void *data, const Operation *operation)
{
        g_autoptr(GPtrArray) units = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GError) error = NULL;
        char *why;
        Talk talk;

        talk_begin(&talk, operation);
        why = talk_connect(&talk, &error) ? units_matching(&talk, units) : why_of(error);
        for (guint i = 0; why == NULL && i < units->len; i++) {
                const char *unit = g_ptr_array_index(units, i);
                g_autofree char *id = g_strndup(unit + strlen(RUNNER_UNIT_PREFIX),
                                                strlen(unit) - strlen(RUNNER_UNIT_PREFIX ".service"));

                if (!wanted(id, data))
                        why = stop_unit(&talk, unit);
        }
        talk_end(&talk);
        return why;
}

const Runner runner_systemd = {
        .name = "systemd", .restarts = true, .start = start, .stop = stop, .sweep = sweep
};
