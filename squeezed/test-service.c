/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* squeezed as a process, over a switch, on a simulated host: killed and started again while it is used. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "idl/bus/memory.h"
#include "message-switch/test-switch.h"
#include "sim-memory.h"

#define MIB_KIB   1024
#define TOTAL_MIB 1000
#define NEVER     (INT64_C(3600) * 1000000)

typedef struct Fixture {
        TestSwitch *bus;
        TestClient *client;
        Bus *to;
        char *scratch, *config;
        SimMemory *memory;
        pid_t pid;
} Fixture;

static void start(Fixture *f)
{
        MemoryError *error = NULL;
        int64_t kib;

        f->pid = fork();
        if (f->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                execl(g_getenv("SQUEEZED"), "squeezed", "--config", f->config, "--state", f->scratch,
                      "--runtime", f->scratch, "--switch-path", f->bus->path, "--log-level", "error", NULL);
                _exit(127);
        }
        while (!memory_get_host_reserved_memory(f->to, 0, "", &kib, &error)) {
                g_assert_cmpint(error->tag, ==, MEMORY_ERROR_FAILURE);
                g_clear_pointer(&error, memory_error_free);
                usleep(1000);
        }
}

static void stop(Fixture *f, int signal_number)
{
        int status;

        kill(f->pid, signal_number);
        g_assert_cmpint(waitpid(f->pid, &status, 0), ==, f->pid);
        if (signal_number == SIGTERM)
                g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void setup(Fixture *f, gconstpointer data)
{
        char *error = NULL;
        g_autofree char *path = NULL, *text = NULL;

        f->bus = test_switch_new(NULL, 2000);
        f->client = test_client_new(f->bus, "test");
        f->to = test_client_bus(f->client);
        f->scratch = g_dir_make_tmp("test-squeezed-XXXXXX", NULL);
        f->config = g_build_filename(f->scratch, "config", NULL);
        text = g_strdup_printf(
            "[daemon]\nbackend=simulator\nreserved-mib=10\nballoon-timeout-ms=%d\ninterval-ms=10\n",
            data ? *(const int *)data : 50);
        g_assert_true(g_file_set_contents(f->config, text, -1, NULL));
        path = g_build_filename(f->scratch, "xenopsd", "simulator", "memory", NULL);
        f->memory = sim_memory_open(path, TOTAL_MIB * MIB_KIB, &error);
        g_assert_cmpstr(error, ==, NULL);
        start(f);
}

static void teardown(Fixture *f, gconstpointer data)
{
        g_autofree char *command = g_strdup_printf("rm -r '%s'", f->scratch);

        stop(f, SIGTERM);
        sim_memory_close(f->memory);
        test_client_free(f->client);
        test_switch_free(f->bus);
        g_assert_cmpint(system(command), ==, 0);
        g_free(f->config);
        g_free(f->scratch);
}

#define OK(call)                                                                                             \
        do {                                                                                                 \
                MemoryError *error = NULL;                                                                   \
                if (!(call))                                                                                 \
                        g_error("%s", memory_error_text(error));                                             \
        } while (0)

/* ... and what the error carries is what `check`, an expression of `error`, says. */
#define FAILS_WITH(wanted, check, call)                                                                      \
        do {                                                                                                 \
                MemoryError *error = NULL;                                                                   \
                g_assert_false(call);                                                                        \
                g_assert_cmpint(error->tag, ==, wanted);                                                     \
                g_assert_true(check);                                                                        \
                memory_error_free(error);                                                                    \
        } while (0)
#define FAILS(wanted, call) FAILS_WITH(wanted, true, call)

/* A guest that runs. */
static void add_guest(Fixture *f, int64_t domid, int64_t mib, int64_t min_mib, int64_t max_mib, bool balloons)
{
        SimMemoryDomain domain = { .domid = domid,
                                   .static_max_kib = max_mib * MIB_KIB,
                                   .dynamic_min_kib = min_mib * MIB_KIB,
                                   .dynamic_max_kib = max_mib * MIB_KIB,
                                   .balloons = balloons,
                                   .ran = true };
        int64_t free_kib;
        g_assert_cmpint(sim_memory_add(f->memory, &domain), ==, 0);
        g_assert_cmpint(sim_memory_take(f->memory, domid, mib * MIB_KIB, &free_kib), ==, 0);
}

static int64_t actual_mib(Fixture *f, int64_t domid)
{
        SimMemoryDomain domain;
        g_assert_cmpint(sim_memory_get(f->memory, domid, &domain), ==, 0);
        return domain.actual_kib / MIB_KIB;
}

static MemoryReservation reserve(Fixture *f, const char *dbg, int64_t min_mib, int64_t max_mib)
{
        MemoryReservation reservation;
        OK(memory_reserve_memory_range(f->to, NULL, 0, dbg, "s", min_mib * MIB_KIB, max_mib * MIB_KIB,
                                       &reservation, &error));
        return reservation;
}

static void test_figures(Fixture *f, gconstpointer data)
{
        MemoryDomainZeroPolicy policy;
        MemoryHostMemory memory;
        int64_t value;
        char *text;

        OK(memory_get_host_reserved_memory(f->to, 0, "", &value, &error));
        g_assert_cmpint(value, ==, 10 * MIB_KIB);
        OK(memory_get_host_initial_free_memory(f->to, 0, "", &value, &error));
        g_assert_cmpint(value, ==, INT64_C(1000) << 20);
        OK(memory_get_domain_zero_policy(f->to, 0, "", &policy, &error));
        g_assert_cmpint(policy.tag, ==, MEMORY_DOMAIN_ZERO_POLICY_FIXED_SIZE);
        add_guest(f, 7, 100, 100, 100, true);
        OK(memory_get_host_memory(f->to, 0, "", &memory, &error));
        g_assert_cmpint(memory.total_kib, ==, TOTAL_MIB * MIB_KIB);
        g_assert_cmpint(memory.free_kib, ==, 900 * MIB_KIB);
        OK(memory_get_diagnostics(f->to, 0, "", &text, &error));
        g_assert_nonnull(strstr(text, "domain 7: has 102400 KiB, target 102400, between 102400 and 102400"));
        free(text);
        /* What was free at first is so still for one that comes later. */
        stop(f, SIGKILL);
        start(f);
        OK(memory_get_host_initial_free_memory(f->to, 0, "", &value, &error));
        g_assert_cmpint(value, ==, INT64_C(1000) << 20);
}

/* From a reservation to a domain, squeezed being killed at each step. */
static void test_life(Fixture *f, gconstpointer data)
{
        MemoryReservation reservation;
        int64_t free_kib;
        char *id;

        OK(memory_login(f->to, NULL, 0, "", "s", &id, &error));
        g_assert_cmpstr(id, ==, "s");
        free(id);
        reservation = reserve(f, "", 600, 700);
        g_assert_cmpint(reservation.kib, ==, 700 * MIB_KIB);
        stop(f, SIGKILL);
        start(f);
        FAILS_WITH(MEMORY_ERROR_CANNOT_FREE_THIS_MUCH_MEMORY,
                   error->cannot_free_this_much_memory.needed_kib == 291 * MIB_KIB &&
                       error->cannot_free_this_much_memory.free_kib == 290 * MIB_KIB,
                   memory_reserve_memory(f->to, 0, "", "s", 291 * MIB_KIB, &id, &error));

        FAILS(MEMORY_ERROR_INTERNAL_ERROR,
              memory_transfer_reservation_to_domain(f->to, NULL, 0, "", "s", reservation.id, 5, &error));
        FAILS(MEMORY_ERROR_UNKNOWN_RESERVATION,
              memory_transfer_reservation_to_domain(f->to, NULL, 0, "", "s", "none", 5, &error));
        SimMemoryDomain domain = { .domid = 5,
                                   .dynamic_min_kib = 600 * MIB_KIB,
                                   .dynamic_max_kib = 700 * MIB_KIB,
                                   .balloons = true };
        g_assert_cmpint(sim_memory_add(f->memory, &domain), ==, 0);
        OK(memory_transfer_reservation_to_domain(f->to, NULL, 0, "", "s", reservation.id, 5, &error));
        stop(f, SIGKILL);
        start(f);
        OK(memory_query_reservation_of_domain(f->to, 0, "", "s", 5, &id, &error));
        g_assert_cmpstr(id, ==, reservation.id);
        free(id);
        /* A new session takes nothing from a domain that is being built. */
        OK(memory_login(f->to, NULL, 0, "", "s", &id, &error));
        free(id);
        FAILS(MEMORY_ERROR_CANNOT_FREE_THIS_MUCH_MEMORY,
              memory_reserve_memory(f->to, 0, "", "s", 291 * MIB_KIB, &id, &error));
        g_assert_cmpint(sim_memory_take(f->memory, 5, 700 * MIB_KIB, &free_kib), ==, 0);
        g_assert_cmpint(sim_memory_set_ran(f->memory, 5), ==, 0);
        /* 100 of it can be squeezed out now. */
        OK(memory_reserve_memory(f->to, 0, "", "s", 390 * MIB_KIB, &id, &error));
        free(id);
        g_assert_cmpint(actual_mib(f, 5), ==, 600);
        g_assert_cmpint(sim_memory_remove(f->memory, 5), ==, 0);
        OK(memory_balance_memory(f->to, NULL, 0, "", &error));
        FAILS(MEMORY_ERROR_NO_RESERVATION,
              memory_query_reservation_of_domain(f->to, 0, "", "s", 5, &id, &error));
        free(reservation.id);
}

static void test_login_reclaims(Fixture *f, gconstpointer data)
{
        MemoryReservation reservation = reserve(f, "", 990, 990);
        char *id;

        /* Another's session does not. */
        OK(memory_login(f->to, NULL, 0, "", "other", &id, &error));
        free(id);
        OK(memory_delete_reservation(f->to, NULL, 0, "", "other", reservation.id, &error));
        FAILS(MEMORY_ERROR_CANNOT_FREE_THIS_MUCH_MEMORY,
              memory_reserve_memory(f->to, 0, "", "s", 1, &id, &error));
        OK(memory_login(f->to, NULL, 0, "", "s", &id, &error));
        free(id);
        free(reservation.id);
        reservation = reserve(f, "", 990, 990);
        OK(memory_delete_reservation(f->to, NULL, 0, "", "s", reservation.id, &error));
        OK(memory_delete_reservation(f->to, NULL, 0, "", "s", reservation.id,
                                     &error)); /* it is gone, as was wanted */
        free(reservation.id);
        reservation = reserve(f, "", 990, 990);
        free(reservation.id);
}

/* The same operation's repeat has the same reservation, so that none is left over where the first answer was lost. */
static void test_repeat(Fixture *f, gconstpointer data)
{
        MemoryReservation one = reserve(f, "VM.start\nvm-1", 600, 600);
        stop(f, SIGKILL);
        start(f);
        MemoryReservation two = reserve(f, "VM.start\nvm-1", 500, 700), three;
        g_assert_cmpstr(one.id, ==, two.id);
        /* Where it does not fit what is asked for now, it is given back first. */
        three = reserve(f, "VM.start\nvm-1", 900, 900);
        g_assert_cmpstr(three.id, !=, two.id);
        free(one.id);
        free(two.id);
        free(three.id);
}

static void test_bad_values(Fixture *f, gconstpointer data)
{
        g_autofree char *long_name = g_strnfill(257, 'x');
        MemoryReservation reservation;
        char *id;

        FAILS_WITH(MEMORY_ERROR_INVALID_MEMORY_VALUE, error->invalid_memory_value == -1,
                   memory_reserve_memory(f->to, 0, "", "s", -1, &id, &error));
        FAILS(MEMORY_ERROR_INVALID_MEMORY_VALUE,
              memory_reserve_memory_range(f->to, NULL, 0, "", "s", 2, 1, &reservation, &error));
        FAILS(MEMORY_ERROR_INVALID_MEMORY_VALUE,
              memory_reserve_memory(f->to, 0, "", "s", INT64_MAX, &id, &error));
        OK(memory_reserve_memory(f->to, 0, "", long_name + 1, 1, &id, &error));
        free(id);
        FAILS(MEMORY_ERROR_INTERNAL_ERROR, memory_reserve_memory(f->to, 0, "", long_name, 1, &id, &error));
}

static void test_too_many(Fixture *f, gconstpointer data)
{
        char *id;

        for (unsigned i = 0; i < 4096; i++) {
                OK(memory_reserve_memory(f->to, 0, "", "s", 1, &id, &error));
                free(id);
        }
        FAILS(MEMORY_ERROR_INTERNAL_ERROR, memory_reserve_memory(f->to, 0, "", "s", 1, &id, &error));
        OK(memory_login(f->to, NULL, 0, "", "s", &id, &error));
        free(id);
        OK(memory_reserve_memory(f->to, 0, "", "s", 990 * MIB_KIB, &id, &error));
        free(id);
}

static void test_squeezes(Fixture *f, gconstpointer data)
{
        add_guest(f, 1, 400, 200, 400, true);
        add_guest(f, 2, 400, 200, 400, true);
        sim_memory_set_guest(f->memory, 1, true, 30000);
        sim_memory_set_guest(f->memory, 2, true, 5000);
        MemoryReservation reservation = reserve(f, "", 500, 500);
        g_assert_cmpint(actual_mib(f, 1), >=, 200);
        g_assert_cmpint(actual_mib(f, 1) + actual_mib(f, 2), <=, 490);
        OK(memory_delete_reservation(f->to, NULL, 0, "", "s", reservation.id, &error));
        OK(memory_balance_memory(f->to, NULL, 0, "", &error));
        g_assert_cmpint(actual_mib(f, 1), ==, 400);
        g_assert_cmpint(actual_mib(f, 2), ==, 400);
        free(reservation.id);
}

static void test_refuses(Fixture *f, gconstpointer data)
{
        MemoryReservation reservation;

        add_guest(f, 1, 400, 100, 400, true);
        add_guest(f, 2, 500, 100, 500, false);
        FAILS_WITH(MEMORY_ERROR_DOMAINS_REFUSED_TO_COOPERATE,
                   error->domains_refused_to_cooperate.n == 1 &&
                       error->domains_refused_to_cooperate.items[0] == 2,
                   memory_reserve_memory_range(f->to, NULL, 0, "", "s", 600 * MIB_KIB, 600 * MIB_KIB,
                                               &reservation, &error));
        /* What the others have can be had, and more than that cannot, whatever anybody does. */
        reservation = reserve(f, "", 390, 600);
        g_assert_cmpint(reservation.kib, ==, 390 * MIB_KIB);
        free(reservation.id);
        FAILS(MEMORY_ERROR_CANNOT_FREE_THIS_MUCH_MEMORY,
              memory_reserve_memory_range(f->to, NULL, 0, "", "s", 900 * MIB_KIB, 900 * MIB_KIB, &reservation,
                                          &error));
}

/* A caller that goes, and a guest that never moves, hold nobody else up. */
static void test_deadline(Fixture *f, gconstpointer data)
{
        MemoryReservation reservation;
        MemoryError *error = NULL;

        add_guest(f, 1, 900, 100, 900, true);
        sim_memory_set_guest(f->memory, 1, true, NEVER);
        g_assert_false(memory_reserve_memory_range(f->to, NULL, 300000, "", "s", 600 * MIB_KIB, 600 * MIB_KIB,
                                                   &reservation, &error));
        /* Either end may be the first to notice that the time is over. */
        g_assert_true(error->tag == MEMORY_ERROR_FAILURE || error->tag == MEMORY_ERROR_INTERNAL_ERROR);
        memory_error_free(error);
        reservation = reserve(f, "", 90, 90);
        free(reservation.id);
}

/* Who gives up, and asks for nothing instead, leaves nothing reserved, whether or not it was being done. */
static void test_given_up(Fixture *f, gconstpointer data)
{
        for (int round = 0; round < 100; round++) {
                MemoryReservation reservation;
                MemoryError *given_up = NULL;
                Cancel cancel;
                char *text;

                cancel_init(&cancel);
                cancel_ask(&cancel);
                /* Unless the answer was faster. */
                if (memory_reserve_memory_range(f->to, &cancel, 0, "start\nvm", "s", MIB_KIB, 2 * MIB_KIB,
                                                &reservation, &given_up))
                        free(reservation.id);
                else
                        g_assert_cmpint(memory_error_failure(given_up)->outcome, ==, BUS_CANCELLED);
                memory_error_free(given_up);
                cancel_destroy(&cancel);
                OK(memory_reserve_memory_range(f->to, NULL, 0, "undo\nvm", "s", 0, 0, &reservation, &error));
                OK(memory_delete_reservation(f->to, NULL, 0, "", "s", reservation.id, &error));
                OK(memory_get_diagnostics(f->to, 0, "", &text, &error));
                g_assert_null(strstr(text, "\nreservation "));
                free(text);
                free(reservation.id);
        }
}

typedef struct Taker {
        Fixture *f;
        int64_t kib;
} Taker;

static void *take_many(void *data)
{
        Taker *taker = data;
        for (unsigned i = 0; i < 40; i++) {
                MemoryReservation reservation;
                MemoryError *failed = NULL;
                if (!memory_reserve_memory_range(taker->f->to, NULL, 0, "", "s", 10 * MIB_KIB, 200 * MIB_KIB,
                                                 &reservation, &failed)) {
                        g_assert_cmpint(failed->tag, ==, MEMORY_ERROR_CANNOT_FREE_THIS_MUCH_MEMORY);
                        memory_error_free(failed);
                        continue;
                }
                taker->kib += reservation.kib;
                if (i % 2) {
                        OK(memory_delete_reservation(taker->f->to, NULL, 0, "", "s", reservation.id, &error));
                        taker->kib -= reservation.kib;
                }
                free(reservation.id);
        }
        return NULL;
}

/* Many at a time never get more than there is. */
static void test_many(Fixture *f, gconstpointer data)
{
        enum { N = 8 };
        pthread_t threads[N];
        Taker takers[N];
        int64_t kib = 0;

        add_guest(f, 1, 400, 200, 400, true);
        sim_memory_set_guest(f->memory, 1, true, 500);
        for (int i = 0; i < N; i++) {
                takers[i] = (Taker){ f, 0 };
                pthread_create(&threads[i], NULL, take_many, &takers[i]);
        }
        for (int i = 0; i < N; i++) {
                pthread_join(threads[i], NULL);
                kib += takers[i].kib;
        }
        g_assert_cmpint(kib, >, 0);
        g_assert_cmpint(kib + actual_mib(f, 1) * MIB_KIB, <=, (TOTAL_MIB - 10) * MIB_KIB);
}

int main(int argc, char **argv)
{
        static const int patient_ms = 60000;

        g_test_init(&argc, &argv, NULL);
        g_test_add("/squeezed/figures", Fixture, NULL, setup, test_figures, teardown);
        g_test_add("/squeezed/life", Fixture, NULL, setup, test_life, teardown);
        g_test_add("/squeezed/login-reclaims", Fixture, NULL, setup, test_login_reclaims, teardown);
        g_test_add("/squeezed/repeat", Fixture, NULL, setup, test_repeat, teardown);
        g_test_add("/squeezed/bad-values", Fixture, NULL, setup, test_bad_values, teardown);
        g_test_add("/squeezed/too-many", Fixture, NULL, setup, test_too_many, teardown);
        g_test_add("/squeezed/squeezes", Fixture, &patient_ms, setup, test_squeezes, teardown);
        g_test_add("/squeezed/refuses", Fixture, NULL, setup, test_refuses, teardown);
        g_test_add("/squeezed/deadline", Fixture, &patient_ms, setup, test_deadline, teardown);
        g_test_add("/squeezed/given-up", Fixture, NULL, setup, test_given_up, teardown);
        g_test_add("/squeezed/many", Fixture, &patient_ms, setup, test_many, teardown);
        return g_test_run();
}
