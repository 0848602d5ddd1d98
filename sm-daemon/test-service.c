/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sm-daemon as a process, over a switch: killed and started again while it is used. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "idl/bus/storage.h"
#include "message-switch/test-switch.h"

#define WORKERS "8"
#define SR      "5e2a6a4e-0000-4000-8000-000000000002"
#define DP      "vbd/7/xvda"
#define VM      "vm"
#define MIB     (INT64_C(1) << 20)

typedef struct Fixture {
        TestSwitch *bus;
        TestClient *client;
        Bus *to;
        char *scratch, *plugins;
        pid_t pid;
} Fixture;

/* Returns once it can be called. */
static void start(Fixture *f)
{
        g_autofree char *config = g_build_filename(f->scratch, "config", NULL);
        StorageQueryResult query = { 0 };
        StorageError *error = NULL;

        f->pid = fork();
        if (f->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                execl(g_getenv("SM_DAEMON"), "sm-daemon", "--state", f->scratch, "--runtime", f->scratch,
                      "--switch-path", f->bus->path, "--plugins", f->plugins, "--log-level", "error",
                      "--config", config, NULL);
                _exit(127);
        }
        while (!storage_query_query(f->to, 0, "", &query, &error)) {
                /* A name that nobody has served yet is refused at once; or the call reached the one that was killed. */
                g_assert_cmpint(error->tag, ==, STORAGE_ERROR_FAILURE);
                g_assert_true(error->failure.outcome == BUS_NO_SUCH_QUEUE ||
                              error->failure.outcome == BUS_OUTCOME_UNKNOWN);
                g_clear_pointer(&error, storage_error_free);
                usleep(1000);
        }
        storage_query_result_clear(&query);
}

static void stop(Fixture *f, int signal_number)
{
        int status;

        kill(f->pid, signal_number);
        g_assert_cmpint(waitpid(f->pid, &status, 0), ==, f->pid);
        if (signal_number == SIGTERM)
                g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static char *plugin_path(Fixture *f, const char *kind, const char *name)
{
        g_autofree char *parent = g_build_filename(f->plugins, kind, NULL);

        g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
        return g_build_filename(parent, name, NULL);
}

static void setup(Fixture *f, gconstpointer data)
{
        g_autofree char *dir = NULL, *file = NULL, *bad = NULL, *config = NULL;
        g_autofree char *real_dir =
            g_build_filename(g_getenv("SM_PLUGINS"), "volume/org.xen.xapi.storage.dir", NULL);
        g_autofree char *real_file = g_build_filename(g_getenv("SM_PLUGINS"), "datapath/file", NULL);

        f->bus = test_switch_new(NULL, 2000);
        f->client = test_client_new(f->bus, "test");
        f->to = test_client_bus(f->client);
        f->scratch = g_dir_make_tmp("test-service-XXXXXX", NULL);
        f->plugins = g_build_filename(f->scratch, "plugins", NULL);
        dir = plugin_path(f, "volume", "org.xen.xapi.storage.dir");
        file = plugin_path(f, "datapath", "file");
        bad = plugin_path(f, "volume", "org.xen.xapi.storage.slow");
        g_assert_cmpint(symlink(real_dir, dir), ==, 0);
        g_assert_cmpint(symlink(real_file, file), ==, 0);
        g_assert_cmpint(g_mkdir(bad, 0755), ==, 0);
        config = g_build_filename(f->scratch, "config", NULL);
        g_assert_true(g_file_set_contents(config, "[daemon]\nworkers=" WORKERS "\n", -1, NULL));
        start(f);
}

static void teardown(Fixture *f, gconstpointer data)
{
        g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->scratch);

        stop(f, SIGTERM);
        test_client_free(f->client);
        test_switch_free(f->bus);
        /* A plugin whose sm-daemon was killed may still be at work there. */
        while (system(command) != 0)
                ;
        g_free(f->scratch);
        g_free(f->plugins);
}

#define OK(call)                                                                                             \
        do {                                                                                                 \
                StorageError *error = NULL;                                                                  \
                if (!(call))                                                                                 \
                        g_error("%s", storage_error_text(error));                                            \
        } while (0)

static void attach_sr(Fixture *f)
{
        g_autofree char *location = g_build_filename(f->scratch, "sr", NULL);
        BusDict config = { 0 }, made = { 0 };

        bus_dict_set(&config, "location", location);
        OK(storage_sr_create(f->to, 0, "", SR, "name", "", &config, 0, "dir", &made, &error));
        OK(storage_sr_attach(f->to, 0, "", SR, &made, "dir", &error));
        bus_dict_clear(&config);
        bus_dict_clear(&made);
}

static char *make_vdi(Fixture *f)
{
        StorageVdiInfo info = {
                .vdi = (char *)"", .name_label = (char *)"disk", .virtual_size = MIB, .persistent = true
        };
        StorageVdiInfo made = { 0 };
        char *vdi;

        OK(storage_vdi_create(f->to, 0, "", SR, &info, &made, &error));
        vdi = g_steal_pointer(&made.vdi);
        storage_vdi_info_clear(&made);
        return vdi;
}

static char *attach(Fixture *f, const char *vdi)
{
        StorageBackend backend = { 0 };
        char *path;

        OK(storage_vdi_attach3(f->to, NULL, 0, "", DP, SR, vdi, VM, true, &backend, &error));
        g_assert_cmpint(backend.implementations.items[0].tag, ==, STORAGE_IMPLEMENTATION_FILE);
        path = g_steal_pointer(&backend.implementations.items[0].file.path);
        storage_backend_clear(&backend);
        return path;
}

static void test_killed(Fixture *f, gconstpointer data)
{
        g_autofree char *vdi = NULL, *before = NULL, *after = NULL;
        StorageVdiInfo found = { 0 };
        StorageDpStat state = { 0 };

        attach_sr(f);
        vdi = make_vdi(f);
        before = attach(f, vdi);
        OK(storage_vdi_activate3(f->to, NULL, 0, "", DP, SR, vdi, VM, &error));
        stop(f, SIGKILL);
        start(f);
        after = attach(f, vdi);
        g_assert_cmpstr(before, ==, after);
        OK(storage_dp_stat_vdi(f->to, 0, "", SR, vdi, &state, &error));
        g_assert_cmpint(state.superstate.tag, ==, STORAGE_VDI_STATE_ACTIVATED);
        OK(storage_vdi_stat(f->to, 0, "", SR, vdi, &found, &error));
        g_assert_cmpint(found.virtual_size, ==, MIB);
        OK(storage_dp_destroy(f->to, NULL, 0, "", DP, false, &error));
        OK(storage_vdi_destroy(f->to, 0, "", SR, vdi, &error));
        OK(storage_sr_detach(f->to, 0, "", SR, &error));
        storage_dp_stat_clear(&state);
        storage_vdi_info_clear(&found);
}

typedef struct Cloner {
        Fixture *f;
        const char *vdi;
        bool stop; /* atomic */
        GHashTable *promised;
} Cloner;

static gpointer clone_on(gpointer data)
{
        Cloner *cloner = data;
        StorageVdiInfo info = { .vdi = (char *)cloner->vdi,
                                .name_label = (char *)"copy",
                                .persistent = true };

        while (!__atomic_load_n(&cloner->stop, __ATOMIC_RELAXED)) {
                StorageVdiInfo made = { 0 };
                StorageError *error = NULL;

                if (storage_vdi_clone(cloner->f->to, 0, "", SR, &info, &made, &error)) {
                        g_hash_table_add(cloner->promised, g_steal_pointer(&made.vdi));
                } else {
                        g_assert_cmpint(error->tag, ==, STORAGE_ERROR_FAILURE);
                        g_assert_cmpint(error->failure.outcome, ==, BUS_OUTCOME_UNKNOWN);
                        storage_error_free(error);
                }
                storage_vdi_info_clear(&made);
        }
        return NULL;
}

/* Killed at any moment while volumes are made: every one that was acknowledged is there, and all that are there are
 * whole. */
static void test_killed_often(Fixture *f, gconstpointer data)
{
        g_autoptr(GHashTable) promised = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
        Cloner cloner = { .f = f, .promised = promised };
        StorageVdiInfoList found = { 0 };
        g_autofree char *vdi = NULL;
        GThread *thread;

        attach_sr(f);
        cloner.vdi = vdi = make_vdi(f);
        thread = g_thread_new("cloner", clone_on, &cloner);
        for (int i = 0; i < 15; i++) {
                usleep((useconds_t)g_test_rand_int_range(0, 30000));
                stop(f, SIGKILL);
                start(f);
        }
        __atomic_store_n(&cloner.stop, true, __ATOMIC_RELAXED);
        g_thread_join(thread);
        OK(storage_sr_scan(f->to, 0, "", SR, &found, &error));
        g_assert_cmpuint(g_hash_table_size(promised), >, 0);
        for (size_t i = 0; i < found.n; i++) {
                g_assert_cmpint(found.items[i].virtual_size, ==, MIB);
                g_hash_table_remove(promised, found.items[i].vdi);
        }
        g_assert_cmpuint(g_hash_table_size(promised), ==, 0);
        storage_vdi_info_list_clear(&found);
}

static void write_slow(Fixture *f, const char *method, const char *body)
{
        g_autofree char *folder = plugin_path(f, "volume", "org.xen.xapi.storage.slow");
        g_autofree char *path = g_build_filename(folder, method, NULL),
                        *text = g_strdup_printf("#!/bin/sh\n%s\n", body);

        g_assert_true(g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0755, NULL));
}

/* A plugin that never ends: its caller is answered at the deadline, it is killed, and others are served meanwhile. */
static void test_stuck(Fixture *f, gconstpointer data)
{
        g_autofree char *pid_path = g_build_filename(f->scratch, "pid", NULL), *pid_text = NULL;
        g_autofree char *body =
            g_strdup_printf("echo $$ > %s.new; mv %s.new %s; sleep 1000", pid_path, pid_path, pid_path);
        StorageError *error = NULL;
        BusDict config = { 0 };

        write_slow(f, "Plugin.Query", "echo '{\"plugin\":\"slow\",\"name\":\"\",\"version\":\"1\"}'");
        write_slow(f, "SR.attach", body);
        g_assert_false(storage_sr_attach(f->to, 500000, "", SR, &config, "slow", &error));
        storage_error_free(error);
        /* The reply and the deadline race; either way the plugin is on its way out. */
        if (g_file_get_contents(pid_path, &pid_text, NULL, NULL))
                while (kill(atoi(pid_text), 0) == 0)
                        usleep(1000);
        attach_sr(f);
}

#define OTHER_DP "copy/1"

static void assert_no_data(Fixture *f, const char *dp, const char *vdi, bool read_write, StorageErrorTag tag)
{
        StorageDataChannel channel = { 0 };
        StorageError *error = NULL;
        int fd = -1;

        g_assert_false(storage_vdi_open_data(f->to, 0, "", dp, SR, vdi, read_write, &channel, &fd, &error));
        g_assert_cmpint(error->tag, ==, tag);
        g_assert_cmpint(fd, ==, -1);
        storage_error_free(error);
}

#define GIVEN_UP 6 /* fewer than there are WORKERS: each may be on its way out */

/* Who gives an attach up, and destroys the datapath instead, leaves nothing attached, whether or not it was being done. */
static void test_given_up(Fixture *f, gconstpointer data)
{
        g_autofree char *vdi = NULL;

        attach_sr(f);
        vdi = make_vdi(f);
        for (int round = 0; round < GIVEN_UP; round++) {
                StorageBackend backend = { 0 };
                StorageDpStat state = { 0 };
                StorageError *given_up = NULL;
                Cancel cancel;

                cancel_init(&cancel);
                cancel_ask(&cancel);
                /* Unless the answer was faster. */
                if (storage_vdi_attach3(f->to, &cancel, 0, "", DP, SR, vdi, VM, true, &backend, &given_up))
                        storage_backend_clear(&backend);
                else
                        g_assert_cmpint(storage_error_failure(given_up)->outcome, ==, BUS_CANCELLED);
                storage_error_free(given_up);
                cancel_destroy(&cancel);
                OK(storage_dp_destroy(f->to, NULL, 0, "", DP, false, &error));
                OK(storage_dp_stat_vdi(f->to, 0, "", SR, vdi, &state, &error));
                g_assert_cmpuint(state.dps.n, ==, 0);
                storage_dp_stat_clear(&state);
        }
}

/* A disk's bytes by descriptor: only through a datapath that is active, never beside a writer, and beyond our death. */
static void test_open_data(Fixture *f, gconstpointer data)
{
        StorageDataChannel channel = { 0 };
        StorageBackend backend = { 0 };
        g_autofree char *vdi = NULL, *path = NULL;
        char byte;
        int writer, reader;

        attach_sr(f);
        vdi = make_vdi(f);
        assert_no_data(f, DP, vdi, true, STORAGE_ERROR_DOES_NOT_EXIST);
        path = attach(f, vdi);
        assert_no_data(f, DP, vdi, true, STORAGE_ERROR_ILLEGAL_TRANSITION);
        OK(storage_vdi_activate3(f->to, NULL, 0, "", DP, SR, vdi, VM, &error));
        OK(storage_vdi_open_data(f->to, 0, "", DP, SR, vdi, true, &channel, &writer, &error));
        g_assert_cmpint(channel.tag, ==, STORAGE_DATA_CHANNEL_PLAIN);
        stop(f, SIGKILL);
        g_assert_cmpint(pwrite(writer, "x", 1, MIB - 1), ==, 1);
        close(writer);
        start(f);
        OK(storage_dp_destroy(f->to, NULL, 0, "", DP, false, &error));
        OK(storage_vdi_attach3(f->to, NULL, 0, "", OTHER_DP, SR, vdi, VM, false, &backend, &error));
        OK(storage_vdi_activate3(f->to, NULL, 0, "", OTHER_DP, SR, vdi, VM, &error));
        assert_no_data(f, OTHER_DP, vdi, true, STORAGE_ERROR_ILLEGAL_TRANSITION);
        OK(storage_vdi_open_data(f->to, 0, "", OTHER_DP, SR, vdi, false, &channel, &reader, &error));
        g_assert_cmpint(pread(reader, &byte, 1, MIB - 1), ==, 1);
        g_assert_cmpint(byte, ==, 'x');
        g_assert_cmpint(pwrite(reader, "y", 1, 0), ==, -1);
        close(reader);
        g_assert_cmpint(unlink(path), ==, 0);
        assert_no_data(f, OTHER_DP, vdi, false, STORAGE_ERROR_INTERNAL_ERROR);
        g_assert_cmpint(mkfifo(path, 0600), ==, 0);
        assert_no_data(f, OTHER_DP, vdi, false, STORAGE_ERROR_INTERNAL_ERROR);
        storage_backend_clear(&backend);
}

#define POLLS 100 /* more than there are WORKERS */

static void *poll_updates(void *data)
{
        Fixture *f = data;
        StorageUpdates updates = { 0 };
        int64_t seconds = 300;

        OK(storage_updates_get(f->to, 0, "", "", &seconds, &updates, &error));
        g_assert_cmpuint(updates.events.n, >=, 1);
        storage_updates_clear(&updates);
        return NULL;
}

/* Those who wait for news hold up nobody, and all hear them. */
static void test_polls(Fixture *f, gconstpointer data)
{
        StorageUpdates updates = { 0 };
        GThread *threads[POLLS];
        g_autofree char *vdi = NULL;
        int64_t none = 0;

        attach_sr(f);
        vdi = make_vdi(f);
        for (size_t i = 0; i < POLLS; i++)
                threads[i] = g_thread_new("poll", poll_updates, f);
        OK(storage_updates_get(f->to, 0, "", "", &none, &updates, &error));
        g_assert_cmpuint(updates.events.n, ==, 0);
        storage_updates_clear(&updates);
        g_free(attach(f, vdi));
        for (size_t i = 0; i < POLLS; i++)
                g_thread_join(threads[i]);
}

/* Queues, and what is not written. */
static void test_answers(Fixture *f, gconstpointer data)
{
        StorageQueryResultList drivers = { 0 };
        StorageError *error = NULL;
        json_t *result;

        g_assert_true(storage_plugin_list(f->to, 0, "", &drivers, &error));
        g_assert_cmpuint(drivers.n, ==, 1);
        g_assert_cmpstr(drivers.items[0].driver, ==, "dir");
        storage_query_result_list_clear(&drivers);
        g_assert_cmpint(
            test_call(f->client, "org.xen.xapi.storage.dir", "Query.query", "{\"dbg\":\"\"}", &result), ==,
            BUS_OK);
        json_decref(result);
        g_assert_false(storage_vdi_enable_cbt(f->to, 0, "", SR, "x", &error));
        g_assert_cmpint(error->tag, ==, STORAGE_ERROR_UNIMPLEMENTED);
        g_clear_pointer(&error, storage_error_free);
        g_assert_false(storage_vdi_stat(f->to, 0, "", "", "", &(StorageVdiInfo){ 0 }, &error));
        g_assert_cmpint(error->tag, ==, STORAGE_ERROR_SR_NOT_ATTACHED);
        g_clear_pointer(&error, storage_error_free);
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*function)(Fixture *f, gconstpointer data);
        } tests[] = {
                { "/service/killed", test_killed },     { "/service/killed-often", test_killed_often },
                { "/service/stuck", test_stuck },       { "/service/open-data", test_open_data },
                { "/service/given-up", test_given_up }, { "/service/answers", test_answers },
                { "/service/polls", test_polls },
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].name, Fixture, NULL, setup, tests[i].function, teardown);
        return g_test_run();
}
