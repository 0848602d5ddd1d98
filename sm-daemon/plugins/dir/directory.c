/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "disk.h"
#include "document.h"

/* An absolute path without "..": what was agreed on is what is used. */
static bool location_valid(const char *location)
{
        const char *p = location;

        if (location[0] != '/' || strlen(location) > DIRECTORY_LOCATION_MAX)
                return false;
        while ((p = strstr(p, "/..")) != NULL) {
                if (p[3] == '/' || p[3] == '\0')
                        return false;
                p += 3;
        }
        return true;
}

static const char *configured_location(json_t *args, Failure *failure)
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

static bool document_valid(json_t *document, Failure *failure)
{
        json_t *version = json_object_get(document, "version");

        if (!json_is_string(json_object_get(document, "uuid")) ||
            !json_is_string(json_object_get(document, "name")) ||
            !json_is_string(json_object_get(document, "description")) || !json_is_integer(version)) {
                fail(failure, FAILURE_SR_GENERAL, 3, "", "The storage repository is damaged",
                     DIRECTORY_DOCUMENT);
                return false;
        }
        if (json_integer_value(version) > DIRECTORY_VERSION) {
                fail(failure, FAILURE_SR_GENERAL, 3, "", "The storage repository was made by a newer version",
                     DIRECTORY_DOCUMENT);
                return false;
        }
        return true;
}

Directory *directory_open(const char *location, Failure *failure)
{
        Directory *directory;
        json_t *document;
        int fd, r;

        if (!location_valid(location))
                return fail(failure, "Sr_not_attached", 1, location);
        fd = open(location, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return fail_errno(failure, -errno, location);
        r = document_read(fd, DIRECTORY_DOCUMENT, &document);
        if (r < 0) {
                close(fd);
                return fail_errno(failure, r, "No storage repository was created here: " DIRECTORY_DOCUMENT);
        }
        if (!document_valid(document, failure)) {
                json_decref(document);
                close(fd);
                return NULL;
        }
        directory = malloc(sizeof(*directory));
        *directory = (Directory){ .fd = fd, .location = strdup(location), .document = document };
        return directory;
}

void directory_close(Directory *directory)
{
        if (directory == NULL)
                return;
        close(directory->fd);
        json_decref(directory->document);
        free(directory->location);
        free(directory);
}

static Directory *directory_of(json_t *args, Failure *failure)
{
        const char *sr = arg_string(args, "sr", failure);

        return sr != NULL ? directory_open(sr, failure) : NULL;
}

static json_t *stat_document(Directory *directory, Failure *failure)
{
        struct statvfs st;

        if (fstatvfs(directory->fd, &st) < 0)
                return fail_errno(failure, -errno, directory->location);
        return json_pack("{s:s, s:O, s:O, s:O, s:I, s:I, s:[], s:b, s:[s,s]}", "sr", directory->location,
                         "name", json_object_get(directory->document, "name"), "uuid",
                         json_object_get(directory->document, "uuid"), "description",
                         json_object_get(directory->document, "description"), "free_space",
                         (json_int_t)(st.f_bavail * st.f_frsize), "total_space",
                         (json_int_t)(st.f_blocks * st.f_frsize), "datasources", "clustered", false, "health",
                         "Healthy", "");
}

json_t *directory_probe(json_t *args, Failure *failure)
{
        const char *location = configured_location(args, failure);
        Failure ignored;
        Directory *directory;
        json_t *sr = NULL, *result;

        if (location == NULL)
                return NULL;
        directory = directory_open(location, &ignored);
        if (directory != NULL)
                sr = stat_document(directory, failure);
        directory_close(directory);
        if (directory != NULL && sr == NULL)
                return NULL;
        result = json_pack("{s:{s:s}, s:b, s:{}}", "configuration", "location", location, "complete", true,
                           "extra_info");
        if (sr != NULL)
                json_object_set_new(result, "sr", sr);
        return json_pack("[o]", result);
}

/* Writes sr.json unless it is there already, from the same call. */
static json_t *create_in(int fd, json_t *args, json_t *document, Failure *failure)
{
        json_t *old;
        int r;

        r = document_read(fd, DIRECTORY_DOCUMENT, &old);
        if (r == 0) {
                bool same = json_equal(json_object_get(old, "uuid"), json_object_get(document, "uuid"));

                json_decref(old);
                if (!same)
                        return fail(failure, FAILURE_SR_GENERAL, 3, "",
                                    "The directory holds a storage repository already", "");
                return json_incref(json_object_get(args, "configuration"));
        }
        if (r == -ENOENT)
                r = document_write(fd, DIRECTORY_DOCUMENT, document);
        if (r < 0)
                return fail_errno(failure, r, DIRECTORY_DOCUMENT);
        return json_incref(json_object_get(args, "configuration"));
}

json_t *directory_create(json_t *args, Failure *failure)
{
        const char *location = configured_location(args, failure);
        const char *uuid = location != NULL ? arg_string(args, "uuid", failure) : NULL;
        const char *name = uuid != NULL ? arg_string(args, "name", failure) : NULL;
        const char *description = name != NULL ? arg_string(args, "description", failure) : NULL;
        json_t *document, *result;
        int fd;

        if (description == NULL)
                return NULL;
        if (strlen(name) > DISK_TEXT_MAX || strlen(description) > DISK_TEXT_MAX)
                return fail(failure, FAILURE_BAD_CALL, 3, "", "A text is too long", "");
        if (mkdir(location, 0700) < 0 && errno != EEXIST)
                return fail_errno(failure, -errno, location);
        fd = open(location, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return fail_errno(failure, -errno, location);
        document = json_pack("{s:i, s:s, s:s, s:s}", "version", DIRECTORY_VERSION, "uuid", uuid, "name", name,
                             "description", description);
        result = create_in(fd, args, document, failure);
        json_decref(document);
        close(fd);
        return result;
}

json_t *directory_attach(json_t *args, Failure *failure)
{
        const char *location = configured_location(args, failure);
        Directory *directory = location != NULL ? directory_open(location, failure) : NULL;
        json_t *result;
        int r;

        if (directory == NULL)
                return NULL;
        /* Nothing else uses the directory now: what killed calls left behind can go. */
        r = disk_sweep(directory->fd);
        result = r < 0 ? fail_errno(failure, r, location) : json_string(location);
        directory_close(directory);
        return result;
}

json_t *directory_detach(json_t *args, Failure *failure)
{
        return arg_string(args, "sr", failure) != NULL ? json_null() : NULL;
}

json_t *directory_destroy(json_t *args, Failure *failure)
{
        Directory *directory = directory_of(args, failure);
        json_t *result = NULL;
        int count;

        if (directory == NULL)
                return NULL;
        count = disk_sweep(directory->fd);
        if (count == 0)
                count = disk_count(directory->fd);
        if (count > 0)
                fail(failure, "SR_NOT_EMPTY", 0);
        else if (count < 0 || unlinkat(directory->fd, DIRECTORY_DOCUMENT, 0) < 0 || fsync(directory->fd) < 0)
                fail_errno(failure, count < 0 ? count : -errno, directory->location);
        else
                result = json_null();
        /* Stays when anything else is in it, or mounted on it. */
        if (result != NULL)
                rmdir(directory->location);
        directory_close(directory);
        return result;
}

json_t *directory_stat(json_t *args, Failure *failure)
{
        Directory *directory = directory_of(args, failure);
        json_t *result = directory != NULL ? stat_document(directory, failure) : NULL;

        directory_close(directory);
        return result;
}

static json_t *set_text(json_t *args, const char *member, const char *argument, Failure *failure)
{
        const char *text = arg_string(args, argument, failure);
        Directory *directory = text != NULL ? directory_of(args, failure) : NULL;
        int r;

        if (directory == NULL)
                return NULL;
        r = disk_document_set(directory->document, member, NULL, text);
        if (r == 0)
                r = document_write(directory->fd, DIRECTORY_DOCUMENT, directory->document);
        directory_close(directory);
        return r < 0 ? fail_errno(failure, r, member) : json_null();
}

json_t *directory_set_name(json_t *args, Failure *failure)
{
        return set_text(args, "name", "new_name", failure);
}

json_t *directory_set_description(json_t *args, Failure *failure)
{
        return set_text(args, "description", "new_description", failure);
}

json_t *directory_ls(json_t *args, Failure *failure)
{
        Directory *directory = directory_of(args, failure);
        json_t *volumes = NULL;
        int r;

        if (directory == NULL)
                return NULL;
        r = disk_list(directory->fd, directory->location, &volumes);
        if (r < 0)
                fail_errno(failure, r, directory->location);
        directory_close(directory);
        return volumes;
}
