/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "auth.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <openssl/crypto.h>

#include "daemon.h"
#include "gate.h"
#include "host.h"
#include "role.h"
#include "xenapi.h"

#define PAM_TIMEOUT_USEC (30u * 1000000u)

typedef struct Entry {
        char *hash;
        uint32_t roles;
} Entry;

struct Auth {
        Bus *bus;
        char *path; /* of the password file; NULL: PAM */
        Gate *gate;
        pthread_mutex_t lock; /* guards the rest */
        GHashTable *entries;  /* user -> Entry */
        char *decoy;          /* a hash of the file's kind, for users that are not in it */
        struct stat read;     /* of the file as it was read */
};

/* Where the file has no hash at all. */
#define DECOY "$6$nobodyknowsthis$"

static void entry_free(void *data)
{
        Entry *e = data;

        g_free(e->hash);
        g_free(e);
}

void principal_clear(Principal *p)
{
        g_free(p->user);
        *p = (Principal){ 0 };
}

Auth *auth_new(Bus *bus, const char *password_file)
{
        Auth *auth = g_new0(Auth, 1);

        auth->bus = bus;
        auth->path = g_strdup(password_file);
        auth->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
        pthread_mutex_init(&auth->lock, NULL);
        /* Hashing takes a processor; PAM, at most somebody else's. */
        auth->gate = gate_new(password_file ? AUTH_HASHING_MAX : AUTH_UNDER_WAY_MAX, AUTH_UNDER_WAY_MAX);
        return auth;
}

void auth_free(Auth *auth)
{
        if (!auth)
                return;
        g_hash_table_unref(auth->entries);
        pthread_mutex_destroy(&auth->lock);
        gate_free(auth->gate);
        g_free(auth->decoy);
        g_free(auth->path);
        g_free(auth);
}

static void read_line(Auth *auth, const char *line)
{
        g_auto(GStrv) parts = g_strsplit(line, ":", 3);
        uint32_t roles;
        Entry *e;

        if (!*line || *line == '#')
                return;
        if (g_strv_length(parts) != 3 || !*parts[0]) {
                log_warning("A line of the password file is not user:hash:role; ignored", NULL);
                return;
        }
        roles = role_bit(g_strstrip(parts[2]));
        if (!roles) {
                log_warning("The password file names a role that does not exist; line ignored", "XAPI_USER",
                            parts[0], NULL);
                return;
        }
        e = g_new0(Entry, 1);
        e->hash = g_strdup(parts[1]);
        e->roles = roles;
        if (!auth->decoy && *e->hash == '$')
                auth->decoy = g_strdup(e->hash);
        g_hash_table_replace(auth->entries, g_strdup(parts[0]), e);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               memcmp(&a->st_mtim, &b->st_mtim, sizeof(a->st_mtim)) == 0 &&
               memcmp(&a->st_ctim, &b->st_ctim, sizeof(a->st_ctim)) == 0;
}

/* The whole file, owned; NULL: it cannot be read, or is too long. */
static char *read_file(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        char *text = fd < 0 ? NULL : g_malloc(PASSWORD_FILE_BYTES_MAX + 2);
        ssize_t n = 0, got = 1;

        while (text && got > 0 && n <= PASSWORD_FILE_BYTES_MAX) {
                got = read(fd, text + n, (size_t)(PASSWORD_FILE_BYTES_MAX + 1 - n));
                n += MAX(got, 0);
        }
        if (text && got == 0)
                text[n] = '\0';
        else
                g_clear_pointer(&text, g_free);
        if (fd >= 0)
                close(fd);
        return text;
}

static void read_lines(Auth *auth, char *text)
{
        char *rest = NULL;

        for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest))
                read_line(auth, line);
        explicit_bzero(text, strlen(text));
}

/* With the lock held. A file that cannot be read lets nobody in. */
static void refresh(Auth *auth)
{
        g_autofree char *text = NULL;
        struct stat now;
        bool readable = stat(auth->path, &now) == 0 && S_ISREG(now.st_mode);

        if (readable && same_file(&now, &auth->read))
                return;
        g_hash_table_remove_all(auth->entries);
        g_clear_pointer(&auth->decoy, g_free);
        auth->read = (struct stat){ 0 };
        text = readable ? read_file(auth->path) : NULL;
        if (!text) {
                log_error("The password file cannot be read, or is too long: nobody is let in", "XAPI_PATH",
                          auth->path, NULL);
                return;
        }
        auth->read = now;
        read_lines(auth, text);
}

/* *ret_hash is owned, and somebody else's where there is no such user. */
static bool lookup(Auth *auth, const char *user, char **ret_hash, uint32_t *ret_roles)
{
        const Entry *e;

        pthread_mutex_lock(&auth->lock);
        refresh(auth);
        e = g_hash_table_lookup(auth->entries, user);
        if (e)
                *ret_roles = e->roles;
        if (ret_hash)
                *ret_hash = g_strdup(e ? e->hash : (auth->decoy ? auth->decoy : DECOY));
        pthread_mutex_unlock(&auth->lock);
        return e;
}

static bool same_text(const char *a, const char *b)
{
        size_t n = strlen(a);

        return strlen(b) == n && CRYPTO_memcmp(a, b, n) == 0;
}

static bool hashes_to(const char *password, const char *hash)
{
        g_autofree struct crypt_data *data = g_new0(struct crypt_data, 1);
        const char *made = crypt_r(password, hash, data);
        bool right = made && made[0] != '*' && same_text(hash, made);

        explicit_bzero(data, sizeof(*data));
        return right;
}

/* Hashes in any case, so that how long it takes does not tell which users exist. */
static bool check_file(Auth *auth, const char *user, const char *password, XapiError **error)
{
        g_autofree char *hash = NULL;
        uint32_t roles;
        bool known = lookup(auth, user, &hash, &roles);

        if (hashes_to(password, hash) && known)
                return true;
        return xapi_fail(error, ERR_SESSION_AUTHENTICATION_FAILED, user, "Authentication failure", NULL);
}

static bool check_pam(Auth *auth, const char *user, const char *password, XapiError **error)
{
        HostError *e = NULL;
        char *text;

        if (host_authenticate(auth->bus, PAM_TIMEOUT_USEC, user, password, &e))
                return true;
        text = host_error_text(e);
        xapi_fail(error, ERR_SESSION_AUTHENTICATION_FAILED, user, text, NULL);
        free(text);
        host_error_free(e);
        return false;
}

void auth_stop(Auth *auth)
{
        gate_stop(auth->gate);
}

bool auth_roles(Auth *auth, const char *user, uint32_t *ret_roles, bool *ret_local_root)
{
        *ret_roles = ROLE_POOL_ADMIN;
        if (auth->path && !lookup(auth, user, NULL, ret_roles))
                return false;
        /* Accounts that PAM knows are the host's own, which upstream lets do everything; of the password file's only
         * root is. */
        *ret_local_root = (*ret_roles & ROLE_POOL_ADMIN) && (!auth->path || strcmp(user, "root") == 0);
        return true;
}

static bool check(Auth *auth, const char *user, const char *password, Principal *ret, XapiError **error)
{
        uint32_t roles;
        bool local_root;

        if (auth->path ? !check_file(auth, user, password, error) : !check_pam(auth, user, password, error))
                return false;
        if (!auth_roles(auth, user, &roles, &local_root))
                return xapi_fail(error, ERR_SESSION_AUTHENTICATION_FAILED, user, "Authentication failure",
                                 NULL);
        *ret = (Principal){ .user = g_strdup(user), .roles = roles, .local_root = local_root };
        return true;
}

bool auth_check(Auth *auth, const char *user, const char *password, Principal *ret, XapiError **error)
{
        bool ok;

        if (!*user || strlen(user) > AUTH_NAME_BYTES_MAX || strlen(password) > AUTH_PASSWORD_BYTES_MAX)
                return xapi_fail(error, ERR_SESSION_AUTHENTICATION_FAILED, user, "Authentication failure",
                                 NULL);
        if (gate_enter(auth->gate) < 0)
                return xapi_fail(error, ERR_TOO_BUSY, NULL);
        ok = check(auth, user, password, ret, error);
        gate_leave(auth->gate);
        return ok;
}
