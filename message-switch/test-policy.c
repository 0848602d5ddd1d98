/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The policy file, and the file of names. */
#include <string.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "daemon.h"
#include "names.h"
#include "policy.h"

#define OTHER 4242u /* a user that nobody is */

static char *write_file(const char *text)
{
        char *path;
        int fd = g_file_open_tmp("policy-XXXXXX", &path, NULL);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
        close(fd);
        return path;
}

static Policy *policy_of(const char *text, char **ret_error)
{
        g_autofree char *path = write_file(text);
        Policy *policy = policy_load(path, ret_error);
        g_unlink(path);
        return policy;
}

static void test_default(void)
{
        g_autofree char *error = NULL;
        Policy *policy = policy_load(NULL, &error);
        g_assert_true(policy_trusts(policy, 0));
        g_assert_true(policy_trusts(policy, geteuid()));
        g_assert_false(policy_trusts(policy, OTHER));
        g_assert_true(policy_allows(policy, POLICY_SERVE, "any", 0, 0));
        g_assert_false(policy_allows(policy, POLICY_SERVE, "any", OTHER, OTHER));
        g_assert_false(policy_allows(policy, POLICY_CALL, "any", OTHER, OTHER));
        g_assert_false(policy_allows_control(policy, OTHER, OTHER));
        policy_free(policy);
        policy_free(NULL);
}

static void test_rules(void)
{
        g_autofree char *error = NULL;
        Policy *policy = policy_of("[queue org.a.*]\nserve=4242\ncall=@4242; no-such-user-here\n"
                                   "[queue org.a.b]\ncall=*\n[control]\nallow=4242\n",
                                   &error);
        g_assert_nonnull(policy);
        g_assert_true(policy_allows(policy, POLICY_SERVE, "org.a.c", OTHER, 1));
        g_assert_false(policy_allows(policy, POLICY_SERVE, "org.b", OTHER, 1));
        g_assert_false(policy_allows(policy, POLICY_SERVE, "org.a.c", OTHER + 1, OTHER));
        g_assert_true(policy_allows(policy, POLICY_CALL, "org.a.c", OTHER + 1, OTHER));
        g_assert_false(policy_allows(policy, POLICY_CALL, "org.a.c", OTHER, 1));
        g_assert_true(policy_allows(policy, POLICY_CALL, "org.a.b", OTHER, 1));
        g_assert_true(policy_allows_control(policy, OTHER, 1));
        g_assert_false(policy_allows_control(policy, OTHER + 1, OTHER));
        policy_free(policy);
}

static void test_bad_files(void)
{
        g_autofree char *missing = NULL, *wrong = NULL, *broken = NULL;
        g_assert_null(policy_load("/nonexistent/policy", &missing));
        g_assert_nonnull(missing);
        g_assert_null(policy_of("[queues x]\n", &wrong));
        g_assert_nonnull(strstr(wrong, "no such group: [queues x]"));
        g_assert_null(policy_of("what is this\n", &broken));
        g_assert_nonnull(broken);
}

static void append(const char *name, void *data)
{
        g_string_append_printf(data, "%s;", name);
}

/* Lines that are no names (a write that was cut off) are left out, and gone from the file. */
static void test_names(void)
{
        g_autofree char *path = write_file("org.a\nno name\n\norg.b\norg.cut");
        for (int round = 0; round < 2; round++) {
                g_autoptr(GString) read = g_string_new(NULL);
                Names *names = names_open(path, append, read);
                g_assert_cmpstr(read->str, ==,
                                round == 0 ? "org.a;org.b;org.cut;" : "org.a;org.b;org.cut;org.new;");
                if (round == 0)
                        names_add(names, "org.new");
                names_close(names);
        }
        g_unlink(path);
        names_close(NULL);
}

static void test_names_unwritable(void)
{
        g_autoptr(GString) read = g_string_new(NULL);
        log_setup("test", "error");
        Names *names = names_open("/nonexistent/names", append, read);
        names_add(names, "org.a");
        names_close(names);
        g_assert_cmpstr(read->str, ==, "");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/policy/default", test_default);
        g_test_add_func("/policy/rules", test_rules);
        g_test_add_func("/policy/bad-files", test_bad_files);
        g_test_add_func("/names/keep", test_names);
        g_test_add_func("/names/unwritable", test_names_unwritable);
        return g_test_run();
}
