/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Full copies, within a repository and from one to another. */
#include <stdlib.h>
#include <string.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "sr.h"
#include "test-fixture.h"
#include "vdi.h"

#define OTHER_SR "5e2a6a4e-0000-4000-8000-000000000009"
#define PLAIN_SR "5e2a6a4e-0000-4000-8000-00000000000a"
#define DISC_SR  "5e2a6a4e-0000-4000-8000-00000000000b"

typedef struct Fixture {
        char *scratch, *plugins, *plugin, *marker;
        Manager *manager;
        Operation operation;
        char *vdi;
} Fixture;

static void attach(Fixture *f, const char *type, const char *sr)
{
        StorageSrCreateArgs args = { .sr = (char *)sr,
                                     .name_label = (char *)"n",
                                     .name_description = (char *)"" };
        g_autofree char *location = g_build_filename(f->scratch, sr, NULL);
        BusDict made = { 0 };

        g_assert_cmpint(g_mkdir(location, 0700), ==, 0);
        bus_dict_set(&args.device_config, "location", location);
        OK(sr_create(f->manager, &f->operation, type, &args, &made, &error));
        OK(sr_attach(f->manager, &f->operation, type, sr, &made, &error));
        bus_dict_clear(&args.device_config);
        bus_dict_clear(&made);
}

static void setup(Fixture *f, gconstpointer format)
{
        StorageVdiInfo info = { .name_label = (char *)"disk", .virtual_size = MIB, .persistent = true },
                       made = { 0 };
        g_autofree char *records = NULL, *path = NULL, *command = NULL;

        f->scratch = g_dir_make_tmp("test-copy-XXXXXX", NULL);
        f->plugins = g_build_filename(f->scratch, "plugins", NULL);
        f->plugin = test_plugin_copy(f->plugins, "volume", "org.xen.xapi.storage.file");
        f->marker = g_build_filename(f->scratch, "marker", NULL);
        test_plugin_real(f->plugins, "volume", "org.xen.xapi.storage.dir");
        test_plugin_real(f->plugins, "volume", "org.xen.xapi.storage.iso");
        records = g_build_filename(f->scratch, "records", NULL);
        f->manager = manager_new(f->plugins, records);
        f->operation = test_operation();
        attach(f, "file", TEST_SR);
        attach(f, "file", OTHER_SR);
        attach(f, "dir", PLAIN_SR);
        attach(f, "iso", DISC_SR);
        bus_dict_set(&info.sm_config, "image-format", format);
        OK(vdi_create(f->manager, &f->operation, TEST_SR, &info, &made, &error));
        f->vdi = g_steal_pointer(&made.vdi);
        storage_vdi_info_clear(&made);
        bus_dict_clear(&info.sm_config);
        path = g_strdup_printf("%s/" TEST_SR "/%s.%s", f->scratch, f->vdi, (const char *)format);
        command =
            g_strdup_printf("qemu-io -f %s -c 'write -q -P 7 65536 65536' '%s'", (const char *)format, path);
        g_assert_cmpint(system(command), ==, 0);
}

static void teardown(Fixture *f, gconstpointer data)
{
        manager_free(f->manager);
        test_remove(f->scratch);
        g_free(f->scratch);
        g_free(f->plugins);
        g_free(f->plugin);
        g_free(f->marker);
        free(f->vdi);
}

static size_t count(Fixture *f, const char *sr)
{
        StorageVdiInfoList found = { 0 };
        size_t n;

        OK(sr_scan(f->manager, &f->operation, sr, &found, &error));
        n = found.n;
        storage_vdi_info_list_clear(&found);
        return n;
}

/* Returns the copy's key, owned. */
static char *copy_from(Fixture *f, const char *from_sr, const char *vdi, const char *sr, const char *format)
{
        StorageVdiInfo info = { .vdi = (char *)vdi, .name_label = (char *)"copy", .persistent = true },
                       made = { 0 };
        g_autofree char *path = NULL, *command = NULL;
        char *key;

        bus_dict_set(&info.sm_config, "image-format", format);
        OK(vdi_copy_full(f->manager, &f->operation, sr, from_sr, &info, &made, &error));
        bus_dict_clear(&info.sm_config);
        g_assert_cmpstr(made.name_label, ==, "copy");
        g_assert_cmpint(made.virtual_size, ==, MIB);
        path = g_strdup_printf("%s/%s/%s.%s", f->scratch, sr, made.vdi, format);
        command = g_strdup_printf("qemu-io -r -f %s -c 'read -P 7 65536 65536' -c 'read -P 0 0 65536' '%s' | "
                                  "{ ! grep -q 'verification failed'; }",
                                  format, path);
        g_assert_cmpint(system(command), ==, 0);
        key = g_strdup(made.vdi);
        storage_vdi_info_clear(&made);
        return key;
}

static void copy_to(Fixture *f, const char *sr)
{
        g_free(copy_from(f, TEST_SR, f->vdi, sr, "raw"));
}

/* To a repository of another type, and back as another image. */
static void test_types(Fixture *f, gconstpointer data)
{
        g_autofree char *plain = copy_from(f, TEST_SR, f->vdi, PLAIN_SR, "raw"),
                        *back = copy_from(f, PLAIN_SR, plain, OTHER_SR, "qcow2"),
                        *raw = copy_from(f, PLAIN_SR, plain, OTHER_SR, "raw");
        StorageVdiInfo info = { .vdi = f->vdi, .persistent = true }, made = { 0 };

        g_assert_cmpuint(count(f, PLAIN_SR), ==, 1);
        g_assert_cmpuint(count(f, OTHER_SR), ==, 2);
        bus_dict_set(&info.sm_config, "image-format", "qcow2");
        FAILS_AS(vdi_copy_full(f->manager, &f->operation, PLAIN_SR, TEST_SR, &info, &made, &error),
                 STORAGE_ERROR_BACKEND_ERROR);
        bus_dict_clear(&info.sm_config);
        g_assert_cmpuint(count(f, PLAIN_SR), ==, 1);
}

static void test_between(Fixture *f, gconstpointer data)
{
        StorageVdiInfo info = { .vdi = f->vdi, .name_label = (char *)"copy", .persistent = true },
                       made = { 0 };
        StorageVdiInfo none = { .vdi = (char *)"none", .persistent = true };

        copy_to(f, OTHER_SR);
        copy_to(f, TEST_SR);
        g_assert_cmpuint(count(f, TEST_SR), ==, 2);
        g_assert_cmpuint(count(f, OTHER_SR), ==, 1);
        FAILS_AS(vdi_copy_full(f->manager, &f->operation, DISC_SR, TEST_SR, &info, &made, &error),
                 STORAGE_ERROR_UNIMPLEMENTED);
        FAILS_AS(vdi_copy_full(f->manager, &f->operation, "none", TEST_SR, &info, &made, &error),
                 STORAGE_ERROR_SR_NOT_ATTACHED);
        FAILS_AS(vdi_copy_full(f->manager, &f->operation, TEST_SR, "none", &info, &made, &error),
                 STORAGE_ERROR_SR_NOT_ATTACHED);
        FAILS_AS(vdi_copy_full(f->manager, &f->operation, OTHER_SR, TEST_SR, &none, &made, &error),
                 STORAGE_ERROR_VDI_DOES_NOT_EXIST);
        /* Both can be had alone again. */
        OK(sr_detach(f->manager, &f->operation, OTHER_SR, &error));
        OK(sr_detach(f->manager, &f->operation, TEST_SR, &error));
}

/* Each way at once, while somebody wants each repository for himself. */
static void *churn(void *data)
{
        Fixture *f = data;

        for (int i = 0; i < 10; i++) {
                OK(sr_set_name_label(f->manager, &f->operation, TEST_SR, "a", &error));
                OK(sr_set_name_label(f->manager, &f->operation, OTHER_SR, "b", &error));
        }
        return NULL;
}

static void *copy_back(void *data)
{
        StorageVdiInfoList found = { 0 };
        Fixture *f = data;

        OK(sr_scan(f->manager, &f->operation, OTHER_SR, &found, &error));
        for (int i = 0; i < 5; i++) {
                StorageVdiInfo info = { .vdi = found.items[0].vdi, .persistent = true }, made = { 0 };

                OK(vdi_copy_full(f->manager, &f->operation, TEST_SR, OTHER_SR, &info, &made, &error));
                storage_vdi_info_clear(&made);
        }
        storage_vdi_info_list_clear(&found);
        return NULL;
}

static void test_both_ways(Fixture *f, gconstpointer data)
{
        GThread *threads[2];

        copy_to(f, OTHER_SR);
        threads[0] = g_thread_new("churn", churn, f);
        threads[1] = g_thread_new("back", copy_back, f);
        for (int i = 0; i < 5; i++)
                copy_to(f, OTHER_SR);
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                g_thread_join(threads[i]);
}

static void *cancel(void *data)
{
        Fixture *f = data;

        while (!g_file_test(f->marker, G_FILE_TEST_EXISTS))
                g_usleep(1000);
        long_calls_cancel(f->manager->long_calls, "others");
        long_calls_cancel(f->manager->long_calls, f->operation.dbg);
        return NULL;
}

static void test_cancelled(Fixture *f, gconstpointer data)
{
        StorageVdiInfo info = { .vdi = f->vdi, .name_label = (char *)"copy", .persistent = true },
                       made = { 0 };
        g_autofree char *script = g_strdup_printf("touch '%s'; exec sleep 600", f->marker);
        GThread *thread = g_thread_new("cancel", cancel, f);

        test_plugin_script(f->plugin, "Volume.copy", script);
        FAILS_AS(vdi_copy_full(f->manager, &f->operation, OTHER_SR, TEST_SR, &info, &made, &error),
                 STORAGE_ERROR_CANCELLED);
        g_thread_join(thread);
        g_assert_cmpuint(count(f, OTHER_SR), ==, 0);
        long_calls_cancel(f->manager->long_calls, f->operation.dbg); /* nothing is under way */
}

int main(int argc, char **argv)
{
        g_autofree char *qemu_io = g_find_program_in_path("qemu-io");

        g_test_init(&argc, &argv, NULL);
        if (qemu_io == NULL) {
                g_print("1..0 # SKIP qemu-utils is not installed\n");
                return 0;
        }
        g_test_add("/copy/raw/between", Fixture, "raw", setup, test_between, teardown);
        g_test_add("/copy/qcow2/between", Fixture, "qcow2", setup, test_between, teardown);
        g_test_add("/copy/raw/types", Fixture, "raw", setup, test_types, teardown);
        g_test_add("/copy/qcow2/types", Fixture, "qcow2", setup, test_types, teardown);
        g_test_add("/copy/both-ways", Fixture, "qcow2", setup, test_both_ways, teardown);
        g_test_add("/copy/cancelled", Fixture, "raw", setup, test_cancelled, teardown);
        return g_test_run();
}
