/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What there is before anybody asks for anything stays what it is. */
#include "host-objects.h"

#include <string.h>

#include "test-core.h"
#include "test-store-lib.h"
#include "xenapi.h"

/* The refs and uuids of all objects of a class. */
static char *identities(Store *store, const Class *class)
{
        GString *text = g_string_new("");
        size_t n;
        const Row **rows = store_rows(store, class, &n);

        for (size_t i = 0; i < n; i++)
                g_string_append_printf(text, "%s %s\n", rows[i]->ref,
                                       row_values(rows[i])[class->uuid_field].s);
        store_rows_free(rows, n);
        return g_string_free(text, false);
}

static void test_again(void)
{
        static const Class *const CLASSES[] = { &CLASS_POOL,         &CLASS_HOST,       &CLASS_VM,
                                                &CLASS_HOST_CPU,     &CLASS_SR,         &CLASS_PBD,
                                                &CLASS_HOST_METRICS, &CLASS_VM_METRICS, &CLASS_NETWORK,
                                                &CLASS_PCI };
        TestCore *core = test_core_new("");
        Manager *m = &core->manager, again = { .daemon = m->daemon, .store = m->store };
        char *before[G_N_ELEMENTS(CLASSES)];
        XapiError *error = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(CLASSES); i++)
                before[i] = identities(m->store, CLASSES[i]);
        g_assert_true(host_objects_ensure(&again, "127.0.0.1", &error)); /* as the next process does */
        test_commit(txn_begin(m->store));
        for (size_t i = 0; i < G_N_ELEMENTS(CLASSES); i++) {
                g_autofree char *after = identities(m->store, CLASSES[i]);

                g_assert_cmpstr(before[i], ==, after);
                g_free(before[i]);
        }
        g_assert_cmpstr(again.host, ==, m->host);
        g_assert_cmpstr(again.pool, ==, m->pool);
        g_assert_cmpstr(again.dom0, ==, m->dom0);
        str_unref(again.host);
        str_unref(again.pool);
        str_unref(again.dom0);
        test_core_free(core);
}

static const HostRow *host(TestCore *core)
{
        return STORE_GET(HostRow, CLASS_HOST, core->manager.store, core->manager.host);
}

static void test_whole(void)
{
        TestCore *core = test_core_new("");
        const HostRow *h = host(core);

        g_assert_true(h->enabled);
        g_assert_cmpstr(h->address, ==, "127.0.0.1");
        g_assert_cmpstr(h->control_domain, ==, core->manager.dom0);
        g_assert_cmpuint(h->resident_VMs->n, ==, 1);
        g_assert_cmpuint(h->host_CPUs->n, >, 0);
        g_assert_cmpuint(h->PBDs->n, ==, 1);
        row_unref(&h->row);
        test_core_free(core);
}

/* A machine that has fewer processors now. */
static void test_processor_gone(void)
{
        TestCore *core = test_core_new("");
        Manager *m = &core->manager, again = { .daemon = m->daemon, .store = m->store };
        size_t n = store_count(m->store, &CLASS_HOST_CPU);
        Txn *txn = txn_begin(m->store);
        HostCpuRow *cpu = (HostCpuRow *)txn_create(txn, &CLASS_HOST_CPU, "surplus", NULL);
        XapiError *error = NULL;

        slot_str(&cpu->host, m->host);
        cpu->number = (int64_t)n;
        test_commit(txn);
        g_assert_true(host_objects_ensure(&again, NULL, &error));
        test_commit(txn_begin(m->store)); /* after what that changed, which it did not wait for */
        g_assert_cmpuint(store_count(m->store, &CLASS_HOST_CPU), ==, n);
        g_assert_null(store_get(m->store, &CLASS_HOST_CPU, "surplus"));
        str_unref(again.host);
        str_unref(again.pool);
        str_unref(again.dom0);
        test_core_free(core);
}

int main(int argc, char **argv)
{
        model_init();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/host-objects/again", test_again);
        g_test_add_func("/host-objects/whole", test_whole);
        g_test_add_func("/host-objects/processor-gone", test_processor_gone);
        return g_test_run();
}
