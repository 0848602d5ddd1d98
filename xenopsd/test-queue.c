/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include <glib.h>

/* What jobs did, in order. */
static GString *trace;
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int n_freed;

typedef struct TestJob {
        Job job;
        char mark;
        sem_t *begun, *go_on; /* NULL: it does not wait */
        atomic_bool overtaken;
} TestJob;

static void job_run(Job *job)
{
        TestJob *test = (TestJob *)job;
        if (test->begun)
                sem_post(test->begun);
        if (test->go_on)
                sem_wait(test->go_on);
        pthread_mutex_lock(&trace_lock);
        g_string_append_c(trace, test->mark);
        pthread_mutex_unlock(&trace_lock);
}

static void job_free(Job *job)
{
        g_free(job);
        atomic_fetch_add(&n_freed, 1);
}

/* Ends what waits. */
static void job_overtake(Job *job)
{
        TestJob *test = (TestJob *)job;
        if (!atomic_exchange(&test->overtaken, true))
                sem_post(test->go_on);
}

static int push_job(Queues *queues, const char *vm, char mark, Job job, sem_t *begun, sem_t *go_on)
{
        TestJob *test = g_new0(TestJob, 1);
        test->job = job;
        test->job.run = job_run;
        test->job.free = job_free;
        test->mark = mark;
        test->begun = begun;
        test->go_on = go_on;
        int r = queues_push(queues, vm, &test->job);
        if (r < 0)
                g_free(test);
        return r;
}

static int push(Queues *queues, const char *vm, char mark, bool urgent, sem_t *begun, sem_t *go_on,
                bool yields)
{
        Job job = { .urgent = urgent, .overtake = yields ? job_overtake : NULL };
        return push_job(queues, vm, mark, job, begun, go_on);
}

static void push_owed(Queues *queues, const char *vm, char mark)
{
        g_assert_cmpint(push_job(queues, vm, mark, (Job){ .owed = true }, NULL, NULL), ==, 0);
}

static void set_up(void)
{
        trace = g_string_new(NULL);
        atomic_store(&n_freed, 0);
}

static void finish(Queues *queues, Workers *workers, const char *expected)
{
        workers_free(workers);
        g_assert_cmpstr(trace->str, ==, expected);
        g_assert_cmpint(atomic_load(&n_freed), ==, (int)trace->len);
        g_assert_cmpuint(queues_length(queues), ==, 0);
        queues_free(queues);
        g_string_free(trace, TRUE);
}

static void test_order(void)
{
        set_up();
        Workers *workers = workers_new(8, 2);
        Queues *queues = queues_new(workers);
        sem_t begun, go_on;
        sem_init(&begun, 0, 0);
        sem_init(&go_on, 0, 0);
        push(queues, "vm", 'a', false, &begun, &go_on, false);
        sem_wait(&begun);
        push(queues, "vm", 'b', false, NULL, NULL, false);
        push(queues, "vm", 'c', false, NULL, NULL, false);
        push(queues, "vm", 'X', true, NULL, NULL, false);
        push(queues, "vm", 'Y', true, NULL, NULL, false);
        push(queues, "vm", 'd', false, NULL, NULL, false);
        g_assert_cmpuint(queues_length(queues), ==, 6);
        sem_post(&go_on);
        finish(queues, workers, "aXYbcd");
}

static void test_side_by_side(void)
{
        set_up();
        Workers *workers = workers_new(8, 2);
        Queues *queues = queues_new(workers);
        sem_t begun, go_on, other;
        sem_init(&begun, 0, 0);
        sem_init(&go_on, 0, 0);
        sem_init(&other, 0, 0);
        push(queues, "vm", 'a', false, &begun, &go_on, false);
        sem_wait(&begun);
        push(queues, "another", 'b', false, &other, NULL, false);
        sem_wait(&other); /* runs though the other VM's waits */
        while (queues_length(queues) > 1)
                g_usleep(100);
        sem_post(&go_on);
        finish(queues, workers, "ba");
}

static void test_overtake(void)
{
        set_up();
        Workers *workers = workers_new(8, 2);
        Queues *queues = queues_new(workers);
        sem_t begun, go_on;
        sem_init(&begun, 0, 0);
        sem_init(&go_on, 0, 0);
        push(queues, "vm", 'a', false, &begun, &go_on, true);
        sem_wait(&begun);
        push(queues, "vm", 'b', false, NULL, NULL, false);
        push(queues, "vm", 'X', true, NULL, NULL, false);
        finish(queues, workers, "aXb");
}

static void test_limit(void)
{
        set_up();
        Workers *workers = workers_new(1, 1);
        Queues *queues = queues_new(workers);
        sem_t begun, go_on;
        sem_init(&begun, 0, 0);
        sem_init(&go_on, 0, 0);
        push(queues, "vm", 'a', false, &begun, &go_on, false);
        sem_wait(&begun);
        for (unsigned i = 0; i < QUEUE_JOBS_MAX; i++)
                g_assert_cmpint(push(queues, "vm", 'b', false, NULL, NULL, false), ==, 0);
        g_assert_cmpint(push(queues, "vm", 'c', false, NULL, NULL, false), ==, -EAGAIN);
        g_assert_cmpint(push(queues, "vm", 'X', true, NULL, NULL, false), ==, 0);
        /* No thread for another VM, but for an urgent one. */
        g_assert_cmpint(push(queues, "another", 'd', false, NULL, NULL, false), ==, -EAGAIN);
        sem_t urgent;
        sem_init(&urgent, 0, 0);
        g_assert_cmpint(push(queues, "another", 'U', true, &urgent, NULL, false), ==, 0);
        sem_wait(&urgent);
        while (queues_length(queues) > QUEUE_JOBS_MAX + 2)
                g_usleep(100);
        sem_post(&go_on);
        g_autofree char *many = g_strnfill(QUEUE_JOBS_MAX, 'b');
        g_autofree char *expected = g_strdup_printf("UaX%s", many);
        finish(queues, workers, expected);
}

/* What nobody would ask for again is done, however much there is to do. */
static void test_owed(void)
{
        set_up();
        Workers *workers = workers_new(1, 1);
        Queues *queues = queues_new(workers);
        sem_t begun, go_on, urgent;
        sem_init(&begun, 0, 0);
        sem_init(&go_on, 0, 0);
        sem_init(&urgent, 0, 0);
        push(queues, "vm", 'a', false, &begun, &go_on, false);
        sem_wait(&begun);
        push_owed(queues, "another", 'b');
        push_owed(queues, "third", 'c');
        push_owed(queues, "fourth", 'd');
        queues_kick(queues); /* no thread is free yet */
        /* An urgent one brings its VM's queue a thread; that then sees to the others. */
        g_assert_cmpint(push(queues, "third", 'U', true, &urgent, NULL, false), ==, 0);
        sem_wait(&urgent);
        while (queues_length(queues) > 1)
                g_usleep(100);
        for (unsigned i = 0; i < QUEUE_JOBS_MAX; i++)
                push(queues, "vm", 'e', false, NULL, NULL, false);
        push_owed(queues, "vm", 'f');
        push_owed(queues, "fifth", 'g');
        sem_post(&go_on);
        g_autofree char *many = g_strnfill(QUEUE_JOBS_MAX, 'e');
        g_autofree char *expected = g_strdup_printf("Ucbda%sfg", many);
        finish(queues, workers, expected);
}

static void wait_for(void *data)
{
        sem_wait(data);
}

static void test_kick(void)
{
        set_up();
        Workers *workers = workers_new(1, 1);
        Queues *queues = queues_new(workers);
        sem_t go_on;
        sem_init(&go_on, 0, 0);
        g_assert_true(workers_run(workers, false, wait_for, &go_on)); /* nothing of the queues' */
        push_owed(queues, "vm", 'a');
        push_owed(queues, "another", 'b');
        queues_kick(queues);
        g_assert_cmpuint(queues_length(queues), ==, 2);
        sem_post(&go_on);
        while (workers_busy(workers) > 0)
                g_usleep(100);
        queues_kick(queues);
        finish(queues, workers, "ab");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/queue/order", test_order);
        g_test_add_func("/queue/side-by-side", test_side_by_side);
        g_test_add_func("/queue/overtake", test_overtake);
        g_test_add_func("/queue/limit", test_limit);
        g_test_add_func("/queue/owed", test_owed);
        g_test_add_func("/queue/kick", test_kick);
        return g_test_run();
}
