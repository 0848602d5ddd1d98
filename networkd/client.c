/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"

#include "message-switch/lib/daemon.h"
#include "message-switch/lib/system-bus.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"
#define UNIT         "org.freedesktop.systemd1.Unit"
#define PROPERTIES   "org.freedesktop.DBus.Properties"
#define NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"
#define TALK_USEC    20000000u /* that a conversation may take in all: interfaces are not changed meanwhile */
#define LOOK_USEC    5000000u  /* that a look may */

char *client_instance(const char *name)
{
        GString *text = g_string_new("");

        for (const char *c = name; *c != '\0'; c++)
                if (g_ascii_isalnum(*c) || *c == '_' || (*c == '.' && c > name))
                        g_string_append_c(text, *c);
                else
                        g_string_append_printf(text, "\\x%02x", (unsigned char)*c);
        return g_string_free(text, FALSE);
}

static char *unit_of(const char *name)
{
        g_autofree char *instance = client_instance(name);

        return g_strdup_printf("xapi-dhclient@%s.service", instance);
}

/* A conversation with systemd, on a connection and a context of its own. */
typedef struct Talk {
        uint64_t deadline_usec;
        GMainContext *context;
        GDBusConnection *bus; /* NULL: there is none */
        const char *job;      /* path; borrowed */
        bool ended, done;
} Talk;

static GVariant *call(const Talk *talk, const char *path, const char *interface, const char *method,
                      GVariant *parameters, GError **error)
{
        return g_dbus_connection_call_sync(talk->bus, SYSTEMD_NAME, path, interface, method, parameters, NULL,
                                           G_DBUS_CALL_FLAGS_NONE, system_bus_msec(talk->deadline_usec), NULL,
                                           error);
}

static void on_removed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
        const char *job, *result;
        Talk *talk = data;

        g_variant_get(parameters, "(u&o&s&s)", NULL, &job, NULL, &result);
        if (g_strcmp0(job, talk->job) != 0)
                return;
        talk->ended = true;
        talk->done = strcmp(result, "done") == 0;
}

static void talk_begin(Talk *talk, uint64_t usec, GError **error)
{
        *talk = (Talk){ .deadline_usec = clock_usec() + usec, .context = g_main_context_new() };
        g_main_context_push_thread_default(talk->context);
        talk->bus = system_bus_connect(talk->deadline_usec, error);
}

static void talk_end(Talk *talk)
{
        if (talk->bus != NULL) {
                g_dbus_connection_close_sync(talk->bus, NULL, NULL);
                g_object_unref(talk->bus);
        }
        g_main_context_pop_thread_default(talk->context);
        g_main_context_unref(talk->context);
}

static gboolean on_late(gpointer data)
{
        ((Talk *)data)->ended = true;
        return G_SOURCE_REMOVE;
}

/* Until the job is over, or it is late. */
static bool talk_wait(Talk *talk, const char *job)
{
        g_autoptr(GSource) late = g_timeout_source_new((guint)system_bus_msec(talk->deadline_usec));

        talk->job = job;
        g_source_set_callback(late, on_late, talk, NULL);
        g_source_attach(late, talk->context);
        while (!talk->ended)
                g_main_context_iteration(talk->context, TRUE);
        g_source_destroy(late);
        return talk->done;
}

static int ask(Talk *talk, const char *method, const char *unit, GError **error)
{
        g_autoptr(GVariant) subscribed = NULL, reply = NULL;
        const char *job;

        g_dbus_connection_signal_subscribe(talk->bus, SYSTEMD_NAME, MANAGER, "JobRemoved", SYSTEMD_PATH, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_removed, talk, NULL);
        subscribed = call(talk, SYSTEMD_PATH, MANAGER, "Subscribe", NULL, error);
        if (subscribed == NULL)
                return -EOPNOTSUPP;
        reply = call(talk, SYSTEMD_PATH, MANAGER, method, g_variant_new("(ss)", unit, "replace"), error);
        if (reply == NULL)
                return -EOPNOTSUPP;
        g_variant_get(reply, "(&o)", &job);
        return talk_wait(talk, job) ? 0 : -EIO;
}

static int manage(const char *method, const char *name)
{
        g_autofree char *unit = unit_of(name), *remote = NULL;
        g_autoptr(GError) error = NULL;
        Talk talk;
        int r;

        talk_begin(&talk, TALK_USEC, &error);
        r = talk.bus != NULL ? ask(&talk, method, unit, &error) : -EOPNOTSUPP;
        talk_end(&talk);
        if (error != NULL)
                remote = g_dbus_error_get_remote_error(error);
        if (g_strcmp0(remote, NO_SUCH_UNIT) == 0 && strcmp(method, "StopUnit") == 0)
                return 0;
        if (r < 0)
                log_warning("The DHCP client could not be managed", "NETWORK_INTERFACE", name, "UNIT", unit,
                            "ERROR", error != NULL ? error->message : "its unit failed", NULL);
        return r;
}

/* What of a lease does not count is told by empty files, of which the client's hook, which is root's, trusts nothing but
 * that they are there. */
static int set_mark(const char *folder, const char *what, const char *name, bool there)
{
        g_autofree char *file = g_strdup_printf("%s.%s", what, name),
                        *path = g_build_filename(folder, file, NULL);
        int fd;

        if (!there)
                return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        close(fd);
        return 0;
}

static int set_marks(const char *folder, const char *name, int takes)
{
        int r = set_mark(folder, "no-gateway", name, !(takes & DHCP_TAKES_GATEWAY));

        return r < 0 ? r : set_mark(folder, "no-dns", name, !(takes & DHCP_TAKES_DNS));
}

int client_start(const char *folder, const char *name, int takes)
{
        int r = set_marks(folder, name, takes);

        return r < 0 ? r : manage("StartUnit", name);
}

/* Whoever else starts a client on that interface is not concerned. */
int client_stop(const char *folder, const char *name)
{
        int r = manage("StopUnit", name);

        return r < 0 ? r : set_marks(folder, name, DHCP_TAKES_GATEWAY | DHCP_TAKES_DNS);
}

bool client_runs(const char *name)
{
        g_autoptr(GVariant) unit_reply = NULL, state_reply = NULL, state = NULL;
        g_autofree char *unit = unit_of(name);
        g_autoptr(GError) error = NULL;
        const char *path = NULL;
        bool runs = false;
        Talk talk;

        talk_begin(&talk, LOOK_USEC, &error);
        if (talk.bus != NULL)
                unit_reply =
                    call(&talk, SYSTEMD_PATH, MANAGER, "GetUnit", g_variant_new("(s)", unit), &error);
        if (unit_reply != NULL) {
                g_variant_get(unit_reply, "(&o)", &path);
                state_reply =
                    call(&talk, path, PROPERTIES, "Get", g_variant_new("(ss)", UNIT, "ActiveState"), &error);
        }
        if (state_reply != NULL) {
                g_variant_get(state_reply, "(v)", &state);
                runs = strcmp(g_variant_get_string(state, NULL), "active") == 0;
        }
        talk_end(&talk);
        return runs;
}
