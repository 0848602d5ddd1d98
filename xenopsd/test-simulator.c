/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated hypervisor by itself: its limits, its guests, what a kill leaves. */
#include <errno.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "sim-fault.h"
#include "sim-table.h"

typedef struct Test {
        char *folder, *path, *memory_path;
        Loop *loop;
        Ledger *ledger;
        SimMemory *memory;
        SimTable *table;
        SimFaults *faults;
        unsigned n_shut_down;
        Cancel cancel;
} Test;

static void on_shut_down(const char *vm, void *data)
{
        Test *test = data;
        test->n_shut_down++;
        loop_stop(test->loop);
}

static void open_all(Test *test)
{
        char *error = NULL;
        SimGuest standard = { true, true, true, true, 0 };
        test->loop = loop_new();
        test->ledger = ledger_open(test->path, &error);
        g_assert_cmpstr(error, ==, NULL);
        test->faults = sim_faults_new(test->ledger, &standard);
        test->memory = sim_memory_open(test->memory_path, 1024, &error);
        g_assert_cmpstr(error, ==, NULL);
        test->table = sim_table_new(test->ledger, test->loop, test->memory, on_shut_down, test);
}

static void close_all(Test *test)
{
        sim_faults_free(test->faults);
        sim_table_free(test->table);
        loop_free(test->loop);
        sim_memory_close(test->memory);
        ledger_close(test->ledger);
}

static void set_up(Test *test)
{
        *test = (Test){ .folder = g_dir_make_tmp("simulator-XXXXXX", NULL) };
        test->path = g_build_filename(test->folder, "ledger", NULL);
        test->memory_path = g_build_filename(test->folder, "memory", NULL);
        cancel_init(&test->cancel);
        open_all(test);
}

static void tear_down(Test *test)
{
        close_all(test);
        cancel_destroy(&test->cancel);
        g_unlink(test->path);
        g_unlink(test->memory_path);
        g_rmdir(test->folder);
        g_free(test->path);
        g_free(test->memory_path);
        g_free(test->folder);
}

static SimDomain *create_running(Test *test, const char *vm)
{
        SimDomain *domain;
        g_assert_cmpint(sim_table_create(test->table, vm, &domain), ==, 0);
        sim_domain_lock(test->table, domain);
        domain->life = SIM_RUNNING;
        g_assert_cmpint(sim_domain_commit(test->table, domain), ==, 0);
        return domain;
}

static void test_domains_limit(void)
{
        Test test;
        SimDomain *domain;
        char vm[16];
        set_up(&test);
        for (unsigned i = 0; i < SIM_DOMAINS_MAX; i++) {
                g_snprintf(vm, sizeof vm, "vm%u", i);
                g_assert_cmpint(sim_table_create(test.table, vm, &domain), ==, 0);
                sim_domain_unref(test.table, domain);
        }
        g_assert_cmpint(sim_table_create(test.table, "vm0", &domain), ==, -EEXIST);
        g_assert_cmpint(sim_table_create(test.table, "another", &domain), ==, -ENOSPC);
        tear_down(&test);
}

static void test_memory(void)
{
        Test test;
        int64_t free_kib;
        set_up(&test);
        SimDomain *domain = create_running(&test, "vm");
        sim_domain_lock(test.table, domain);
        g_assert_cmpint(sim_domain_set_memory(test.table, domain, 1025, &free_kib), ==, -ENOMEM);
        g_assert_cmpint(free_kib, ==, 1024);
        g_assert_cmpint(sim_domain_set_memory(test.table, domain, 1024, &free_kib), ==, 0);
        g_assert_cmpint(sim_domain_commit(test.table, domain), ==, 0);
        sim_domain_unref(test.table, domain);
        close_all(&test);
        open_all(&test);
        g_assert_cmpint(sim_memory_free_kib(test.memory), ==, 0);
        domain = sim_table_find(test.table, "vm");
        g_assert_cmpint(sim_table_destroy(test.table, domain), ==, 0);
        g_assert_cmpint(sim_table_destroy(test.table, domain), ==, 0);
        g_assert_cmpint(sim_memory_free_kib(test.memory), ==, 1024);
        sim_domain_unref(test.table, domain);
        tear_down(&test);
}

static void test_waits(void)
{
        Test test;
        Cancel fresh;
        set_up(&test);
        cancel_init(&fresh);
        SimDomain *domain = create_running(&test, "vm");
        g_assert_cmpint(sim_domain_wait_shutdown(test.table, domain, clock_usec(), &test.cancel), ==, -ETIME);
        sim_domain_lock(test.table, domain);
        sim_domain_request(domain, SIM_POWEROFF, clock_usec(), 0, SIM_NEVER);
        sim_domain_commit(test.table, domain);
        g_assert_cmpint(sim_domain_wait_acknowledged(test.table, domain, UINT64_MAX, &test.cancel), ==, 0);
        cancel_ask(&test.cancel);
        g_assert_cmpint(sim_domain_wait_shutdown(test.table, domain, UINT64_MAX, &test.cancel), ==,
                        -ECANCELED);
        sim_domain_lock(test.table, domain);
        sim_domain_request(domain, SIM_REBOOT, clock_usec(), 0, 1);
        sim_domain_commit(test.table, domain);
        g_assert_cmpint(sim_domain_wait_shutdown(test.table, domain, UINT64_MAX, &fresh), ==, 0);
        cancel_destroy(&fresh);
        g_assert_cmpint(domain->reason, ==, SIM_REBOOT);
        sim_domain_unref(test.table, domain);
        tear_down(&test);
}

/* A guest that nobody waits for ends by the clock; a paused one does nothing. */
static void test_by_itself(void)
{
        Test test;
        set_up(&test);
        SimDomain *domain = create_running(&test, "vm"), *paused = create_running(&test, "paused");
        sim_domain_lock(test.table, paused);
        paused->life = SIM_PAUSED;
        sim_domain_request(paused, SIM_POWEROFF, clock_usec(), 0, 0);
        sim_domain_commit(test.table, paused);
        sim_domain_lock(test.table, domain);
        sim_domain_request(domain, SIM_POWEROFF, clock_usec(), 1000, 1000);
        sim_domain_commit(test.table, domain);
        sim_domain_unref(test.table, domain);
        sim_domain_unref(test.table, paused);
        close_all(&test);
        open_all(&test);
        g_assert_cmpuint(test.n_shut_down, ==, 0);
        sim_table_start(test.table);
        if (test.n_shut_down == 0)
                loop_run(test.loop);
        g_assert_cmpuint(test.n_shut_down, ==, 1);
        domain = sim_table_find(test.table, "vm");
        g_assert_cmpint(domain->life, ==, SIM_SHUTDOWN);
        sim_domain_unref(test.table, domain);
        paused = sim_table_find(test.table, "paused");
        g_assert_cmpint(paused->life, ==, SIM_PAUSED);
        sim_domain_unref(test.table, paused);
        tear_down(&test);
}

static int trigger(Test *test, const char *command, const char *const *arguments)
{
        XenopsError *error = NULL;
        BusStrings strings = { g_strv_length((char **)arguments), (char **)arguments };
        int r = sim_faults_trigger(test->faults, command, &strings, &error);
        g_assert_true((r < 0) == (error != NULL));
        if (error)
                xenops_error_free(error);
        return r;
}

#define TRIGGER(command, ...)                                                                                \
        trigger(&test, command, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static bool meets(Test *test, const char *vm, const char *step)
{
        XenopsError *error = NULL;
        bool good = sim_faults_meet(test->faults, vm, step, &test->cancel, &error);
        if (error)
                xenops_error_free(error);
        return !good;
}

static void test_faults(void)
{
        Test test;
        set_up(&test);
        g_assert_cmpint(TRIGGER("unknown"), >, 0);
        g_assert_cmpint(TRIGGER("inject", "fail"), <, 0);
        g_assert_cmpint(TRIGGER("inject", "what=else"), <, 0);
        g_assert_cmpint(TRIGGER("inject", "latency=nan"), <, 0);
        g_assert_cmpint(TRIGGER("inject", "latency=-1"), <, 0);
        g_assert_cmpint(TRIGGER("inject", "latency=1e7"), <, 0);
        g_assert_cmpint(TRIGGER("inject", "count=0"), <, 0);
        g_assert_cmpint(TRIGGER("behave", "tools=perhaps"), <, 0);
        g_assert_cmpint(TRIGGER("inject", "vm=a", "step=build", "fail=x", "count=2"), ==, 0);
        g_assert_cmpint(TRIGGER("behave", "vm=a", "tools=false", "delay=1.5"), ==, 0);
        close_all(&test);
        open_all(&test);
        g_assert_false(meets(&test, "b", "build"));
        g_assert_false(meets(&test, "a", "create"));
        g_assert_true(meets(&test, "a", "build"));
        g_assert_true(meets(&test, "a", "build"));
        g_assert_false(meets(&test, "a", "build"));
        SimGuest guest = sim_faults_guest(test.faults, "a");
        g_assert_false(guest.tools);
        g_assert_cmpuint(guest.delay_usec, ==, 1500000);
        g_assert_true(sim_faults_guest(test.faults, "b").tools);
        g_assert_cmpint(TRIGGER("forget"), ==, 0);
        g_assert_true(sim_faults_guest(test.faults, "a").tools);
        tear_down(&test);
}

static void test_fault_limits(void)
{
        Test test;
        set_up(&test);
        for (unsigned i = 0; i < SIM_FAULTS_MAX; i++)
                g_assert_cmpint(TRIGGER("inject", "vm=a", "fail=x"), ==, 0);
        g_assert_cmpint(TRIGGER("inject", "vm=a", "fail=x"), <, 0);
        g_assert_cmpint(TRIGGER("forget", "vm=a"), ==, 0);
        for (unsigned i = 0; i < SIM_GUESTS_MAX; i++) {
                g_autofree char *vm = g_strdup_printf("vm=%u", i);
                g_assert_cmpint(TRIGGER("behave", vm), ==, 0);
        }
        g_assert_cmpint(TRIGGER("behave", "vm=0"), ==, 0);
        g_assert_cmpint(TRIGGER("behave", "vm=another"), <, 0);
        tear_down(&test);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/simulator/domains-limit", test_domains_limit);
        g_test_add_func("/simulator/memory", test_memory);
        g_test_add_func("/simulator/waits", test_waits);
        g_test_add_func("/simulator/by-itself", test_by_itself);
        g_test_add_func("/simulator/faults", test_faults);
        g_test_add_func("/simulator/fault-limits", test_fault_limits);
        return g_test_run();
}
