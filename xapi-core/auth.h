/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who a user is: by the password file where one is configured, else by PAM in the helper process. */
#pragma once

#include "bus.h"
#include "error.h"
#include "model.h"

/* user:hash:role lines; the hash as crypt(5) has it; role a XenAPI role's name. Re-read when it changes. */
#define PASSWORD_FILE_BYTES_MAX (1u << 20)
#define AUTH_NAME_BYTES_MAX     256u
#define AUTH_PASSWORD_BYTES_MAX 4096u
#define AUTH_UNDER_WAY_MAX      1024u /* at a time: the rest of the workers is for those who are in already */
#define AUTH_HASHING_MAX        2u    /* of those, and the rest of the processors' time */

typedef struct Auth Auth;

typedef struct Principal {
        char *user;      /* owned */
        uint32_t roles;  /* ROLE_ bits */
        bool local_root; /* root of this host: every message is open to it */
} Principal;
void principal_clear(Principal *p);

/* password_file: NULL for PAM. */
Auth *auth_new(Bus *bus, const char *password_file);
void auth_free(Auth *auth);
/* The server ends: who waits for a turn to be looked at is refused. Any thread. */
void auth_stop(Auth *auth);
/* Waits; on a worker. SESSION_AUTHENTICATION_FAILED [user; text] when the password is wrong or nobody can tell,
 * TOO_BUSY [] when too many want to know. */
bool auth_check(Auth *auth, const char *user, const char *password, Principal *ret, XapiError **error);
/* What a user who logged in earlier may do now. False: there is no such user any more. No waiting. */
bool auth_roles(Auth *auth, const char *user, uint32_t *ret_roles, bool *ret_local_root);
