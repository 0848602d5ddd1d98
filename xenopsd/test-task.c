/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task.h"

#include <string.h>

#include <glib.h>

#include "message-switch/lib/service.h"
#include "steps.h"

typedef struct Test {
        Loop *loop;
        Updates *updates;
        Tasks *tasks;
} Test;

static void set_up(Test *test)
{
        test->loop = loop_new();
        test->updates = updates_new(test->loop);
        test->tasks = tasks_new(test->updates);
}

static void tear_down(Test *test)
{
        tasks_free(test->tasks);
        updates_free(test->updates);
        loop_free(test->loop);
}

static void test_operation_id(void)
{
        char longest[SERVICE_OPERATION_ID_MAX + 3];
        g_assert_null(service_operation_id(""));
        g_assert_null(service_operation_id("Async.VM.start"));
        g_assert_null(service_operation_id("Async.VM.start\n"));
        g_assert_null(service_operation_id("Async.VM.start\n{\"traceparent\":\"00-1\"}"));
        g_assert_null(
            service_operation_id("Async.VM.start\n00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        g_assert_cmpstr(service_operation_id("Async.VM.start\nid"), ==, "id");
        memset(longest, 'x', sizeof longest);
        longest[0] = '\n';
        longest[SERVICE_OPERATION_ID_MAX + 1] = '\0';
        g_assert_nonnull(service_operation_id(longest));
        longest[SERVICE_OPERATION_ID_MAX + 1] = 'x';
        longest[SERVICE_OPERATION_ID_MAX + 2] = '\0';
        g_assert_null(service_operation_id(longest));
}

static void test_repeat(void)
{
        Test test;
        bool repeat;
        set_up(&test);
        Task *a = tasks_begin(test.tasks, "start\nop", &repeat);
        g_assert_false(repeat);
        Task *b = tasks_begin(test.tasks, "start, once more\nop", &repeat);
        g_assert_true(repeat);
        g_assert_true(a == b);
        task_unref(b);
        task_end(a, NULL);
        b = tasks_begin(test.tasks, "start\nop", &repeat);
        g_assert_true(repeat);
        task_unref(b);
        g_assert_true(tasks_destroy(test.tasks, task_id(a)));
        b = tasks_begin(test.tasks, "start\nop", &repeat);
        g_assert_false(repeat);
        task_end(b, NULL);
        task_unref(b);
        task_unref(a);
        tear_down(&test);
}

static void test_destroy(void)
{
        Test test;
        bool repeat;
        set_up(&test);
        g_assert_false(tasks_destroy(test.tasks, "none"));
        Task *task = tasks_begin(test.tasks, "a", &repeat);
        g_autofree char *id = g_strdup(task_id(task));
        g_assert_true(tasks_destroy(test.tasks, id));
        Task *found = tasks_find(test.tasks, id);
        g_assert_true(found == task);
        task_unref(found);
        task_end(task, NULL);
        g_assert_null(tasks_find(test.tasks, id));
        task_unref(task);
        tear_down(&test);
}

static void test_limit(void)
{
        Test test;
        bool repeat;
        size_t n;
        set_up(&test);
        g_autofree char *first = NULL, *second = NULL;
        Task *pending = tasks_begin(test.tasks, "pending", &repeat);
        for (unsigned i = 0; i <= TASKS_ENDED_MAX; i++) {
                Task *task = tasks_begin(test.tasks, "a", &repeat);
                if (i == 0)
                        first = g_strdup(task_id(task));
                if (i == 1)
                        second = g_strdup(task_id(task));
                task_end(task, NULL);
                task_unref(task);
                Task *oldest = tasks_find(test.tasks, first);
                g_assert_true((oldest != NULL) == (i < TASKS_ENDED_MAX));
                task_unref(oldest);
        }
        Task *next = tasks_find(test.tasks, second);
        g_assert_nonnull(next);
        task_unref(next);
        g_autofree TaskStat *stats = tasks_list(test.tasks, &n);
        g_assert_cmpuint(n, ==, TASKS_ENDED_MAX + 1);
        for (size_t i = 0; i < n; i++)
                task_stat_clear(&stats[i]);
        task_end(pending, NULL);
        task_unref(pending);
        tear_down(&test);
}

/* ---- steps ---- */

typedef struct Trace {
        GString *text;
        int fail_at; /* index of the step; -1: none */
        int cancel_at;
        Task *task;
} Trace;

static bool step_run(void *context, const void *item, XenopsError **error)
{
        Trace *trace = context;
        int index = *(const char *)item - 'a';
        if (index == trace->cancel_at)
                cancel_ask(task_cancel(trace->task));
        if (index == trace->fail_at)
                return xenops_fail_internal(error, "step %d", index);
        g_string_append_c(trace->text, *(const char *)item);
        return true;
}

static void step_undo(void *context, const void *item)
{
        g_string_append_c(((Trace *)context)->text, g_ascii_toupper(*(const char *)item));
}

/* Runs a, b (which cannot be undone), c, d. */
static char *run_steps(Test *test, int fail_at, int cancel_at, XenopsErrorTag *ret_tag)
{
        bool repeat;
        auto_steps steps = { 0 };
        Trace trace = { g_string_new(NULL), fail_at, cancel_at, tasks_begin(test->tasks, "steps", &repeat) };
        XenopsError *error = NULL;
        for (const char *name = "abcd"; *name; name++)
                steps_add(&steps, &(Step){ "step", step_run, *name == 'b' ? NULL : step_undo, name });
        bool good = steps_run(&steps, &trace, trace.task, &error);
        g_assert_true(good == !error);
        *ret_tag = error ? error->tag : XENOPS_ERROR_UNKNOWN_ERROR;
        task_end(trace.task, error);
        task_unref(trace.task);
        return g_string_free(trace.text, FALSE);
}

static void test_steps(void)
{
        static const char *const failing[] = { "", "aA", "abA", "abcCA" };
        Test test;
        XenopsErrorTag tag;
        set_up(&test);
        g_autofree char *all = run_steps(&test, -1, -1, &tag);
        g_assert_cmpstr(all, ==, "abcd");
        for (int i = 0; i < 4; i++) {
                g_autofree char *text = run_steps(&test, i, -1, &tag);
                g_assert_cmpstr(text, ==, failing[i]);
                g_assert_cmpint(tag, ==, XENOPS_ERROR_INTERNAL_ERROR);
        }
        g_autofree char *cancelled = run_steps(&test, -1, 2, &tag);
        g_assert_cmpstr(cancelled, ==, "abcCA");
        g_assert_cmpint(tag, ==, XENOPS_ERROR_CANCELLED);
        tear_down(&test);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/task/operation-id", test_operation_id);
        g_test_add_func("/task/repeat", test_repeat);
        g_test_add_func("/task/destroy", test_destroy);
        g_test_add_func("/task/limit", test_limit);
        g_test_add_func("/steps/undone", test_steps);
        return g_test_run();
}
