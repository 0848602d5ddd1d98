/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "auth.h"

#include <crypt.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <glib.h>

#include "daemon.h"
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
        char *path;           /* of the password file; NULL: PAM */
        pthread_mutex_t lock; /* guards entries and modified */
        GHashTable *entries;  /* user -> Entry */
        struct timespec modified;
};

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
        return auth;
}

void auth_free(Auth *auth)
{
        if (!auth)
                return;
        g_hash_table_unref(auth->entries);
        pthread_mutex_destroy(&auth->lock);
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
        g_hash_table_replace(auth->entries, g_strdup(parts[0]), e);
}

/* With the lock held. A file that cannot be read lets nobody in. */
static void refresh(Auth *auth)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        struct stat st;

        if (stat(auth->path, &st) < 0 || st.st_size > PASSWORD_FILE_BYTES_MAX) {
                log_error("The password file cannot be read", "XAPI_PATH", auth->path, NULL);
                g_hash_table_remove_all(auth->entries);
                auth->modified = (struct timespec){ 0 };
                return;
        }
        if (memcmp(&st.st_mtim, &auth->modified, sizeof(st.st_mtim)) == 0)
                return;
        g_hash_table_remove_all(auth->entries);
        if (!g_file_get_contents(auth->path, &text, NULL, NULL))
                return;
        auth->modified = st.st_mtim;
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++)
                read_line(auth, *line);
}

static bool lookup(Auth *auth, const char *user, char **ret_hash, uint32_t *ret_roles)
{
        const Entry *e;

        pthread_mutex_lock(&auth->lock);
        refresh(auth);
        e = g_hash_table_lookup(auth->entries, user);
        if (e) {
                if (ret_hash)
                        *ret_hash = g_strdup(e->hash);
                *ret_roles = e->roles;
        }
        pthread_mutex_unlock(&auth->lock);
        return e;
}

static bool same_text(const char *a, const char *b)
{
        size_t n = strlen(a);
        unsigned difference = strlen(b) != n;

        for (size_t i = 0; i < n && !difference; i++)
                difference |= (unsigned char)a[i] ^ (unsigned char)b[i];
        return !difference;
}

/* Hashes in any case, so that how long it takes does not tell which users exist. */
static bool check_file(Auth *auth, const char *user, const char *password, uint32_t *ret_roles)
{
        g_autofree char *hash = NULL;
        g_autofree struct crypt_data *data = g_new0(struct crypt_data, 1);
        bool known = lookup(auth, user, &hash, ret_roles);
        const char *made = crypt_r(password, known ? hash : "$6$nobodyknowsthis$", data);
        bool right = known && made && made[0] != '*' && same_text(hash, made);

        explicit_bzero(data, sizeof(*data));
        return right;
}

static bool check_pam(Auth *auth, const char *user, const char *password, XapiError **error)
{
        HostError *e = NULL;

        if (host_authenticate(auth->bus, PAM_TIMEOUT_USEC, user, password, &e))
                return true;
        xapi_fail(error, ERR_SESSION_AUTHENTICATION_FAILED, user, host_error_text(e), NULL);
        host_error_free(e);
        return false;
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

bool auth_check(Auth *auth, const char *user, const char *password, Principal *ret, XapiError **error)
{
        uint32_t roles;
        bool local_root;

        if (!*user || strlen(user) > AUTH_NAME_BYTES_MAX || strlen(password) > AUTH_PASSWORD_BYTES_MAX)
                return xapi_fail(error, ERR_SESSION_AUTHENTICATION_FAILED, user, "Authentication failure",
                                 NULL);
        if (auth->path && !check_file(auth, user, password, &roles))
                return xapi_fail(error, ERR_SESSION_AUTHENTICATION_FAILED, user, "Authentication failure",
                                 NULL);
        if (!auth->path && !check_pam(auth, user, password, error))
                return false;
        if (!auth_roles(auth, user, &roles, &local_root))
                return xapi_fail(error, ERR_SESSION_AUTHENTICATION_FAILED, user, "Authentication failure",
                                 NULL);
        *ret = (Principal){ .user = g_strdup(user), .roles = roles, .local_root = local_root };
        return true;
}
