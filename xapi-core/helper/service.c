/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "authentication.h"
#include "idl/bus/host.h"

#define PAM_FILE "/etc/pam.d/" AUTHENTICATION_SERVICE

/* Without a file of its own, PAM would take /etc/pam.d/other, whose refusals look like wrong passwords. */
static bool check_configured(HostError **error)
{
        if (access(PAM_FILE, R_OK) == 0 || access("/usr/lib/pam.d/" AUTHENTICATION_SERVICE, R_OK) == 0)
                return true;
        return host_fail_internal(error, "PAM is not set up: there is no " PAM_FILE);
}

static bool on_authenticate(void *data, const ServiceCall *call, HostAuthenticateArgs *args,
                            HostError **error)
{
        char *reason = NULL;
        bool good;

        if (!check_configured(error))
                return false;
        switch (authenticate(NULL, args->user, args->password, &reason)) {
        case AUTHENTICATION_GRANTED:
                good = true;
                break;
        case AUTHENTICATION_REFUSED:
                log_info("Authentication refused", "XAPI_USER", args->user, "XAPI_REASON", reason, NULL);
                good = host_fail_authentication_failed(error, args->user);
                break;
        default:
                log_error("PAM failed", "XAPI_REASON", reason, NULL);
                good = host_fail_internal(error, "PAM: %s", reason);
                break;
        }
        explicit_bzero(args->password, strlen(args->password));
        free(reason);
        return good;
}

static bool on_get_hostname(void *data, const ServiceCall *call, HostGetHostnameArgs *args, char **ret,
                            HostError **error)
{
        char name[HOST_NAME_MAX + 1] = "";

        if (gethostname(name, sizeof(name) - 1) < 0)
                return host_fail_internal(error, "gethostname: %s", strerror(errno));
        *ret = bus_strdup(name);
        return true;
}

BusService *helper_serve(Daemon *daemon)
{
        /* Of the others, each is answered as not implemented. */
        static const HostService functions = { .authenticate = on_authenticate,
                                               .get_hostname = on_get_hostname };

        return host_serve(&functions, NULL,
                          &(BusServiceOptions){ .bus = daemon->bus, .workers = daemon->workers });
}
