/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The datapath plugin "file": hands out file://PATH as the file PATH, and keeps nothing. */
#include <stdlib.h>
#include <string.h>

#include "../call.h"
#include "config.h"

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* The path of file:///PATH, unescaped; NULL: it is no such URI. Returns owned. */
static char *uri_path(const char *uri)
{
        char *path, *p;

        if (strncmp(uri, "file:///", 8) != 0)
                return NULL;
        uri += strlen("file://");
        p = path = malloc(strlen(uri) + 1);
        for (; *uri != '\0'; uri++) {
                int high, low;

                if (*uri != '%') {
                        *p++ = *uri;
                        continue;
                }
                high = hex_value(uri[1]);
                low = high >= 0 ? hex_value(uri[2]) : -1;
                if (low < 0 || (high == 0 && low == 0)) {
                        free(path);
                        return NULL;
                }
                *p++ = (char)(high << 4 | low);
                uri += 2;
        }
        *p = '\0';
        return path;
}

static json_t *plugin_query(json_t *args, Failure *failure)
{
        (void)args;
        (void)failure;
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[s], s:{}, s:[]}", "plugin", "file", "name",
                         "File", "description", "Files as they are", "vendor", "XAPI toolstack", "copyright",
                         "LGPL-2.1-or-later", "version", XAPI_VERSION, "required_api_version", "5.0",
                         "features", "FILE_AS_IT_IS", "configuration", "required_cluster_stack");
}

static json_t *datapath_attach(json_t *args, Failure *failure)
{
        const char *uri = arg_string(args, "uri", failure);
        char *path = uri != NULL ? uri_path(uri) : NULL;
        json_t *result;

        if (uri == NULL)
                return NULL;
        if (path == NULL)
                return fail(failure, FAILURE_BAD_CALL, 3, "", "The URI is not file:///PATH", uri);
        result =
            json_pack("{s:s, s:[[s, {s:s}]]}", "domain_uuid", "0", "implementations", "File", "path", path);
        free(path);
        /* json_pack refuses a path that is no UTF-8. */
        return result != NULL ? result : fail(failure, FAILURE_BAD_CALL, 3, "", "The path is no UTF-8", uri);
}

static json_t *datapath_open(json_t *args, Failure *failure)
{
        bool persistent;

        if (!arg_bool(args, "persistent", &persistent, failure))
                return NULL;
        if (!persistent)
                return fail(failure, "Unimplemented", 1,
                            "Datapath.open of a disk whose writes are to be thrown away");
        return json_null();
}

static json_t *datapath_nothing(json_t *args, Failure *failure)
{
        return arg_string(args, "uri", failure) != NULL ? json_null() : NULL;
}

int main(int argc, char **argv)
{
        static const Method methods[] = {
                { "Plugin.Query", plugin_query },
                { "Datapath.open", datapath_open },
                { "Datapath.attach", datapath_attach },
                { "Datapath.activate", datapath_nothing },
                { "Datapath.deactivate", datapath_nothing },
                { "Datapath.detach", datapath_nothing },
                { "Datapath.close", datapath_nothing },
                { NULL, NULL },
        };

        return call_main(methods, argc, argv);
}
