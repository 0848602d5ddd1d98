/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "certificate.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

typedef struct World {
        char *folder, *path;
} World;

static void set_up(World *w, gconstpointer data)
{
        w->folder = g_dir_make_tmp("test-certificate-XXXXXX", NULL);
        g_assert_nonnull(w->folder);
        w->path = g_build_filename(w->folder, "xapi-ssl.pem", NULL);
}

static void tear_down(World *w, gconstpointer data)
{
        unlink(w->path);
        g_assert_cmpint(rmdir(w->folder), ==, 0); /* nothing else was left */
        g_free(w->path);
        g_free(w->folder);
}

static char *contents(const World *w)
{
        char *text = NULL;

        g_assert_true(g_file_get_contents(w->path, &text, NULL, NULL));
        return text;
}

static void test_made_once(World *w, gconstpointer data)
{
        g_autofree char *first = NULL, *second = NULL;
        struct stat st;

        g_assert_cmpint(certificate_ensure(w->path, "host.example"), ==, 0);
        g_assert_cmpint(stat(w->path, &st), ==, 0);
        g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
        first = contents(w);
        g_assert_cmpint(certificate_ensure(w->path, "other.example"), ==, 0);
        second = contents(w);
        g_assert_cmpstr(first, ==, second);
}

/* Go's client speaks RSA only, and looks at the alternative names only. */
static void test_usable(World *w, gconstpointer data)
{
        SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
        X509 *x509;

        g_assert_cmpint(certificate_ensure(w->path, "host.example"), ==, 0);
        g_assert_cmpint(SSL_CTX_use_certificate_chain_file(tls, w->path), ==, 1);
        g_assert_cmpint(SSL_CTX_use_PrivateKey_file(tls, w->path, SSL_FILETYPE_PEM), ==, 1);
        g_assert_cmpint(SSL_CTX_check_private_key(tls), ==, 1);
        x509 = SSL_CTX_get0_certificate(tls);
        g_assert_cmpint(EVP_PKEY_base_id(X509_get0_pubkey(x509)), ==, EVP_PKEY_RSA);
        g_assert_cmpint(X509_check_host(x509, "host.example", 0, 0, NULL), ==, 1);
        g_assert_cmpint(X509_check_host(x509, "localhost", 0, 0, NULL), ==, 1);
        g_assert_cmpint(X509_check_ip_asc(x509, "127.0.0.1", 0), ==, 1);
        g_assert_cmpint(X509_check_host(x509, "elsewhere.example", 0, 0, NULL), ==, 0);
        g_assert_cmpint(X509_cmp_current_time(X509_get0_notBefore(x509)), ==, -1);
        g_assert_cmpint(X509_cmp_current_time(X509_get0_notAfter(x509)), ==, 1);
        SSL_CTX_free(tls);
}

/* Whoever put it there may want it so: it is not ours to replace. */
static void test_foreign_file_stays(World *w, gconstpointer data)
{
        g_autofree char *text = NULL;

        g_assert_true(g_file_set_contents(w->path, "not a certificate", -1, NULL));
        g_assert_cmpint(certificate_ensure(w->path, "host.example"), ==, 0);
        text = contents(w);
        g_assert_cmpstr(text, ==, "not a certificate");
}

static void test_no_folder(World *w, gconstpointer data)
{
        g_autofree char *path = g_build_filename(w->folder, "missing", "xapi-ssl.pem", NULL);

        g_assert_cmpint(certificate_ensure(path, "host.example"), ==, -ENOENT);
}

/* A process that died while it wrote left this; its id may come again. */
static void test_leftover(World *w, gconstpointer data)
{
        g_autofree char *left = g_strdup_printf("%s.%d.new", w->path, (int)getpid());

        g_assert_true(g_file_set_contents(left, "half", -1, NULL));
        g_assert_cmpint(certificate_ensure(w->path, "host.example"), ==, 0);
        g_assert_cmpint(access(left, F_OK), ==, -1);
}

static void check_name(const World *w, const char *name, bool named)
{
        SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
        X509 *x509;

        g_assert_cmpint(certificate_ensure(w->path, name), ==, 0);
        g_assert_cmpint(SSL_CTX_use_certificate_chain_file(tls, w->path), ==, 1);
        x509 = SSL_CTX_get0_certificate(tls);
        g_assert_cmpint(X509_check_host(x509, "localhost", 0, 0, NULL), ==, 1);
        g_assert_cmpint(X509_check_host(x509, "evil.example", 0, 0, NULL), ==, 0);
        if (*name)
                g_assert_cmpint(X509_check_host(x509, name, 0, 0, NULL), ==, named);
        SSL_CTX_free(tls);
        unlink(w->path);
}

/* Whatever the machine is called, there is a certificate. */
static void test_odd_names(World *w, gconstpointer data)
{
        g_autofree char *label = g_strnfill(63, 'a');
        g_autofree char *at_common = g_strdup_printf("%s.", label),
                        *past_common = g_strdup_printf("%s.b", label);
        g_autofree char *at_limit = g_strdup_printf("%s.%s.%s.%.61s", label, label, label, label);
        g_autofree char *past_limit = g_strdup_printf("%s.%s.%s.%.62s", label, label, label, label);

        check_name(w, "", false);
        check_name(w, "a,DNS:evil.example", false);
        check_name(w, "a b", false);
        check_name(w, "caf\xc3\xa9", false);
        check_name(w, at_common, true);
        check_name(w, past_common, true);
        check_name(w, at_limit, true);
        check_name(w, past_limit, false);
}

static void add(const char *name, void (*function)(World *w, gconstpointer data))
{
        g_test_add(name, World, NULL, set_up, function, tear_down);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        add("/certificate/made-once", test_made_once);
        add("/certificate/usable", test_usable);
        add("/certificate/foreign-file-stays", test_foreign_file_stays);
        add("/certificate/no-folder", test_no_folder);
        add("/certificate/leftover", test_leftover);
        add("/certificate/odd-names", test_odd_names);
        return g_test_run();
}
