/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "auth.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "xenapi.h"

#define SALT "$6$rounds=1000$test$" /* as cheap as it can be */

typedef struct World {
        char *folder, *path;
        char *hash; /* of "secret" */
        Auth *auth;
} World;

static void set_up(World *w, gconstpointer data)
{
        struct crypt_data crypt = { 0 };

        w->folder = g_dir_make_tmp("test-auth-XXXXXX", NULL);
        g_assert_nonnull(w->folder);
        w->path = g_build_filename(w->folder, "users", NULL);
        w->hash = g_strdup(crypt_r("secret", SALT, &crypt));
        w->auth = auth_new(NULL, w->path);
}

static void tear_down(World *w, gconstpointer data)
{
        auth_free(w->auth);
        unlink(w->path);
        rmdir(w->folder);
        g_free(w->hash);
        g_free(w->path);
        g_free(w->folder);
}

static void write_text(const World *w, const char *text, gssize n)
{
        g_assert_true(g_file_set_contents(w->path, text, n, NULL));
}

/* %s stands for the hash. */
static void write_users(const World *w, const char *format)
{
        g_auto(GStrv) parts = g_strsplit(format, "%s", -1);
        g_autofree char *text = g_strjoinv(w->hash, parts);

        write_text(w, text, -1);
}

static bool lets_in(const World *w, const char *user, const char *password)
{
        g_autoptr(XapiError) error = NULL;
        Principal who = { 0 };
        bool ok = auth_check(w->auth, user, password, &who, &error);

        g_assert_true(ok == !error);
        if (ok) {
                g_assert_cmpstr(who.user, ==, user);
        } else {
                g_assert_cmpstr(error->code, ==, ERR_SESSION_AUTHENTICATION_FAILED);
                g_assert_cmpuint(error->n_params, ==, 2);
                g_assert_cmpstr(error->params[0], ==, user);
                g_assert_null(strstr(error->params[1], "secret"));
        }
        principal_clear(&who);
        return ok;
}

static void check_roles(const World *w, const char *user, uint32_t roles, bool local_root)
{
        uint32_t got;
        bool root;

        g_assert_true(auth_roles(w->auth, user, &got, &root));
        g_assert_cmpuint(got, ==, roles);
        g_assert_cmpint(root, ==, local_root);
}

static void test_passwords(World *w, gconstpointer data)
{
        write_users(w, "root:%s:pool-admin\nann:%s:vm-admin\n");
        g_assert_true(lets_in(w, "root", "secret"));
        g_assert_true(lets_in(w, "ann", "secret"));
        g_assert_false(lets_in(w, "ann", "Secret"));
        g_assert_false(lets_in(w, "ann", ""));
        g_assert_false(lets_in(w, "ann", w->hash)); /* the hash is no password */
        g_assert_false(lets_in(w, "bob", "secret"));
        g_assert_false(lets_in(w, "", "secret"));
        g_assert_false(lets_in(w, "Root", "secret"));
}

static void test_roles(World *w, gconstpointer data)
{
        uint32_t roles;
        bool root;

        write_users(w, "root:%s:pool-admin\nann:%s:vm-admin\nadmin:%s:pool-admin\nseer:%s:read-only\n");
        check_roles(w, "root", ROLE_POOL_ADMIN, true);
        check_roles(w, "admin", ROLE_POOL_ADMIN, false);
        check_roles(w, "ann", ROLE_VM_ADMIN, false);
        check_roles(w, "seer", ROLE_READ_ONLY, false);
        g_assert_false(auth_roles(w->auth, "bob", &roles, &root));
        write_users(w, "root:%s:read-only\n");
        check_roles(w, "root", ROLE_READ_ONLY, false);
}

static void test_lines(World *w, gconstpointer data)
{
        write_users(w, "# a comment\n\n   \n"
                       "no-role:%s\n"
                       ":%s:pool-admin\n"
                       "wrong-role:%s:emperor\n"
                       "two-fields\n"
                       "crlf:%s:vm-admin\r\n"
                       "spaces:%s: vm-admin \n"
                       "twice:nohash:vm-admin\ntwice:%s:read-only\n"
                       "last:%s:vm-admin");
        for (int i = 0; i < 4; i++)
                g_assert_false(lets_in(
                    w, (const char *const[]){ "no-role", "", "wrong-role", "two-fields" }[i], "secret"));
        for (int i = 0; i < 4; i++)
                g_assert_true(
                    lets_in(w, (const char *const[]){ "crlf", "spaces", "twice", "last" }[i], "secret"));
        check_roles(w, "twice", ROLE_READ_ONLY, false);
}

/* What crypt(5) does not take is no password at all. */
static void test_locked(World *w, gconstpointer data)
{
        static const char *const HASHES[] = { "", "*", "!", "x", "*0", "*1", "$6$", "$nosuch$a$b", "secret" };

        for (size_t i = 0; i < G_N_ELEMENTS(HASHES); i++) {
                g_autofree char *text = g_strdup_printf("ann:%s:vm-admin\n", HASHES[i]);

                write_text(w, text, -1);
                g_assert_false(lets_in(w, "ann", "secret"));
                g_assert_false(lets_in(w, "ann", ""));
                g_assert_false(lets_in(w, "ann", HASHES[i]));
        }
}

static void test_missing(World *w, gconstpointer data)
{
        g_assert_false(lets_in(w, "root", "secret"));
        write_users(w, "root:%s:pool-admin\n");
        g_assert_true(lets_in(w, "root", "secret"));
        g_assert_cmpint(unlink(w->path), ==, 0);
        g_assert_false(lets_in(w, "root", "secret"));
        write_users(w, "root:%s:pool-admin\n");
        g_assert_true(lets_in(w, "root", "secret"));
}

/* A FIFO would make whoever opens it wait. */
static void test_no_file(World *w, gconstpointer data)
{
        g_assert_cmpint(mkfifo(w->path, 0600), ==, 0);
        g_assert_false(lets_in(w, "root", "secret"));
        g_assert_cmpint(unlink(w->path), ==, 0);
        g_assert_cmpint(mkdir(w->path, 0700), ==, 0);
        g_assert_false(lets_in(w, "root", "secret"));
        g_assert_cmpint(rmdir(w->path), ==, 0);
}

static void test_changes(World *w, gconstpointer data)
{
        uint32_t roles;
        bool root;

        write_users(w, "ann:%s:vm-admin\n");
        check_roles(w, "ann", ROLE_VM_ADMIN, false);
        write_users(w, "ann:%s:read-only\n");
        check_roles(w, "ann", ROLE_READ_ONLY, false);
        write_users(w, "bob:%s:vm-admin\n");
        g_assert_false(auth_roles(w->auth, "ann", &roles, &root));
}

/* A file put in the place of another, with the same time and size. */
static void test_renamed(World *w, gconstpointer data)
{
        g_autofree char *other = g_build_filename(w->folder, "other", NULL);
        struct stat st;
        uint32_t roles;
        bool root;

        write_users(w, "ann:%s:vm-admin\n");
        check_roles(w, "ann", ROLE_VM_ADMIN, false);
        g_assert_cmpint(stat(w->path, &st), ==, 0);
        g_assert_cmpint(rename(w->path, other), ==, 0);
        write_users(w, "bob:%s:vm-admin\n");
        g_assert_cmpint(utimensat(AT_FDCWD, w->path, (struct timespec[]){ st.st_atim, st.st_mtim }, 0), ==,
                        0);
        g_assert_false(auth_roles(w->auth, "ann", &roles, &root));
        check_roles(w, "bob", ROLE_VM_ADMIN, false);
        unlink(other);
}

static void write_padded(const World *w, size_t n)
{
        g_autofree char *line = g_strdup_printf("ann:%s:vm-admin\n#", w->hash), *text = g_strnfill(n, 'x');

        memcpy(text, line, strlen(line));
        write_text(w, text, (gssize)n);
}

static void test_file_limit(World *w, gconstpointer data)
{
        write_padded(w, PASSWORD_FILE_BYTES_MAX);
        g_assert_true(lets_in(w, "ann", "secret"));
        write_padded(w, PASSWORD_FILE_BYTES_MAX + 1);
        g_assert_false(lets_in(w, "ann", "secret"));
}

static void test_name_limit(World *w, gconstpointer data)
{
        g_autofree char *at = g_strnfill(AUTH_NAME_BYTES_MAX, 'a'),
                        *past = g_strnfill(AUTH_NAME_BYTES_MAX + 1, 'b');
        g_autofree char *text =
            g_strdup_printf("%s:%s:vm-admin\n%s:%s:vm-admin\n", at, w->hash, past, w->hash);

        write_text(w, text, -1);
        g_assert_true(lets_in(w, at, "secret"));
        g_assert_false(lets_in(w, past, "secret"));
}

/* crypt(3) has a limit of its own, below ours; neither lets a longer password pass for a shorter one. */
static void test_password_limit(World *w, gconstpointer data)
{
        g_autofree char *at = g_strnfill(AUTH_PASSWORD_BYTES_MAX, 'p');
        g_autofree char *past = g_strnfill(AUTH_PASSWORD_BYTES_MAX + 1, 'p');

        write_users(w, "ann:%s:vm-admin\n");
        g_assert_false(lets_in(w, "ann", at));
        g_assert_false(lets_in(w, "ann", past));
        g_assert_true(lets_in(w, "ann", "secret"));
}

static void add(const char *name, void (*function)(World *w, gconstpointer data))
{
        g_test_add(name, World, NULL, set_up, function, tear_down);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        add("/auth/passwords", test_passwords);
        add("/auth/roles", test_roles);
        add("/auth/lines", test_lines);
        add("/auth/locked", test_locked);
        add("/auth/missing", test_missing);
        add("/auth/no-file", test_no_file);
        add("/auth/changes", test_changes);
        add("/auth/renamed", test_renamed);
        add("/auth/file-limit", test_file_limit);
        add("/auth/name-limit", test_name_limit);
        add("/auth/password-limit", test_password_limit);
        return g_test_run();
}
