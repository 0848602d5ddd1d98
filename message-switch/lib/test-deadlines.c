/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "deadlines.h"

#define THINGS 200

typedef struct Test {
        Loop *loop;
        Deadlines *deadlines;
        unsigned n_due, n_expected;
        uint64_t last_usec;
} Test;

static void on_due(Deadline *deadline, void *data)
{
        Test *test = data;
        g_assert_cmpuint(deadline->usec, >=, test->last_usec);
        g_assert_cmpuint(deadline->usec, <=, clock_usec());
        g_assert_cmpuint(deadline->place, ==, 0);
        test->last_usec = deadline->usec;
        if (++test->n_due == test->n_expected)
                loop_stop(test->loop);
}

/* In the order of time whatever the order of adding; those removed do not come. */
static void test_order(void)
{
        Test test = { .loop = loop_new(), .n_expected = THINGS / 2 };
        Deadline things[THINGS] = { 0 };
        uint64_t now = clock_usec();
        test.deadlines = deadlines_new(test.loop, on_due, &test);
        for (unsigned i = 0; i < THINGS; i++)
                deadlines_add(test.deadlines, &things[i], now + i * 7919 % THINGS * 100);
        for (unsigned i = 0; i < THINGS; i += 2)
                deadlines_remove(test.deadlines, &things[i]);
        deadlines_remove(test.deadlines, &things[0]); /* in none: nothing */
        loop_run(test.loop);
        g_assert_cmpuint(test.n_due, ==, THINGS / 2);
        deadlines_free(test.deadlines);
        loop_free(test.loop);
}

/* One that is due before the timer that is already set. */
static void test_earlier(void)
{
        Test test = { .loop = loop_new(), .n_expected = 1 };
        Deadline late = { 0 }, early = { 0 };
        test.deadlines = deadlines_new(test.loop, on_due, &test);
        deadlines_add(test.deadlines, &late, clock_usec() + UINT64_C(3600) * 1000000u);
        deadlines_add(test.deadlines, &early, clock_usec() + 1000);
        loop_run(test.loop);
        g_assert_cmpuint(late.place, !=, 0);
        deadlines_free(test.deadlines);
        loop_free(test.loop);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/deadlines/order", test_order);
        g_test_add_func("/deadlines/earlier", test_earlier);
        return g_test_run();
}
