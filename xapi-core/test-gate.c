/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include <glib.h>

#define AT_ONCE 2
#define IN_ALL  4

typedef struct World {
        Gate *gate;
        pthread_t threads[IN_ALL - AT_ONCE];
        atomic_int n_entered, n_stopped;
} World;

static void set_up(World *w, gconstpointer data)
{
        w->gate = gate_new(AT_ONCE, IN_ALL);
        for (int i = 0; i < AT_ONCE; i++)
                g_assert_cmpint(gate_enter(w->gate), ==, 0);
}

static void tear_down(World *w, gconstpointer data)
{
        gate_free(w->gate);
}

static void *enter(void *user)
{
        World *w = user;
        int r = gate_enter(w->gate);

        if (r == 0)
                w->n_entered++;
        else if (r == -ECANCELED)
                w->n_stopped++;
        return NULL;
}

static void fill(World *w)
{
        for (int i = 0; i < IN_ALL - AT_ONCE; i++)
                g_assert_cmpint(pthread_create(&w->threads[i], NULL, enter, w), ==, 0);
}

static void join(World *w)
{
        for (int i = 0; i < IN_ALL - AT_ONCE; i++)
                pthread_join(w->threads[i], NULL);
}

static void test_turns(World *w, gconstpointer data)
{
        fill(w);
        gate_leave(w->gate);
        while (w->n_entered < 1)
                sched_yield();
        gate_leave(w->gate);
        join(w);
        g_assert_cmpint(w->n_entered, ==, 2);
        for (int i = 0; i < AT_ONCE; i++)
                gate_leave(w->gate);
}

static void test_stop(World *w, gconstpointer data)
{
        fill(w);
        gate_stop(w->gate);
        join(w);
        g_assert_cmpint(w->n_stopped, ==, 2);
        for (int i = 0; i < AT_ONCE; i++)
                gate_leave(w->gate);
        g_assert_cmpint(gate_enter(w->gate), ==, -ECANCELED);
}

static void test_full(void)
{
        Gate *gate = gate_new(IN_ALL, IN_ALL);

        for (int i = 0; i < IN_ALL; i++)
                g_assert_cmpint(gate_enter(gate), ==, 0);
        g_assert_cmpint(gate_enter(gate), ==, -EBUSY);
        gate_leave(gate);
        g_assert_cmpint(gate_enter(gate), ==, 0);
        g_assert_cmpint(gate_enter(gate), ==, -EBUSY);
        for (int i = 0; i < IN_ALL; i++)
                gate_leave(gate);
        gate_free(gate);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add("/gate/turns", World, NULL, set_up, test_turns, tear_down);
        g_test_add("/gate/stop", World, NULL, set_up, test_stop, tear_down);
        g_test_add_func("/gate/full", test_full);
        return g_test_run();
}
