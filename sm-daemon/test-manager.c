/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Repositories, volumes and datapaths through the real plugins and through plugins that mean harm, without a bus. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "dp.h"
#include "message-switch/lib/loop.h"
#include "sr.h"
#include "test-fixture.h"
#include "vdi.h"

#define DP      "vbd/1/xvda"
#define BACKEND STORAGE_ERROR_BACKEND_ERROR

typedef struct Fixture {
        char *scratch, *records, *location, *plugins;
        Manager *manager;
        Operation operation;
        char *vdi;
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
        f->scratch = g_dir_make_tmp("test-manager-XXXXXX", NULL);
        f->records = g_build_filename(f->scratch, "records", NULL);
        f->location = g_build_filename(f->scratch, "sr", NULL);
        f->plugins = g_build_filename(f->scratch, "plugins", NULL);
        test_plugin_real(f->plugins, "volume", "org.xen.xapi.storage.dir");
        test_plugin_real(f->plugins, "datapath", "file");
        f->operation = test_operation();
        f->manager = manager_new(f->plugins, f->records);
}

static void teardown(Fixture *f, gconstpointer data)
{
        manager_free(f->manager);
        test_remove(f->scratch);
        g_free(f->scratch);
        g_free(f->records);
        g_free(f->location);
        g_free(f->plugins);
        free(f->vdi);
}

/* As after kill -9: nothing was said to anybody. */
static void restart(Fixture *f)
{
        manager_free(f->manager);
        f->manager = manager_new(f->plugins, f->records);
}

static void attach_sr(Fixture *f)
{
        BusDict config = { 0 }, made = { 0 };
        StorageSrCreateArgs args = { .sr = (char *)TEST_SR,
                                     .name_label = (char *)"n",
                                     .name_description = (char *)"" };

        bus_dict_set(&config, "location", f->location);
        args.device_config = config;
        OK(sr_create(f->manager, &f->operation, "dir", &args, &made, &error));
        OK(sr_attach(f->manager, &f->operation, "dir", TEST_SR, &made, &error));
        OK(sr_attach(f->manager, &f->operation, "dir", TEST_SR, &made, &error));
        bus_dict_set(&made, "other", "x");
        FAILS_AS(sr_attach(f->manager, &f->operation, "dir", TEST_SR, &made, &error),
                 STORAGE_ERROR_SR_ATTACHED);
        bus_dict_clear(&config);
        bus_dict_clear(&made);
}

static void make_vdi(Fixture *f)
{
        StorageVdiInfo info = {
                .name_label = (char *)"disk", .ty = (char *)"system", .virtual_size = MIB, .persistent = true
        };
        StorageVdiInfo made = { 0 };

        bus_dict_set(&info.sm_config, "a", "b");
        OK(vdi_create(f->manager, &f->operation, TEST_SR, &info, &made, &error));
        g_assert_cmpstr(made.ty, ==, "system");
        g_assert_cmpstr(bus_dict_get(&made.sm_config, "a"), ==, "b");
        f->vdi = g_steal_pointer(&made.vdi);
        bus_dict_clear(&info.sm_config);
        storage_vdi_info_clear(&made);
}

static DpName name_of(Fixture *f, const char *dp)
{
        return (DpName){ .sr = TEST_SR, .vdi = f->vdi, .dp = dp, .vm = TEST_VM };
}

static StorageVdiStateTag state_of(Fixture *f)
{
        StorageDpStat stat = { 0 };
        StorageVdiStateTag tag;

        OK(dp_stat(f->manager, &f->operation, TEST_SR, f->vdi, &stat, &error));
        tag = stat.superstate.tag;
        storage_dp_stat_clear(&stat);
        return tag;
}

/* Attaches, and gives the path of the file. Returns owned (free). */
static char *attach(Fixture *f, const char *dp)
{
        StorageBackend backend = { 0 };
        DpName name = name_of(f, dp);
        char *path;

        OK(dp_attach(f->manager, &f->operation, &name, true, &backend, &error));
        g_assert_cmpuint(backend.implementations.n, ==, 1);
        g_assert_cmpint(backend.implementations.items[0].tag, ==, STORAGE_IMPLEMENTATION_FILE);
        path = g_steal_pointer(&backend.implementations.items[0].file.path);
        storage_backend_clear(&backend);
        return path;
}

static void test_life(Fixture *f, gconstpointer data)
{
        StorageVdiInfoList found = { 0 };
        DpName name, other;
        StorageBackend backend = { 0 };

        attach_sr(f);
        make_vdi(f);
        name = name_of(f, DP);
        other = name_of(f, "other");
        g_autofree char *path = attach(f, DP), *again = attach(f, DP), *second = attach(f, "other");
        g_assert_cmpstr(path, ==, again);
        g_assert_true(g_str_has_prefix(path, f->location));
        g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
        FAILS_AS(dp_attach(f->manager, &f->operation, &name, false, &backend, &error),
                 STORAGE_ERROR_ILLEGAL_TRANSITION);
        OK(dp_activate(f->manager, &f->operation, &name, false, &error));
        OK(dp_activate(f->manager, &f->operation, &name, false, &error));
        FAILS_AS(dp_activate(f->manager, &f->operation, &other, false, &error),
                 STORAGE_ERROR_ILLEGAL_TRANSITION);
        FAILS_AS(vdi_destroy(f->manager, &f->operation, TEST_SR, f->vdi, &error), BACKEND);
        FAILS_AS(sr_destroy(f->manager, &f->operation, TEST_SR, &error), BACKEND);
        OK(dp_deactivate(f->manager, &f->operation, &name, &error));
        OK(dp_activate(f->manager, &f->operation, &other, false, &error));
        OK(dp_detach(f->manager, &f->operation, &name, &error));
        OK(dp_detach(f->manager, &f->operation, &name, &error));
        OK(dp_destroy(f->manager, &f->operation, "other", false, &error));
        g_assert_cmpint(state_of(f), ==, STORAGE_VDI_STATE_DETACHED);
        OK(vdi_destroy(f->manager, &f->operation, TEST_SR, f->vdi, &error));
        OK(sr_scan(f->manager, &f->operation, TEST_SR, &found, &error));
        g_assert_cmpuint(found.n, ==, 0);
        OK(sr_destroy(f->manager, &f->operation, TEST_SR, &error));
        FAILS_AS(sr_scan(f->manager, &f->operation, TEST_SR, &found, &error), STORAGE_ERROR_SR_NOT_ATTACHED);
}

static void test_restart(Fixture *f, gconstpointer data)
{
        g_autofree char *before = NULL, *after = NULL;
        BusStrings list = { 0 };
        DpName name;

        attach_sr(f);
        make_vdi(f);
        name = name_of(f, DP);
        before = attach(f, DP);
        OK(dp_activate(f->manager, &f->operation, &name, false, &error));
        restart(f);
        manager_list(f->manager, &list);
        g_assert_cmpuint(list.n, ==, 1);
        g_assert_cmpstr(list.items[0], ==, TEST_SR);
        g_assert_cmpint(state_of(f), ==, STORAGE_VDI_STATE_ACTIVATED);
        after = attach(f, DP);
        g_assert_cmpstr(before, ==, after);
        OK(dp_destroy(f->manager, &f->operation, DP, false, &error));
        restart(f);
        g_assert_cmpint(state_of(f), ==, STORAGE_VDI_STATE_DETACHED);
        free(attach(f, DP));
        OK(sr_detach(f->manager, &f->operation, TEST_SR, &error));
        OK(sr_detach(f->manager, &f->operation, TEST_SR, &error));
        restart(f);
        bus_strings_clear(&list);
        manager_list(f->manager, &list);
        g_assert_cmpuint(list.n, ==, 0);
}

/* What sm-daemon says by itself for a plugin that is FILE_AS_IT_IS is what the plugin says. */
static void test_direct_is_true(Fixture *f, gconstpointer data)
{
        static const char *const uris[] = { "file:///a/b", "file:///a%20b%25/c", "file:///%c3%bc" };
        StorageError *error = NULL;
        g_autoptr(Plugin) plugin =
            plugins_find(f->manager->plugins, PLUGIN_DATAPATH, "file", &f->operation, &error);
        PluginCaller caller = plugin_caller(plugin, &f->operation);

        g_assert_true(plugin_has_feature(plugin, PLUGIN_FILE_AS_IT_IS));
        for (size_t i = 0; i < G_N_ELEMENTS(uris); i++) {
                g_autofree char *ours = g_filename_from_uri(uris[i], NULL, NULL);
                SmapiError *failed = NULL;
                SmapiBackend backend;

                g_assert_true(
                    smapi_datapath_attach(&caller.caller, 0, "", uris[i], TEST_VM, &backend, &failed));
                g_assert_cmpint(backend.implementations.items[0].tag, ==, STORAGE_IMPLEMENTATION_FILE);
                g_assert_cmpstr(backend.implementations.items[0].file.path, ==, ours);
                smapi_backend_clear(&backend);
        }
}

static void test_file_gone(Fixture *f, gconstpointer data)
{
        StorageBackend backend = { 0 };
        g_autofree char *command = NULL;
        DpName name;

        attach_sr(f);
        make_vdi(f);
        name = name_of(f, DP);
        command = g_strdup_printf("rm '%s/%s.raw' '%s/%s.json'", f->location, f->vdi, f->location, f->vdi);
        g_assert_cmpint(system(command), ==, 0);
        FAILS_AS(dp_attach(f->manager, &f->operation, &name, true, &backend, &error),
                 STORAGE_ERROR_VDI_DOES_NOT_EXIST);
        g_assert_cmpint(state_of(f), ==, STORAGE_VDI_STATE_DETACHED);
}

/* A plugin that gives another answer than it should. */
static void hostile(Fixture *f, const char *body, StorageErrorTag expected)
{
        g_autofree char *folder = test_plugin_folder(f->plugins, "volume", "org.xen.xapi.storage.bad");
        BusDict config = { 0 };

        test_plugin_script(folder, "SR.attach", body);
        FAILS_AS(sr_attach(f->manager, &f->operation, "bad", TEST_SR, &config, &error), expected);
        FAILS_AS(sr_stat(f->manager, &f->operation, TEST_SR, &(StorageSrInfo){ 0 }, &error),
                 STORAGE_ERROR_SR_NOT_ATTACHED);
}

static void test_hostile(Fixture *f, gconstpointer data)
{
        g_autofree char *folder = test_plugin_folder(f->plugins, "volume", "org.xen.xapi.storage.bad");

        test_plugin_script(folder, "Plugin.query",
                           "echo '{\"plugin\":\"bad\",\"name\":\"\",\"version\":\"1\"}'");
        hostile(f, "exit 0", BACKEND);
        hostile(f, "echo '{'", BACKEND);
        hostile(f, "echo '5'", BACKEND);
        hostile(f, "printf '\"\\377\\376\"'", BACKEND);
        hostile(f, "printf '\"a\\\\u0000b\"'", BACKEND);
        hostile(f, "head -c 100000 /dev/zero | tr '\\0' '['", BACKEND);
        hostile(f, "echo '{\"a\":1,\"a\":2}'", BACKEND);
        hostile(f, "echo '\"late\"'; exit 1", BACKEND);
        hostile(f, "kill -9 $$", BACKEND);
        hostile(f, "cat /dev/zero", BACKEND);
        hostile(f, "echo '{\"code\":\"SR_BACKEND_FAILURE_44\",\"params\":[\"\",1,{}]}'; exit 1", BACKEND);
        hostile(f, "echo '{\"code\":\"Unimplemented\",\"params\":[\"x\"]}'; exit 1",
                STORAGE_ERROR_UNIMPLEMENTED);
        hostile(f, "echo '{\"code\":\"Cancelled\",\"params\":[]}'; exit 1", STORAGE_ERROR_CANCELLED);
        FAILS_AS(sr_attach(f->manager, &f->operation, "../volume", TEST_SR, &(BusDict){ 0 }, &error),
                 STORAGE_ERROR_NO_STORAGE_PLUGIN_FOR_SR);
        FAILS_AS(sr_attach(f->manager, &f->operation, "", TEST_SR, &(BusDict){ 0 }, &error),
                 STORAGE_ERROR_NO_STORAGE_PLUGIN_FOR_SR);
        f->operation.deadline_usec = clock_usec() + 200000;
        hostile(f, "sleep 1000", BACKEND);
}

/* What a plugin tells, at the limit of what can be and one past it. */
static void test_limits(Fixture *f, gconstpointer data)
{
        SmapiVolume volume = { .key = (char *)"k", .virtual_size = PLUGIN_VOLUME_SIZE_MAX };
        SmapiSr sr = { .total_space = PLUGIN_SR_SIZE_MAX, .free_space = PLUGIN_SR_SIZE_MAX };
        g_autofree char *longest = g_strnfill(PLUGIN_KEY_MAX, 'k'),
                        *too_long = g_strnfill(PLUGIN_KEY_MAX + 1, 'k');

        OK(plugin_check_volume(&volume, "k", "x", &error));
        FAILS_AS(plugin_check_volume(&volume, "l", "x", &error), BACKEND);
        volume.virtual_size++;
        FAILS_AS(plugin_check_volume(&volume, NULL, "x", &error), BACKEND);
        volume.virtual_size = 0;
        volume.physical_utilisation = PLUGIN_VOLUME_SIZE_MAX;
        OK(plugin_check_volume(&volume, NULL, "x", &error));
        volume.physical_utilisation++;
        FAILS_AS(plugin_check_volume(&volume, NULL, "x", &error), BACKEND);
        volume.physical_utilisation = 0;
        volume.key = longest;
        OK(plugin_check_volume(&volume, NULL, "x", &error));
        volume.key = too_long;
        FAILS_AS(plugin_check_volume(&volume, NULL, "x", &error), BACKEND);
        OK(plugin_check_sr(&sr, "x", &error));
        sr.free_space++;
        FAILS_AS(plugin_check_sr(&sr, "x", &error), BACKEND);
        sr.total_space++;
        FAILS_AS(plugin_check_sr(&sr, "x", &error), BACKEND);
}

static void test_depth(void)
{
        GString *text = g_string_new(NULL);

        for (unsigned i = 0; i < PLUGIN_JSON_DEPTH_MAX; i++)
                g_string_append(text, "[");
        g_assert_true(json_text_depth_ok(text->str, text->len, PLUGIN_JSON_DEPTH_MAX));
        g_string_append(text, "{");
        g_assert_false(json_text_depth_ok(text->str, text->len, PLUGIN_JSON_DEPTH_MAX));
        g_assert_true(json_text_depth_ok("\"[[[[\\\"[[[\"", 11, 1));
        g_string_free(text, TRUE);
}

/* A plugin of upstream's shape: it knows nothing of our parameters and features, and has a datapath that is called. */
static void test_plain_plugin(Fixture *f, gconstpointer data)
{
        g_autofree char *volume = test_plugin_folder(f->plugins, "volume", "org.xen.xapi.storage.plain");
        g_autofree char *datapath = test_plugin_folder(f->plugins, "datapath", "plain"),
                        *log = g_build_filename(f->scratch, "log", NULL);
        g_autofree char *body = g_strdup_printf("basename $0 >> %s; echo null", log), *calls = NULL,
                        *attach_body = NULL;
        StorageVdiInfo info = { .name_label = (char *)"n", .ty = (char *)"system", .persistent = true },
                       made = { 0 };
        StorageBackend backend = { 0 };
        BusDict config = { 0 };
        DpName name;

        test_plugin_script(volume, "Plugin.Query",
                           "echo '{\"plugin\":\"plain\",\"name\":\"\",\"version\":\"1\"}'");
        test_plugin_script(volume, "SR.attach", "echo '\"handle\"'");
        test_plugin_script(volume, "Volume.create",
                           "echo '{\"key\":\"k/1\",\"name\":\"n\",\"read_write\":true,\"virtual_size\":1,"
                           "\"uri\":[\"none://\",\"plain://k\"]}'");
        test_plugin_script(volume, "Volume.stat",
                           "echo '{\"key\":\"k/1\",\"name\":\"n\",\"read_write\":true,\"virtual_size\":1,"
                           "\"uri\":[\"none://\",\"plain://k\"]}'");
        test_plugin_script(volume, "Volume.set", body);
        test_plugin_script(datapath, "Plugin.Query",
                           "echo '{\"plugin\":\"plain\",\"name\":\"\",\"version\":\"1\"}'");
        attach_body = g_strdup_printf(
            "basename $0 >> %s; echo '{\"implementations\":[[\"Nbd\",{\"uri\":\"u\"}]]}'", log);
        test_plugin_script(datapath, "Datapath.attach", attach_body);
        for (const char *const *method =
                 (const char *const[]){ "Datapath.open", "Datapath.activate", "Datapath.deactivate",
                                        "Datapath.detach", "Datapath.close", NULL };
             *method != NULL; method++)
                test_plugin_script(datapath, *method, body);
        OK(sr_attach(f->manager, &f->operation, "plain", TEST_SR, &config, &error));
        OK(vdi_create(f->manager, &f->operation, TEST_SR, &info, &made, &error));
        f->vdi = g_steal_pointer(&made.vdi);
        name = name_of(f, DP);
        OK(dp_attach(f->manager, &f->operation, &name, true, &backend, &error));
        g_assert_cmpint(backend.implementations.items[0].tag, ==, STORAGE_IMPLEMENTATION_NBD);
        OK(dp_activate(f->manager, &f->operation, &name, false, &error));
        restart(f);
        storage_backend_clear(&backend);
        OK(dp_attach(f->manager, &f->operation, &name, true, &backend, &error));
        OK(dp_destroy(f->manager, &f->operation, DP, false, &error));
        g_assert_true(g_file_get_contents(log, &calls, NULL, NULL));
        g_assert_cmpstr(calls, ==,
                        "Volume.set\nDatapath.open\nDatapath.attach\nDatapath.activate\nDatapath.deactivate\n"
                        "Datapath.detach\nDatapath.close\n");
        /* A plugin that fails keeps its volume attached, unless it may be leaked. */
        storage_backend_clear(&backend);
        OK(dp_attach(f->manager, &f->operation, &name, true, &backend, &error));
        test_plugin_script(datapath, "Datapath.detach", "exit 1");
        FAILS_AS(dp_destroy(f->manager, &f->operation, DP, false, &error), BACKEND);
        g_assert_cmpint(state_of(f), ==, STORAGE_VDI_STATE_ATTACHED);
        OK(dp_destroy(f->manager, &f->operation, DP, true, &error));
        g_assert_cmpint(state_of(f), ==, STORAGE_VDI_STATE_DETACHED);
        storage_backend_clear(&backend);
        storage_vdi_info_clear(&made);
}

static gpointer churn(gpointer data)
{
        Fixture *f = data;
        g_autofree char *dp = g_strdup_printf("dp-%p", (void *)g_thread_self());
        DpName name = name_of(f, dp);

        for (int i = 0; i < 100; i++) {
                StorageBackend backend = { 0 };

                OK(dp_attach(f->manager, &f->operation, &name, false, &backend, &error));
                OK(dp_activate(f->manager, &f->operation, &name, false, &error));
                free(manager_diagnostics(f->manager));
                OK(dp_destroy(f->manager, &f->operation, dp, false, &error));
                storage_backend_clear(&backend);
        }
        return NULL;
}

static void test_parallel(Fixture *f, gconstpointer data)
{
        GThread *threads[4];

        attach_sr(f);
        make_vdi(f);
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                threads[i] = g_thread_new("churn", churn, f);
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                g_thread_join(threads[i]);
        g_assert_cmpint(state_of(f), ==, STORAGE_VDI_STATE_DETACHED);
}

static void on_changed(uint64_t number, void *data)
{
        *(uint64_t *)data = number;
}

static void test_updates(Fixture *f, gconstpointer data)
{
        Updates *updates = f->manager->updates;
        StorageUpdates first = { 0 }, later = { 0 }, none = { 0 }, all = { 0 };
        uint64_t latest = 0;

        updates_listen(updates, on_changed, &latest);
        updates_take(updates, updates_since(updates, ""), &first);
        g_assert_cmpuint(first.events.n, ==, 0);
        attach_sr(f);
        make_vdi(f);
        free(attach(f, DP));
        g_assert_cmpuint(latest, ==, 2);
        updates_take(updates, updates_since(updates, first.next), &later);
        g_assert_cmpuint(later.events.n, ==, 2);
        g_assert_cmpstr(later.events.items[0].dp, ==, DP);
        g_assert_cmpuint(updates_since(updates, later.next), ==, latest);
        updates_take(updates, updates_since(updates, later.next), &none);
        g_assert_cmpuint(none.events.n, ==, 0);
        updates_take(updates, updates_since(updates, "nonsense"), &all);
        g_assert_cmpuint(all.events.n, ==, 2);
        updates_listen(updates, NULL, NULL);
        storage_updates_clear(&first);
        storage_updates_clear(&later);
        storage_updates_clear(&none);
        storage_updates_clear(&all);
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*function)(Fixture *f, gconstpointer data);
        } tests[] = {
                { "/manager/life", test_life },
                { "/manager/restart", test_restart },
                { "/manager/direct-is-true", test_direct_is_true },
                { "/manager/file-gone", test_file_gone },
                { "/manager/hostile", test_hostile },
                { "/manager/limits", test_limits },
                { "/manager/plain-plugin", test_plain_plugin },
                { "/manager/parallel", test_parallel },
                { "/manager/updates", test_updates },
        };

        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
                g_test_add(tests[i].name, Fixture, NULL, setup, tests[i].function, teardown);
        g_test_add_func("/manager/depth", test_depth);
        return g_test_run();
}
