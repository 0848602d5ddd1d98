/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* With PAM configurations of the test's own. */
#include <stdlib.h>
#include <string.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "authentication.h"

static char *confdir;

static void configure(const char *text)
{
        g_autofree char *path = g_build_filename(confdir, AUTHENTICATION_SERVICE, NULL);

        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void expect(const char *user, const char *password, Authentication expected)
{
        char *reason = NULL;

        g_assert_cmpint(authenticate(confdir, user, password, &reason), ==, expected);
        g_assert_true((reason != NULL) == (expected != AUTHENTICATION_GRANTED));
        free(reason);
}

static void test_modules(void)
{
        configure("auth required pam_permit.so\naccount required pam_permit.so\n");
        expect("root", "x", AUTHENTICATION_GRANTED);
        configure("auth required pam_deny.so\naccount required pam_permit.so\n");
        expect("root", "x", AUTHENTICATION_REFUSED);
        configure("auth required pam_permit.so\naccount required pam_deny.so\n");
        expect("root", "x", AUTHENTICATION_REFUSED);
        configure("auth required pam_permit.so\naccount required pam_debug.so acct=acct_expired\n");
        expect("root", "x", AUTHENTICATION_REFUSED);
        configure("auth required pam_debug.so auth=authinfo_unavail\naccount required pam_permit.so\n");
        expect("root", "x", AUTHENTICATION_BROKEN);
}

static void test_broken(void)
{
        g_autofree char *path = g_build_filename(confdir, AUTHENTICATION_SERVICE, NULL);

        configure("auth required /nonexistent.so\naccount required pam_permit.so\n");
        expect("root", "x", AUTHENTICATION_BROKEN);
        g_unlink(path);
        expect("root", "x", AUTHENTICATION_BROKEN);
}

/* A module that sees what was typed. */
static void test_password(void)
{
        g_autofree char *script = g_build_filename(confdir, "check", NULL);
        g_autofree char *text =
            g_strdup_printf("auth [success=1 default=ignore] pam_exec.so expose_authtok quiet %s\n"
                            "auth requisite pam_deny.so\nauth required pam_permit.so\n"
                            "account required pam_permit.so\n",
                            script);
        g_autofree char *longest = g_strnfill(AUTHENTICATION_PASSWORD_MAX, 'p');
        g_autofree char *body = g_strdup_printf("#!/bin/sh\nread -r p\n"
                                                "case \"$p\" in secret|%s) exit 0;; esac\nexit 1\n",
                                                longest);

        g_assert_true(g_file_set_contents_full(script, body, -1, G_FILE_SET_CONTENTS_NONE, 0755, NULL));
        configure(text);
        expect("root", "secret", AUTHENTICATION_GRANTED);
        expect("root", "Secret", AUTHENTICATION_REFUSED);
        expect("root", longest, AUTHENTICATION_GRANTED);
}

static void test_limits(void)
{
        g_autofree char *user = g_strnfill(AUTHENTICATION_USER_MAX, 'u'),
                        *long_user = g_strconcat(user, "u", NULL);
        g_autofree char *password = g_strnfill(AUTHENTICATION_PASSWORD_MAX + 1, 'p');

        configure("auth required pam_permit.so\naccount required pam_permit.so\n");
        expect(user, "x", AUTHENTICATION_GRANTED);
        expect(long_user, "x", AUTHENTICATION_REFUSED);
        expect("root", password, AUTHENTICATION_REFUSED);
        expect("", "x", AUTHENTICATION_REFUSED);
        expect("root", "", AUTHENTICATION_GRANTED);
}

static gpointer many(gpointer data)
{
        for (int i = 0; i < 50; i++)
                expect("root", "x", AUTHENTICATION_REFUSED);
        return NULL;
}

static void test_threads(void)
{
        GThread *threads[8];

        configure("auth required pam_deny.so\naccount required pam_permit.so\n");
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                threads[i] = g_thread_new("many", many, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                g_thread_join(threads[i]);
}

int main(int argc, char **argv)
{
        g_autofree char *clean = NULL;
        int r;

        g_test_init(&argc, &argv, NULL);
        confdir = g_dir_make_tmp("test-authentication-XXXXXX", NULL);
        g_test_add_func("/authentication/modules", test_modules);
        g_test_add_func("/authentication/broken", test_broken);
        g_test_add_func("/authentication/password", test_password);
        g_test_add_func("/authentication/limits", test_limits);
        g_test_add_func("/authentication/threads", test_threads);
        r = g_test_run();
        clean = g_strdup_printf("rm -rf '%s'", confdir);
        g_assert_cmpint(system(clean), ==, 0);
        g_free(confdir);
        return r;
}
