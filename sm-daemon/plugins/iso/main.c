/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volume plugin "iso": the CD images of a directory, to which nothing is ever written. A disk is a file whose name
 * ends in .iso or .img; the name is its key. One executable, a link to it for each method. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../call.h"
#include "../directory/location.h"
#include "config.h"

static json_t *plugin_query(json_t *args, Failure *failure)
{
        (void)args;
        (void)failure;
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[s,s,s,s,s,s,s,s], s:{s:s}, s:[]}", "plugin",
                         "iso", "name", "ISO", "description", "CD images in a directory of this host",
                         "vendor", "XAPI toolstack", "copyright", "LGPL-2.1-or-later", "version",
                         XAPI_VERSION, "required_api_version", "5.0", "features", "SR_ATTACH", "SR_DETACH",
                         "SR_CREATE", "SR_DESTROY", "SR_PROBE", "VDI_ATTACH", "VDI_DETACH", "STABLE_URI",
                         "configuration", "location", "the directory's absolute path",
                         "required_cluster_stack");
}

static bool is_image(const char *name)
{
        size_t len = strlen(name);

        return name[0] != '.' && len > 4 && strchr(name, '/') == NULL &&
               (strcasecmp(name + len - 4, ".iso") == 0 || strcasecmp(name + len - 4, ".img") == 0);
}

/* NULL: there is no such image. Links are not followed: whoever may put files here is not thereby to read others. */
static json_t *describe(int directory, const char *location, const char *name)
{
        json_t *volume;
        struct stat st;
        char *uri;

        if (!is_image(name) || fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                return NULL;
        uri = location_uri("file", location, name);
        /* NULL too where the name is no UTF-8. */
        volume = json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:[s], s:{}}", "key", name, "name", name,
                           "description", "", "read_write", false, "sharable", true, "virtual_size",
                           (json_int_t)st.st_size, "physical_utilisation", (json_int_t)st.st_blocks * 512,
                           "uri", uri, "keys");
        free(uri);
        return volume;
}

static json_t *describe_all(int directory, const char *location, Failure *failure)
{
        json_t *volumes, *volume;
        struct dirent *entry;
        DIR *dir;
        int fd;

        fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (dir == NULL)
                return fail_errno(failure, -errno, location);
        volumes = json_array();
        while ((entry = readdir(dir)) != NULL) {
                volume = describe(directory, location, entry->d_name);
                if (volume != NULL)
                        json_array_append_new(volumes, volume);
        }
        closedir(dir);
        return volumes;
}

static json_t *describe_sr(int directory, const char *location, Failure *failure)
{
        struct statvfs st;

        if (fstatvfs(directory, &st) < 0)
                return fail_errno(failure, -errno, location);
        return json_pack("{s:s, s:s, s:s, s:I, s:I, s:[], s:b, s:[s,s]}", "sr", location, "name", location,
                         "description", "", "free_space", (json_int_t)(st.f_bavail * st.f_frsize),
                         "total_space", (json_int_t)(st.f_blocks * st.f_frsize), "datasources", "clustered",
                         false, "health", "Healthy", "");
}

typedef json_t *(*InDirectory)(int directory, const char *location, Failure *failure);

static json_t *in_directory(const char *location, InDirectory function, Failure *failure)
{
        int fd = location != NULL ? location_open(location, failure) : -1;
        json_t *result = fd >= 0 ? function(fd, location, failure) : NULL;

        if (fd >= 0)
                close(fd);
        return result;
}

static json_t *named(int directory, const char *location, Failure *failure)
{
        (void)directory;
        (void)failure;
        return json_string(location);
}

/* There is nothing to be made; the directory must be there, and stays when the repository goes. */
static json_t *sr_create(json_t *args, Failure *failure)
{
        json_t *location = in_directory(location_configured(args, failure), named, failure);

        json_decref(location);
        return location != NULL ? json_incref(json_object_get(args, "configuration")) : NULL;
}

static json_t *sr_attach(json_t *args, Failure *failure)
{
        return in_directory(location_configured(args, failure), named, failure);
}

static json_t *sr_nothing(json_t *args, Failure *failure)
{
        return arg_string(args, "sr", failure) != NULL ? json_null() : NULL;
}

static json_t *sr_probe(json_t *args, Failure *failure)
{
        json_t *sr = in_directory(location_configured(args, failure), describe_sr, failure);

        if (sr == NULL)
                return NULL;
        return json_pack("[{s:{s:O}, s:b, s:o, s:{}}]", "configuration", "location",
                         json_object_get(sr, "sr"), "complete", true, "sr", sr, "extra_info");
}

static json_t *sr_stat(json_t *args, Failure *failure)
{
        return in_directory(arg_string(args, "sr", failure), describe_sr, failure);
}

static json_t *sr_ls(json_t *args, Failure *failure)
{
        return in_directory(arg_string(args, "sr", failure), describe_all, failure);
}

static json_t *volume_stat(json_t *args, Failure *failure)
{
        const char *location = arg_string(args, "sr", failure);
        const char *key = location != NULL ? arg_string(args, "key", failure) : NULL;
        int fd = key != NULL ? location_open(location, failure) : -1;
        json_t *volume;

        if (fd < 0)
                return NULL;
        volume = describe(fd, location, key);
        close(fd);
        return volume != NULL ? volume : fail(failure, "Volume_does_not_exist", 1, key);
}

int main(int argc, char **argv)
{
        static const Method methods[] = {
                { "Plugin.Query", plugin_query },
                { "SR.probe", sr_probe },
                { "SR.create", sr_create },
                { "SR.attach", sr_attach },
                { "SR.detach", sr_nothing },
                { "SR.destroy", sr_nothing },
                { "SR.stat", sr_stat },
                /* Names are the caller's alone to keep. */
                { "SR.set_name", sr_nothing },
                { "SR.set_description", sr_nothing },
                { "SR.ls", sr_ls },
                { "Volume.stat", volume_stat },
                { NULL, NULL },
        };

        return call_main(methods, argc, argv);
}
