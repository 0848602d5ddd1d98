/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated host's memory: nobody gets what is not there, whoever is killed. */
#include "sim-memory.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#define TOTAL_KIB 1000

typedef struct Fixture {
        char *folder, *path;
        SimMemory *memory;
} Fixture;

static SimMemory *open_memory(const char *path, int64_t total_kib)
{
        char *error = NULL;
        SimMemory *memory = sim_memory_open(path, total_kib, &error);
        g_assert_cmpstr(error, ==, NULL);
        return memory;
}

static void setup(Fixture *f, gconstpointer data)
{
        f->folder = g_dir_make_tmp("sim-memory-XXXXXX", NULL);
        f->path = g_build_filename(f->folder, "memory", NULL);
        f->memory = open_memory(f->path, TOTAL_KIB);
}

static void teardown(Fixture *f, gconstpointer data)
{
        sim_memory_close(f->memory);
        g_unlink(f->path);
        g_rmdir(f->folder);
        g_free(f->path);
        g_free(f->folder);
}

static void add(Fixture *f, int64_t domid, int64_t kib, bool balloons)
{
        SimMemoryDomain domain = { .domid = domid, .static_max_kib = TOTAL_KIB, .balloons = balloons };
        int64_t free_kib;
        g_assert_cmpint(sim_memory_add(f->memory, &domain), ==, 0);
        g_assert_cmpint(sim_memory_take(f->memory, domid, kib, &free_kib), ==, 0);
}

static int64_t actual(Fixture *f, int64_t domid)
{
        SimMemoryDomain domain;
        g_assert_cmpint(sim_memory_get(f->memory, domid, &domain), ==, 0);
        return domain.actual_kib;
}

static void test_take(Fixture *f, gconstpointer data)
{
        int64_t free_kib;
        add(f, 1, 600, true);
        add(f, 2, 300, true);
        g_assert_cmpint(sim_memory_free_kib(f->memory), ==, 100);
        g_assert_cmpint(sim_memory_take(f->memory, 2, 401, &free_kib), ==, -ENOMEM);
        g_assert_cmpint(free_kib, ==, 100);
        g_assert_cmpint(sim_memory_take(f->memory, 2, 400, &free_kib), ==, 0);
        g_assert_cmpint(sim_memory_remove(f->memory, 1), ==, 0);
        g_assert_cmpint(sim_memory_free_kib(f->memory), ==, 600);
        g_assert_cmpint(sim_memory_remove(f->memory, 1), ==, -ESRCH);
        g_assert_cmpint(sim_memory_add(f->memory, &(SimMemoryDomain){ .domid = 2 }), ==, -EEXIST);
        /* The same place in the table: */
        g_assert_cmpint(sim_memory_add(f->memory, &(SimMemoryDomain){ .domid = 2 + SIM_MEMORY_DOMAINS }), ==,
                        -EEXIST);
        g_assert_cmpint(sim_memory_set_target(f->memory, 2 + SIM_MEMORY_DOMAINS, 1), ==, -ESRCH);
}

static void test_balloons(Fixture *f, gconstpointer data)
{
        add(f, 1, 600, true);
        add(f, 2, 300, false);
        sim_memory_set_target(f->memory, 1, 200);
        sim_memory_set_target(f->memory, 2, 200);
        g_assert_cmpint(actual(f, 1), ==, 200);
        g_assert_cmpint(actual(f, 2), ==, 300); /* does not */
        sim_memory_set_target(f->memory, 1, 900);
        g_assert_cmpint(actual(f, 1), ==, 700); /* as far as there is memory */
        g_assert_cmpint(sim_memory_free_kib(f->memory), ==, 0);
        sim_memory_set_guest(f->memory, 2, true, INT64_C(3600) * 1000000);
        g_assert_cmpint(actual(f, 2), ==, 300); /* not yet */
        sim_memory_set_guest(f->memory, 2, true, 0);
        g_assert_cmpint(actual(f, 2), ==, 200);
        g_assert_cmpint(actual(f, 1), ==, 800);
}

static void test_shared(Fixture *f, gconstpointer data)
{
        g_autofree SimMemoryDomain *list = NULL;
        SimMemory *other = open_memory(f->path, 0);
        add(f, 7, 10, true);
        g_assert_cmpint(sim_memory_total_kib(other), ==, TOTAL_KIB);
        g_assert_cmpuint(sim_memory_list(other, &list), ==, 1);
        g_assert_cmpint(list[0].domid, ==, 7);
        g_assert_cmpint(sim_memory_set_target(other, 7, 5), ==, 0);
        g_assert_cmpint(actual(f, 7), ==, 5);
        sim_memory_close(other);
        /* More memory is put in. */
        other = open_memory(f->path, 2 * TOTAL_KIB);
        g_assert_cmpint(sim_memory_free_kib(f->memory), ==, 2 * TOTAL_KIB - 5);
        sim_memory_close(other);
}

static void move_for_ever(Fixture *f)
{
        int64_t free_kib;
        for (int64_t i = 0;; i++) {
                sim_memory_take(f->memory, 1, i % TOTAL_KIB, &free_kib);
                sim_memory_set_target(f->memory, 1, (i * 7) % TOTAL_KIB);
        }
}

/* Whoever is killed with the table's lock, in the middle of a change, holds nobody up and loses nothing. */
static void test_killed(Fixture *f, gconstpointer data)
{
        add(f, 1, 0, true);
        for (unsigned i = 0; i < 50; i++) {
                pid_t pid = fork();
                if (pid == 0)
                        move_for_ever(f);
                g_assert_cmpint(pid, >, 0);
                SimMemoryDomain domain;
                do
                        g_assert_cmpint(sim_memory_get(f->memory, 1, &domain), ==, 0);
                while (domain.target_kib == 0);
                kill(pid, SIGKILL);
                g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
                g_assert_cmpint(actual(f, 1) + sim_memory_free_kib(f->memory), ==, TOTAL_KIB);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add("/sim-memory/take", Fixture, NULL, setup, test_take, teardown);
        g_test_add("/sim-memory/balloons", Fixture, NULL, setup, test_balloons, teardown);
        g_test_add("/sim-memory/shared", Fixture, NULL, setup, test_shared, teardown);
        g_test_add("/sim-memory/killed", Fixture, NULL, setup, test_killed, teardown);
        return g_test_run();
}
