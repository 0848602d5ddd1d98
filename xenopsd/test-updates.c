/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "updates.h"

#include <errno.h>
#include <stdio.h>

#include <glib.h>

typedef struct Test {
        Loop *loop;
        Updates *updates;
        GString *got; /* "vm:a vbd:a/0 | next call" */
        uint64_t next;
        unsigned n_calls;
        bool running;
} Test;

static void set_up(Test *test)
{
        *test = (Test){ .loop = loop_new(), .got = g_string_new(NULL) };
        test->updates = updates_new(test->loop);
}

static void tear_down(Test *test)
{
        updates_free(test->updates);
        loop_free(test->loop);
        g_string_free(test->got, TRUE);
}

static void on_batch(UpdateBatch *batch, void *data)
{
        static const char *const kinds[] = { "vm", "vbd", "vif", "pci", "vgpu", "vusb", "task" };
        Test *test = data;
        for (size_t i = 0; i < batch->n_ids; i++) {
                const UpdateId *id = &batch->ids[i];
                g_string_append_printf(test->got, "%s:%s%s%s ", kinds[id->kind], id->id,
                                       id->device ? "/" : "", id->device ? id->device : "");
        }
        for (size_t i = 0; i < batch->n_barriers; i++)
                g_string_append_printf(test->got, "barrier:%d(%zu) ", (int)batch->barriers[i].id,
                                       batch->barriers[i].n_ids);
        test->next = batch->next;
        test->n_calls++;
        update_batch_clear(batch);
        if (test->running)
                loop_stop(test->loop);
}

/* What happened since `since`, waited for at most so long. */
static const char *get(Test *test, uint64_t since, uint64_t usec)
{
        g_string_truncate(test->got, 0);
        updates_wait(test->updates, since, clock_usec() + usec, on_batch, test);
        test->running = true;
        loop_run(test->loop);
        test->running = false;
        return test->got->str;
}

#define LONG (60u * 1000000u)

static void test_latest_only(void)
{
        Test test;
        set_up(&test);
        uint64_t begin = updates_last(test.updates);
        g_assert_cmpuint(begin, >, 1600000000000000u); /* the clock's */
        updates_add(test.updates, UPDATE_VM, "a", NULL);
        updates_add(test.updates, UPDATE_VBD, "a", "0");
        updates_add(test.updates, UPDATE_VM, "b", NULL);
        updates_add(test.updates, UPDATE_VM, "a", NULL);
        g_assert_cmpstr(get(&test, begin, LONG), ==, "vbd:a/0 vm:b vm:a ");
        g_assert_cmpuint(test.next, ==, begin + 4);
        updates_add(test.updates, UPDATE_VM, "b", NULL);
        g_assert_cmpstr(get(&test, test.next, LONG), ==, "vm:b ");
        g_assert_cmpstr(get(&test, 0, LONG), ==, "vbd:a/0 vm:a vm:b ");
        /* A number that was never given out, of a clock that went back: everything. */
        g_assert_cmpstr(get(&test, test.next + 1000, LONG), ==, "vbd:a/0 vm:a vm:b ");
        tear_down(&test);
}

static void *add_later(void *data)
{
        updates_add(((Test *)data)->updates, UPDATE_VM, "late", NULL);
        return NULL;
}

static void test_waits(void)
{
        Test test;
        pthread_t thread;
        set_up(&test);
        g_assert_cmpstr(get(&test, updates_last(test.updates), 1000), ==, "");
        g_assert_cmpuint(test.next, ==, updates_last(test.updates));
        pthread_create(&thread, NULL, add_later, &test);
        g_assert_cmpstr(get(&test, test.next, LONG), ==, "vm:late ");
        pthread_join(thread, NULL);
        tear_down(&test);
}

static void test_gone(void)
{
        Test test;
        char name[16];
        set_up(&test);
        uint64_t begin = updates_last(test.updates);
        updates_add(test.updates, UPDATE_VM, "a", NULL);
        updates_add(test.updates, UPDATE_TASK, "t", NULL);
        updates_gone(test.updates, UPDATE_VM, "a", NULL);
        updates_forget(test.updates, UPDATE_TASK, "t", NULL);
        g_assert_cmpstr(get(&test, begin, LONG), ==, "vm:a ");
        for (unsigned i = 1; i < UPDATES_GONE_MAX; i++) {
                g_snprintf(name, sizeof name, "g%u", i);
                updates_gone(test.updates, UPDATE_VM, name, NULL);
        }
        g_assert_true(g_str_has_prefix(get(&test, begin, LONG), "vm:a vm:g1 "));
        updates_gone(test.updates, UPDATE_VM, "one-more", NULL);
        g_assert_true(g_str_has_prefix(get(&test, begin, LONG), "vm:g1 "));
        /* What came back is not among the gone. */
        updates_add(test.updates, UPDATE_VM, "g1", NULL);
        updates_gone(test.updates, UPDATE_VM, "another", NULL);
        g_assert_true(g_str_has_prefix(get(&test, begin, LONG), "vm:g2 "));
        tear_down(&test);
}

static void test_barriers(void)
{
        Test test;
        set_up(&test);
        uint64_t begin = updates_last(test.updates);
        UpdateId device = { UPDATE_VIF, (char *)"a", (char *)"0" };
        updates_add(test.updates, UPDATE_VM, "a", NULL);
        g_assert_cmpint(updates_inject_barrier(test.updates, 7, "a", 1, &device), ==, 0);
        g_assert_cmpstr(get(&test, begin, LONG), ==, "vm:a barrier:7(2) ");
        updates_remove_barrier(test.updates, 7);
        g_assert_cmpstr(get(&test, begin, LONG), ==, "vm:a ");
        for (unsigned i = 0; i < UPDATES_BARRIERS_MAX; i++)
                g_assert_cmpint(updates_inject_barrier(test.updates, i, "a", 0, NULL), ==, 0);
        g_assert_cmpint(updates_inject_barrier(test.updates, -1, "a", 0, NULL), ==, -ENOSPC);
        g_assert_cmpint(updates_inject_barrier(test.updates, 1, "a", 0, NULL), ==, 0); /* again */
        tear_down(&test);
}

static void test_free_answers(void)
{
        Test test;
        set_up(&test);
        updates_wait(test.updates, updates_last(test.updates), UINT64_MAX, on_batch, &test);
        updates_free(test.updates);
        loop_free(test.loop);
        g_assert_cmpuint(test.n_calls, ==, 1);
        g_string_free(test.got, TRUE);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/updates/latest-only", test_latest_only);
        g_test_add_func("/updates/waits", test_waits);
        g_test_add_func("/updates/gone", test_gone);
        g_test_add_func("/updates/barriers", test_barriers);
        g_test_add_func("/updates/free-answers", test_free_answers);
        return g_test_run();
}
