/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a password is the user's, as PAM sees it. */
#pragma once

#include <stddef.h>

#define AUTHENTICATION_SERVICE      "xapi" /* /etc/pam.d/xapi */
#define AUTHENTICATION_USER_MAX     256u   /* bytes; longer ones are nobody's */
#define AUTHENTICATION_PASSWORD_MAX 511u   /* bytes; what PAM's own limit leaves */

typedef enum Authentication {
        AUTHENTICATION_GRANTED = 0,
        AUTHENTICATION_REFUSED = 1, /* wrong password, unknown or expired account: never said which */
        AUTHENTICATION_BROKEN = 2,  /* PAM could not find out */
} Authentication;

/* Asks the service's modules for the user and whether the account may be used now; without the delays that modules ask
 * for after a failure, which are up to the caller. Blocks; any thread. `confdir` is NULL but in tests. For REFUSED and
 * BROKEN, *ret_reason is owned (free) and for the log, not for the client. */
Authentication authenticate(const char *confdir, const char *user, const char *password, char **ret_reason);
