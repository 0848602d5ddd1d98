/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define KEY_BITS        2048 /* clients such as the Go SDK speak RSA only */
#define VALID_SEC       (10L * 365 * 24 * 60 * 60)
#define SERIAL_BYTES    16
#define DNS_NAME_MAX    253 /* bytes, RFC 1035 */
#define COMMON_NAME_MAX 64  /* bytes, RFC 5280 */

static int add_extension(X509 *x509, int nid, const char *value)
{
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
        int ok = extension && X509_add_ext(x509, extension, -1);

        X509_EXTENSION_free(extension);
        return ok;
}

static int set_serial(X509 *x509)
{
        unsigned char bytes[SERIAL_BYTES];
        BIGNUM *number;
        int ok;

        if (RAND_bytes(bytes, sizeof(bytes)) != 1)
                return 0;
        bytes[0] &= 0x7f;
        number = BN_bin2bn(bytes, sizeof(bytes), NULL);
        ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));
        BN_free(number);
        return ok;
}

static bool is_dns_name(const char *text)
{
        size_t n = strlen(text);

        return n > 0 && n <= DNS_NAME_MAX &&
               strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == n;
}

/* A machine may have any name; a certificate may not. */
static int fill(X509 *x509, EVP_PKEY *key, const char *machine_name)
{
        const char *hostname = is_dns_name(machine_name) ? machine_name : "localhost";
        const char *common_name = strlen(hostname) <= COMMON_NAME_MAX ? hostname : "localhost";
        g_autofree char *names = g_strdup_printf("DNS:%s,DNS:localhost,IP:127.0.0.1", hostname);
        X509_NAME *name = X509_get_subject_name(x509);

        return X509_set_version(x509, X509_VERSION_3) && set_serial(x509) &&
               X509_gmtime_adj(X509_getm_notBefore(x509), -60) &&
               X509_gmtime_adj(X509_getm_notAfter(x509), VALID_SEC) &&
               X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1,
                                          -1, 0) &&
               X509_set_issuer_name(x509, name) && X509_set_pubkey(x509, key) &&
               add_extension(x509, NID_basic_constraints, "critical,CA:FALSE") &&
               add_extension(x509, NID_subject_alt_name, names) && X509_sign(x509, key, EVP_sha256());
}

static int write_pem(const char *path, X509 *x509, EVP_PKEY *key)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
        int ok;

        if (!f) {
                int r = -errno;

                if (fd >= 0)
                        close(fd);
                return r;
        }
        ok = PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) && PEM_write_X509(f, x509) &&
             fflush(f) == 0 && fsync(fd) == 0;
        if (fclose(f) != 0 || !ok)
                return -EIO;
        return 0;
}

/* Makes sure that the file is there after a power cut: clients remember the certificate from now on. */
static int sync_folder(const char *path)
{
        g_autofree char *folder = g_path_get_dirname(path);
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;

        if (fd >= 0)
                close(fd);
        return r;
}

/* Under another name first, so that a crash leaves no half of it. */
static int make(const char *path, const char *hostname)
{
        g_autofree char *temporary = g_strdup_printf("%s.%d.new", path, (int)getpid());
        EVP_PKEY *key = EVP_RSA_gen(KEY_BITS);
        X509 *x509 = X509_new();
        int r = -EIO;

        unlink(temporary);
        if (key && x509 && fill(x509, key, hostname))
                r = write_pem(temporary, x509, key);
        if (r == 0 && rename(temporary, path) < 0)
                r = -errno;
        if (r == 0)
                r = sync_folder(path);
        if (r < 0)
                unlink(temporary);
        X509_free(x509);
        EVP_PKEY_free(key);
        return r;
}

int certificate_ensure(const char *path, const char *hostname)
{
        struct stat st;

        if (stat(path, &st) == 0)
                return 0;
        return errno == ENOENT ? make(path, hostname) : -errno;
}
