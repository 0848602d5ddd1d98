/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <string.h>

#include <glib.h>

#include "model.h"
#include "str.h"

static void test_new(void)
{
        auto_str s = str_new("text");
        g_assert_cmpstr(s, ==, "text");
        g_assert_cmpuint(str_len(s), ==, 4);
        auto_str part = str_new_len("text", 2);
        g_assert_cmpstr(part, ==, "te");
        auto_str printed = str_printf("%d-%s", 5, "x");
        g_assert_cmpstr(printed, ==, "5-x");
        str_unref(NULL);
}

static void test_shared(void)
{
        Str empty = str_new("");
        g_assert_true(empty == str_empty() && str_len(empty) == 0);
        Str null = str_new(NULL_REF);
        auto_str again = str_new_len(NULL_REF "x", strlen(NULL_REF));
        g_assert_true(null == again && str_len(null) == strlen(NULL_REF));
        for (int i = 0; i < 10; i++) {
                str_unref(null);
                str_unref(empty);
        }
        g_assert_cmpstr(null, ==, NULL_REF);
        g_assert_cmpstr(empty, ==, "");
}

static void test_set(void)
{
        auto_str s = str_new("old");
        auto_str kept = str_ref(s);
        str_set(&s, "new");
        g_assert_cmpstr(s, ==, "new");
        g_assert_cmpstr(kept, ==, "old");
        str_set(&s, s);
        g_assert_cmpstr(s, ==, "new");
}

#define ROUNDS 10000

static void *take_and_give(void *data)
{
        for (int i = 0; i < ROUNDS; i++)
                str_unref(str_ref(data));
        return NULL;
}

static void test_threads(void)
{
        Str s = str_new("counted by four threads");
        pthread_t threads[4];
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                g_assert_cmpint(pthread_create(&threads[i], NULL, take_and_give, (void *)s), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                pthread_join(threads[i], NULL);
        g_assert_cmpstr(s, ==, "counted by four threads");
        str_unref(s);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/str/new", test_new);
        g_test_add_func("/str/shared", test_shared);
        g_test_add_func("/str/set", test_set);
        g_test_add_func("/str/threads", test_threads);
        return g_test_run();
}
