/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-store.h"

#include <string.h>

#include <glib.h>

#include "test-fixture.h"

static void test_ids(void)
{
        char longest[VM_ID_MAX + 2];
        memset(longest, 'a', sizeof longest);
        longest[VM_ID_MAX] = '\0';
        g_assert_true(vm_id_valid(longest));
        longest[VM_ID_MAX] = 'a';
        longest[VM_ID_MAX + 1] = '\0';
        g_assert_false(vm_id_valid(longest));
        static const char *const bad[] = {
                "", ".", "..", "../x", "a/b", ".a", "a b", "a~", "\xc3\xa9", "a\n"
        };
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
                g_assert_false(vm_id_valid(bad[i]));
        g_assert_false(vm_id_valid(NULL));
        g_assert_true(vm_id_valid("8e6a8db0-5af4-48fa-b15d-c5bb64dd3c79"));
}

static void test_kept(void)
{
        Fixture fixture;
        XenopsError *error = NULL;
        fixture_init(&fixture);
        fixture_start(&fixture);
        fixture_add_vm(&fixture, "vm", 1, 1);
        auto_vm_config *before = vm_store_get(fixture.manager->vms, "vm", &error);
        char *text = vm_metadata_text(&before->metadata);
        fixture_restart(&fixture);
        auto_vm_config *after = vm_store_get(fixture.manager->vms, "vm", &error);
        char *again = vm_metadata_text(&after->metadata);
        g_assert_cmpstr(text, ==, again);
        /* Adding a known VM keeps its devices. */
        g_assert_true(vm_store_add(fixture.manager->vms, &after->metadata.vm, &error));
        auto_vm_config *added = vm_store_get(fixture.manager->vms, "vm", &error);
        g_assert_cmpuint(added->metadata.vifs.n, ==, 1);
        free(text);
        free(again);
        fixture_clear(&fixture);
}

static void test_refused(void)
{
        Fixture fixture;
        fixture_init(&fixture);
        fixture_start(&fixture);
        XenopsVm vm = { .id = (char *)"vm", .vcpus = 1, .vcpu_max = 1, .memory_static_max = 1 };
        XenopsVm bad_id = vm, no_vcpu = vm, many_vcpus = vm, memory = vm;
        XenopsError *error = NULL;
        bad_id.id = (char *)"../vm";
        no_vcpu.vcpus = 0;
        memory.memory_dynamic_max = 2;
        g_assert_false(vm_store_add(fixture.manager->vms, &bad_id, &error));
        g_clear_pointer(&error, xenops_error_free);
        g_assert_false(vm_store_add(fixture.manager->vms, &no_vcpu, &error));
        g_clear_pointer(&error, xenops_error_free);
        many_vcpus.vcpu_max = VM_VCPUS_MAX;
        g_assert_true(vm_store_add(fixture.manager->vms, &many_vcpus, &error));
        many_vcpus.vcpu_max++;
        g_assert_false(vm_store_add(fixture.manager->vms, &many_vcpus, &error));
        g_assert_cmpint(error->tag, ==, XENOPS_ERROR_INVALID_VCPUS);
        g_clear_pointer(&error, xenops_error_free);
        g_assert_false(vm_store_add(fixture.manager->vms, &memory, &error));
        g_clear_pointer(&error, xenops_error_free);
        memory.memory_static_max = memory.memory_dynamic_max = VM_MEMORY_BYTES_MAX;
        g_assert_true(vm_store_add(fixture.manager->vms, &memory, &error));
        memory.memory_static_max++;
        g_assert_false(vm_store_add(fixture.manager->vms, &memory, &error));
        g_clear_pointer(&error, xenops_error_free);
        XenopsMetadata metadata = { .vm = vm };
        for (unsigned i = 0; i < VM_DEVICES_MAX; i++)
                BUS_LIST_ADD(&metadata.vifs)->id = (XenopsDeviceId){ (char *)"vm", (char *)"0" };
        g_assert_true(vm_store_import(fixture.manager->vms, &metadata, &error));
        BUS_LIST_ADD(&metadata.vifs)->id = (XenopsDeviceId){ (char *)"vm", (char *)"0" };
        g_assert_false(vm_store_import(fixture.manager->vms, &metadata, &error));
        g_clear_pointer(&error, xenops_error_free);
        metadata.vifs.n = 1;
        metadata.vifs.items[0].id.vm = (char *)"another";
        g_assert_false(vm_store_import(fixture.manager->vms, &metadata, &error));
        g_clear_pointer(&error, xenops_error_free);
        free(metadata.vifs.items);
        fixture_clear(&fixture);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/vm-store/ids", test_ids);
        g_test_add_func("/vm-store/kept", test_kept);
        g_test_add_func("/vm-store/refused", test_refused);
        return g_test_run();
}
