/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "location.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool location_valid(const char *location)
{
        const char *p = location;

        if (location[0] != '/' || strlen(location) > LOCATION_MAX)
                return false;
        while ((p = strstr(p, "/..")) != NULL) {
                if (p[3] == '/' || p[3] == '\0')
                        return false;
                p += 3;
        }
        return true;
}

const char *location_configured(json_t *args, Failure *failure)
{
        json_t *configuration = arg_object(args, "configuration", failure);
        json_t *location = json_object_get(configuration, "location");

        if (configuration == NULL)
                return NULL;
        if (!json_is_string(location))
                return fail(failure, FAILURE_SR_GENERAL, 3, "", "The configuration lacks a value",
                            "location: the directory's absolute path");
        if (!location_valid(json_string_value(location)))
                return fail(failure, FAILURE_SR_GENERAL, 3, "",
                            "The location is no absolute path without \"..\"", json_string_value(location));
        return json_string_value(location);
}

int location_open(const char *location, Failure *failure)
{
        int fd;

        if (!location_valid(location)) {
                fail(failure, "Sr_not_attached", 1, location);
                return -1;
        }
        fd = open(location, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                fail_errno(failure, -errno, location);
        return fd;
}

static char *escape(char *p, const char *text)
{
        static const char unreserved[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

        for (; *text != '\0'; text++) {
                unsigned char c = (unsigned char)*text;

                if (strchr(unreserved, c) != NULL)
                        *p++ = (char)c;
                else
                        p += sprintf(p, "%%%02X", c);
        }
        return p;
}

char *location_uri(const char *scheme, const char *location, const char *name)
{
        char *uri =
            malloc(strlen(scheme) + sizeof("://") + 3 * (strlen(location) + strlen(name)) + sizeof("/"));
        char *p = uri + sprintf(uri, "%s://", scheme);

        p = escape(p, location);
        *p++ = '/';
        *escape(p, name) = '\0';
        return uri;
}
