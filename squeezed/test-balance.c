/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who gets how much. */
#include <glib.h>

#include "balance.h"
#include "share.h"

#define MIB(n)   ((int64_t)(n)*1024)
#define PATIENCE 1000000u

static void test_split(void)
{
        Share shares[] = { { MIB(100), MIB(300) }, { MIB(50), MIB(50) }, { MIB(0), MIB(400) } };

        g_assert_cmpfloat(shares_split(shares, 3, MIB(149)), <, 0);
        g_assert_cmpint(shares[0].kib, ==, MIB(100));
        g_assert_cmpfloat(shares_split(shares, 3, MIB(150)), ==, 0);
        g_assert_cmpfloat(shares_split(shares, 3, MIB(450)), ==, 0.5);
        g_assert_cmpint(shares[0].kib, ==, MIB(200));
        g_assert_cmpint(shares[1].kib, ==, MIB(50));
        g_assert_cmpint(shares[2].kib, ==, MIB(200));
        g_assert_cmpfloat(shares_split(shares, 3, MIB(1000)), ==, 1);
        g_assert_cmpint(shares[2].kib, ==, MIB(400));
        g_assert_cmpfloat(shares_split(shares, 0, 0), ==, 1);
}

/* Never more than there is, whatever is asked for. */
static void test_split_never_exceeds(void)
{
        for (unsigned round = 0; round < 1000; round++) {
                Share shares[8];
                int64_t minimum = 0, given = 0;
                for (size_t i = 0; i < 8; i++) {
                        shares[i].minimum_kib = g_test_rand_int_range(0, 1 << 20);
                        shares[i].maximum_kib = shares[i].minimum_kib + g_test_rand_int_range(0, 1 << 20);
                        minimum += shares[i].minimum_kib;
                }
                int64_t kib = minimum + g_test_rand_int_range(0, 8 << 20);
                shares_split(shares, 8, kib);
                for (size_t i = 0; i < 8; i++) {
                        g_assert_cmpint(shares[i].kib, >=, shares[i].minimum_kib);
                        g_assert_cmpint(shares[i].kib, <=, shares[i].maximum_kib);
                        given += shares[i].kib;
                }
                g_assert_cmpint(given, <=, kib);
        }
}

static HostDomain guest(int64_t domid, int64_t actual, int64_t target, int64_t min, int64_t max)
{
        return (HostDomain){ domid, "", MIB(actual), MIB(target), MIB(min), MIB(max), true, true, true };
}

/* The new target of a domain; 0: it stays. */
static int64_t target_of(const Plan *plan, int64_t domid)
{
        for (size_t i = 0; i < plan->n; i++)
                if (plan->targets[i].domid == domid)
                        return plan->targets[i].kib;
        return 0;
}

static void test_grow(void)
{
        HostDomain domains[] = { guest(1, 100, 100, 100, 300), guest(2, 100, 100, 100, 500) };
        Host host = { MIB(1000), MIB(310), 0, 2, domains };
        Balance *balance = balance_new(PATIENCE);
        Plan plan;

        /* 300 MiB may be given, and half of what they want is that. */
        balance_decide(balance, &host, MIB(10), NULL, 0, 1, &plan);
        g_assert_cmpint(target_of(&plan, 1), ==, MIB(200));
        g_assert_cmpint(target_of(&plan, 2), ==, MIB(300));
        g_assert_true(plan.moving);
        plan_clear(&plan);
        balance_free(balance);
}

static void test_shrink_first(void)
{
        HostDomain domains[] = { guest(1, 500, 500, 100, 500), guest(2, 100, 100, 100, 500) };
        Host host = { MIB(1000), 0, 0, 2, domains };
        Balance *balance = balance_new(PATIENCE);
        Plan plan;

        balance_decide(balance, &host, 0, NULL, 0, 1, &plan);
        g_assert_cmpint(target_of(&plan, 1), ==, MIB(300));
        g_assert_cmpint(target_of(&plan, 2), ==, MIB(100)); /* there is nothing yet: told only to stay */
        plan_clear(&plan);
        domains[0].target_kib = MIB(300);
        domains[0].actual_kib = MIB(380);
        host.free_kib = MIB(120);
        balance_decide(balance, &host, 0, NULL, 0, 2, &plan);
        g_assert_cmpint(target_of(&plan, 1), ==, 0);
        g_assert_cmpint(target_of(&plan, 2), ==, MIB(220));
        plan_clear(&plan);
        balance_free(balance);
}

static void test_demands(void)
{
        HostDomain domains[] = { guest(1, 500, 500, 100, 500) };
        Host host = { MIB(1000), MIB(100), 0, 1, domains };
        Demand first = { .minimum_kib = MIB(300), .maximum_kib = MIB(300) };
        Demand second = { .minimum_kib = MIB(201), .maximum_kib = MIB(201) };
        Demand small = { .minimum_kib = MIB(50), .maximum_kib = MIB(50) };
        Demand *all[] = { &first, &second, &small };
        Balance *balance = balance_new(PATIENCE);
        Plan plan;

        balance_decide(balance, &host, 0, all, 3, 1, &plan);
        g_assert_cmpint(first.state, ==, DEMAND_WAITS);
        g_assert_cmpint(second.state, ==, DEMAND_IMPOSSIBLE); /* 600 - 100 - 300 are left */
        g_assert_cmpint(second.free_kib, ==, MIB(200));
        g_assert_false(second.refused);
        g_assert_cmpint(small.state, ==, DEMAND_GRANTED);
        g_assert_cmpint(small.kib, ==, MIB(50));
        g_assert_cmpint(target_of(&plan, 1), ==, MIB(250));
        plan_clear(&plan);
        balance_free(balance);
}

/* What a guest was told it may take is nobody else's, whether it has taken it or not. */
static void test_claims(void)
{
        HostDomain domains[] = { guest(1, 100, 300, 300, 300) };
        Host host = { MIB(1000), MIB(250), 0, 1, domains };
        Demand demand = { .minimum_kib = MIB(51), .maximum_kib = MIB(51) };
        Demand *all[] = { &demand };
        Balance *balance = balance_new(PATIENCE);
        Plan plan;

        for (uint64_t now = 1; now < 3 * PATIENCE; now += PATIENCE) {
                balance_decide(balance, &host, 0, all, 1, now, &plan);
                g_assert_cmpint(demand.state, ==, DEMAND_IMPOSSIBLE);
                plan_clear(&plan);
        }
        demand.minimum_kib = demand.maximum_kib = MIB(50);
        balance_decide(balance, &host, 0, all, 1, 3 * PATIENCE, &plan);
        g_assert_cmpint(demand.state, ==, DEMAND_GRANTED);
        plan_clear(&plan);
        balance_free(balance);
}

static void test_stands_still(void)
{
        HostDomain domains[] = { guest(1, 500, 500, 100, 500) };
        Host host = { MIB(600), MIB(100), 0, 1, domains };
        Demand demand = { .minimum_kib = MIB(300), .maximum_kib = MIB(300) };
        Demand *all[] = { &demand };
        Balance *balance = balance_new(PATIENCE);
        Plan plan;

        balance_decide(balance, &host, 0, all, 1, 1, &plan);
        domains[0].target_kib = target_of(&plan, 1);
        g_assert_cmpint(domains[0].target_kib, ==, MIB(300));
        plan_clear(&plan);
        /* One step short of patience, and at its end: */
        balance_decide(balance, &host, 0, all, 1, PATIENCE, &plan);
        g_assert_cmpint(demand.state, ==, DEMAND_WAITS);
        g_assert_true(plan.moving);
        plan_clear(&plan);
        balance_decide(balance, &host, 0, all, 1, PATIENCE + 1, &plan);
        g_assert_cmpint(demand.state, ==, DEMAND_IMPOSSIBLE);
        g_assert_true(demand.refused);
        g_assert_false(plan.moving);
        g_assert_true(balance_is_inactive(balance, 1));
        plan_clear(&plan);
        /* It moves after all, a little, and is counted on again; that it is sent further is no movement. */
        domains[0].actual_kib -= BALANCE_PROGRESS_KIB;
        host.free_kib += BALANCE_PROGRESS_KIB;
        balance_decide(balance, &host, 0, all, 1, 2 * PATIENCE, &plan);
        g_assert_cmpint(demand.state, ==, DEMAND_WAITS);
        g_assert_false(balance_is_inactive(balance, 1));
        plan_clear(&plan);
        demand.minimum_kib = demand.maximum_kib = MIB(400);
        balance_decide(balance, &host, 0, all, 1, 3 * PATIENCE - 1, &plan);
        domains[0].target_kib = target_of(&plan, 1);
        g_assert_cmpint(domains[0].target_kib, ==, MIB(200));
        plan_clear(&plan);
        balance_decide(balance, &host, 0, all, 1, 3 * PATIENCE, &plan);
        g_assert_true(balance_is_inactive(balance, 1));
        plan_clear(&plan);
        balance_free(balance);
}

/* Those that are being built, are paused, or are not ours, stay as they are, and keep what they have. */
static void test_not_ours(void)
{
        HostDomain domains[] = { guest(1, 200, 200, 100, 500), guest(2, 200, 200, 100, 500),
                                 guest(3, 200, 200, 100, 500) };
        Host host = { MIB(1000), MIB(400), 0, 3, domains };
        Demand demand = { .minimum_kib = MIB(401), .maximum_kib = MIB(401) };
        Demand *all[] = { &demand };
        Balance *balance = balance_new(PATIENCE);
        Plan plan;

        domains[0].managed = domains[1].running = domains[2].ran = false;
        balance_decide(balance, &host, 0, all, 1, 1, &plan);
        g_assert_cmpuint(plan.n, ==, 0);
        g_assert_cmpint(demand.state, ==, DEMAND_IMPOSSIBLE);
        g_assert_cmpint(demand.free_kib, ==, MIB(400));
        plan_clear(&plan);
        balance_free(balance);
}

/* Whatever guests do, what is told to them and what is granted is never more than there is. */
static void test_never_overcommits(void)
{
        for (unsigned round = 0; round < 300; round++) {
                HostDomain domains[5];
                Host host = { MIB(5000), MIB(5000), 0, 5, domains };
                Balance *balance = balance_new(PATIENCE);
                for (int i = 0; i < 5; i++) {
                        int min = g_test_rand_int_range(1, 300), max = min + g_test_rand_int_range(0, 900);
                        int has = g_test_rand_int_range(min, max + 1);
                        domains[i] = guest(i + 1, has, has, min, max);
                        host.free_kib -= MIB(has);
                }
                int64_t granted = 0;
                for (unsigned step = 0; step < 30; step++) {
                        Demand demand = { .minimum_kib = MIB(g_test_rand_int_range(0, 1000)) };
                        Demand *all[] = { &demand };
                        Plan plan;
                        demand.maximum_kib = demand.minimum_kib + MIB(g_test_rand_int_range(0, 1000));
                        balance_decide(balance, &host, granted, all, step % 3 == 0, step * PATIENCE / 2,
                                       &plan);
                        if (step % 3 == 0 && demand.state == DEMAND_GRANTED)
                                granted += demand.kib;
                        int64_t promised = granted;
                        for (int i = 0; i < 5; i++) {
                                HostDomain *domain = &domains[i];
                                int64_t kib = target_of(&plan, domain->domid);
                                if (kib)
                                        domain->target_kib = kib;
                                promised += MAX(domain->actual_kib, domain->target_kib);
                        }
                        g_assert_cmpint(promised, <=, MIB(5000));
                        plan_clear(&plan);
                        for (int i = 0; i < 5; i++) {
                                if (g_test_rand_int_range(0, 3) == 0)
                                        continue; /* does not today */
                                host.free_kib += domains[i].actual_kib - domains[i].target_kib;
                                domains[i].actual_kib = domains[i].target_kib;
                        }
                }
                balance_free(balance);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/balance/split", test_split);
        g_test_add_func("/balance/split-never-exceeds", test_split_never_exceeds);
        g_test_add_func("/balance/grow", test_grow);
        g_test_add_func("/balance/shrink-first", test_shrink_first);
        g_test_add_func("/balance/demands", test_demands);
        g_test_add_func("/balance/claims", test_claims);
        g_test_add_func("/balance/stands-still", test_stands_still);
        g_test_add_func("/balance/not-ours", test_not_ours);
        g_test_add_func("/balance/never-overcommits", test_never_overcommits);
        return g_test_run();
}
