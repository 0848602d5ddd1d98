/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "chain.h"
#include "disk.h"
#include "document.h"
#include "location.h"

/* Names that upstream's storage managers know, too. */
#define CONFIGURED_FORMAT "preferred-image-formats" /* a list; the first that is known counts */

const DirectoryType directory_type_dir = {
        .name = "dir",
        .label = "Directory",
        .description = "Sparse raw disk images in a directory of this host",
        .raw_scheme = "file",
};
const DirectoryType directory_type_file = {
        .name = "file",
        .label = "File",
        .description = "Raw and qcow2 disk images in a directory of this host, with snapshots as layers",
        .raw_scheme = "raw+file",
        .layers = true,
};
const DirectoryType *directory_type;

static bool is_text(json_t *document, const char *member)
{
        return json_is_string(json_object_get(document, member));
}

static void *fail_damaged(Failure *failure, const char *why)
{
        return fail(failure, FAILURE_SR_GENERAL, 3, "", why, DIRECTORY_DOCUMENT);
}

static const DirectoryType *type_named(const char *name)
{
        static const DirectoryType *const types[] = { &directory_type_dir, &directory_type_file };

        for (size_t i = 0; name != NULL && i < sizeof(types) / sizeof(types[0]); i++)
                if (strcmp(types[i]->name, name) == 0)
                        return types[i];
        return NULL;
}

/* Takes from the document what the directory is. */
static bool take_document(Directory *directory, Failure *failure)
{
        json_t *document = directory->document, *version = json_object_get(document, "version");
        const char *format = json_string_value(json_object_get(document, "image_format"));

        if (!is_text(document, "uuid") || !is_text(document, "name") || !is_text(document, "description") ||
            !json_is_integer(version))
                return fail_damaged(failure, "The storage repository is damaged");
        if (json_integer_value(version) > DIRECTORY_VERSION)
                return fail_damaged(failure, "The storage repository was made by a newer version");
        if (json_integer_value(version) < DIRECTORY_VERSION)
                return fail_damaged(failure,
                                    "The storage repository was made by a version before the first release");
        directory->type = type_named(json_string_value(json_object_get(document, "type")));
        if (directory->type == NULL || format == NULL || !image_format_parse(format, &directory->format))
                return fail_damaged(failure, "The storage repository is damaged");
        return true;
}

Directory *directory_open_any(const char *location, Failure *failure)
{
        Directory *directory;
        json_t *document;
        int fd, r;

        fd = location_open(location, failure);
        if (fd < 0)
                return NULL;
        r = document_read(fd, DIRECTORY_DOCUMENT, &document);
        if (r < 0) {
                close(fd);
                return fail_errno(failure, r, "No storage repository was created here: " DIRECTORY_DOCUMENT);
        }
        directory = malloc(sizeof(*directory));
        *directory = (Directory){ .fd = fd, .location = strdup(location), .document = document };
        if (!take_document(directory, failure)) {
                directory_close(directory);
                return NULL;
        }
        return directory;
}

Directory *directory_open(const char *location, Failure *failure)
{
        Directory *directory = directory_open_any(location, failure);

        if (directory == NULL || directory->type == directory_type)
                return directory;
        directory_close(directory);
        return fail_damaged(failure, "The storage repository is of another type");
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
        const char *location = location_configured(args, failure);
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

/* The format of disks for which none is asked. */
static ImageFormat configured_format(json_t *args)
{
        const char *list =
            json_string_value(json_object_get(json_object_get(args, "configuration"), CONFIGURED_FORMAT));
        ImageFormat format = IMAGE_RAW;
        char *copy, *name, *rest;

        if (list == NULL || !directory_type->layers)
                return IMAGE_RAW;
        copy = rest = strdup(list);
        while ((name = strsep(&rest, ", ")) != NULL)
                if (image_format_parse(name, &format))
                        break;
        free(copy);
        return format;
}

json_t *directory_create(json_t *args, Failure *failure)
{
        const char *location = location_configured(args, failure);
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
        fd = location_open(location, failure);
        if (fd < 0)
                return NULL;
        document = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "version", DIRECTORY_VERSION, "type",
                             directory_type->name, "image_format", image_format_name(configured_format(args)),
                             "uuid", uuid, "name", name, "description", description);
        result = create_in(fd, args, document, failure);
        json_decref(document);
        close(fd);
        return result;
}

json_t *directory_attach(json_t *args, Failure *failure)
{
        const char *location = location_configured(args, failure);
        Directory *directory = location != NULL ? directory_open(location, failure) : NULL;
        json_t *result;
        int r;

        if (directory == NULL)
                return NULL;
        /* What killed calls left behind. Where it cannot be told what is needed, all of it stays. */
        r = chain_collect(directory->fd, NULL);
        result = r < 0 && r != -EBADMSG ? fail_errno(failure, r, location) : json_string(location);
        directory_close(directory);
        return result;
}

json_t *directory_detach(json_t *args, Failure *failure)
{
        return arg_string(args, "sr", failure) != NULL ? json_null() : NULL;
}

/* The images of a directory without volumes. 0 or negative errno. */
static int sweep(int fd)
{
        int r = chain_collect(fd, NULL);

        return r < 0 ? r : 0;
}

json_t *directory_destroy(json_t *args, Failure *failure)
{
        Directory *directory = directory_of(args, failure);
        json_t *result = NULL;
        int count;

        if (directory == NULL)
                return NULL;
        count = disk_count(directory->fd);
        if (count == 0)
                count = sweep(directory->fd);
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
        r = disk_list(directory, &volumes);
        if (r < 0)
                fail_errno(failure, r, directory->location);
        directory_close(directory);
        return volumes;
}

/* Names of images as paths: with the directory before them. */
static void set_path(json_t *image, const char *member, const char *name_member, const char *location)
{
        json_t *name = json_object_get(image, name_member);

        if (name != NULL)
                json_object_set_new(image, member, json_sprintf("%s/%s", location, json_string_value(name)));
}

json_t *directory_images(json_t *args, Failure *failure)
{
        Directory *directory = directory_of(args, failure);
        json_t *images = NULL;
        int r;

        if (directory == NULL)
                return NULL;
        r = chain_images(directory->fd, &images);
        if (r < 0)
                fail_errno(failure, r, directory->location);
        for (size_t i = 0; i < json_array_size(images); i++) {
                json_t *image = json_array_get(images, i);

                set_path(image, "path", "name", directory->location);
                set_path(image, "backing", "backing", directory->location);
                json_object_del(image, "name");
        }
        directory_close(directory);
        return images;
}

/* The names of the files of this directory among the paths. */
static json_t *names_of(json_t *paths, const char *location)
{
        json_t *names = json_array();
        size_t len = strlen(location);

        for (size_t i = 0; i < json_array_size(paths); i++) {
                const char *path = json_string_value(json_array_get(paths, i));

                if (path != NULL && strncmp(path, location, len) == 0 && path[len] == '/')
                        json_array_append_new(names, json_string(path + len + 1));
        }
        return names;
}

json_t *directory_collect(json_t *args, Failure *failure)
{
        Directory *directory = directory_of(args, failure);
        json_t *busy;
        int r;

        if (directory == NULL)
                return NULL;
        busy = names_of(json_object_get(args, "busy"), directory->location);
        r = chain_collect(directory->fd, busy);
        json_decref(busy);
        if (r < 0)
                fail_errno(failure, r, directory->location);
        directory_close(directory);
        return r < 0 ? NULL : json_integer(r);
}
