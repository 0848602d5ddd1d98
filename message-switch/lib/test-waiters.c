/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "waiters.h"

#define FAR_USEC (UINT64_C(3600) * 1000000u)

typedef struct Test {
        Loop *loop;
        Waiters *waiters;
        GThread *thread;
        uint64_t since;
        unsigned n_told, n_expected;
} Test;

static void begin(Test *test, unsigned n_expected)
{
        *test = (Test){ .loop = loop_new(), .n_expected = n_expected };
        test->waiters = waiters_new(test->loop);
}

static void end(Test *test)
{
        waiters_free(test->waiters);
        loop_free(test->loop);
}

static void on_told(uint64_t since, void *data)
{
        Test *test = data;

        test->since = since;
        if (++test->n_told == test->n_expected)
                loop_stop(test->loop);
}

/* What has happened already is told of, but not before the call returns. */
static void test_past(void)
{
        Test test;

        begin(&test, 1);
        waiters_advance(test.waiters, 7);
        waiters_wait(test.waiters, 6, clock_usec() + FAR_USEC, on_told, &test);
        g_assert_cmpuint(test.n_told, ==, 0);
        loop_run(test.loop);
        g_assert_cmpuint(test.since, ==, 6);
        end(&test);
}

static void *advance(void *data)
{
        Test *test = data;

        for (uint64_t i = 1; i <= 1000; i++)
                waiters_advance(test->waiters, i);
        return NULL;
}

static void wait_again(uint64_t since, void *data)
{
        Test *test = data;

        if (since == 999)
                loop_stop(test->loop);
        else
                waiters_wait(test->waiters, since + 1, clock_usec() + FAR_USEC, wait_again, test);
}

/* From another thread, to one who waits again whenever he is told. */
static void test_again(void)
{
        Test test;

        begin(&test, 0);
        waiters_wait(test.waiters, 0, clock_usec() + FAR_USEC, wait_again, &test);
        test.thread = g_thread_new("advance", advance, &test);
        loop_run(test.loop);
        g_thread_join(test.thread);
        end(&test);
}

static void test_deadline(void)
{
        Test test;

        begin(&test, 1);
        waiters_wait(test.waiters, 1, clock_usec() + FAR_USEC, on_told, &test);
        waiters_wait(test.waiters, 3, clock_usec() + 1000, on_told, &test);
        waiters_advance(test.waiters, 1); /* nothing new to either */
        loop_run(test.loop);
        g_assert_cmpuint(test.since, ==, 3);
        test.n_expected = 2;
        end(&test);
        g_assert_cmpuint(test.n_told, ==, 2); /* the other at the end */
}

/* The end comes while a look at those who wait is already due. */
static void test_end(void)
{
        Test test;

        begin(&test, 2);
        waiters_wait(test.waiters, 0, clock_usec() + FAR_USEC, on_told, &test);
        waiters_advance(test.waiters, 5);
        end(&test);
        g_assert_cmpuint(test.n_told, ==, 1);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/waiters/past", test_past);
        g_test_add_func("/waiters/again", test_again);
        g_test_add_func("/waiters/deadline", test_deadline);
        g_test_add_func("/waiters/end", test_end);
        return g_test_run();
}
