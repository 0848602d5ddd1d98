/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "volume.h"

#include <errno.h>
#include <string.h>

#include "chain.h"
#include "directory.h"
#include "disk.h"

/* A volume's key that says in which format it is to be made; upstream's, as sm_config:image-format. */
#define KEY_IMAGE_FORMAT "sm_config.image-format"

/* A disk that a call names, in its directory. */
typedef struct Target {
        Directory *directory;
        const char *key; /* valid as a key; the disk may be missing */
} Target;

static void *fail_disk(Failure *failure, int r, const char *key)
{
        switch (r) {
        case -ENOENT:
                return fail(failure, "Volume_does_not_exist", 1, key);
        case -EBADMSG:
                return fail(failure, FAILURE_SR_GENERAL, 3, "", "The disk is damaged", key);
        case -EMLINK:
                return fail(failure, FAILURE_SR_GENERAL, 3, "",
                            "The disk has too many snapshots on each other", key);
        case -EOPNOTSUPP:
                return fail(failure, FAILURE_SR_GENERAL, 3, "", "qemu-img is not installed", key);
        case -EBUSY:
                return fail(failure, FAILURE_SR_GENERAL, 3, "",
                            "The disk was written to while it was being copied, and this file system cannot "
                            "copy it in one "
                            "step",
                            key);
        default:
                return fail_errno(failure, r, key);
        }
}

static bool target_open(json_t *args, Target *ret, Failure *failure)
{
        const char *sr = arg_string(args, "sr", failure);
        const char *key = sr != NULL ? arg_string(args, "key", failure) : NULL;
        Directory *directory;

        if (key == NULL)
                return false;
        if (!image_key_valid(key)) {
                fail(failure, "Volume_does_not_exist", 1, key);
                return false;
        }
        directory = directory_open(sr, failure);
        if (directory == NULL)
                return false;
        *ret = (Target){ .directory = directory, .key = key };
        return true;
}

/* Closes the target. */
static json_t *target_result(Target *target, int r, Failure *failure)
{
        json_t *result = r < 0 ? fail_disk(failure, r, target->key) : json_null();

        directory_close(target->directory);
        return result;
}

/* The new disk as a volume, if it was made. */
static json_t *made(const Directory *directory, int r, const char *key, const char *blamed, Failure *failure)
{
        json_t *volume;

        if (r == 0)
                r = disk_volume(directory, key, &volume);
        return r < 0 ? fail_disk(failure, r, blamed) : volume;
}

/* What the call asks for, or what is usual in the directory. */
static bool format_of(const Directory *directory, json_t *args, ImageFormat *ret, Failure *failure)
{
        const char *name =
            json_string_value(json_object_get(json_object_get(args, "keys"), KEY_IMAGE_FORMAT));

        *ret = directory->format;
        if (name == NULL)
                return true;
        if (!image_format_parse(name, ret) || (*ret != IMAGE_RAW && !directory->type->layers)) {
                fail(failure, FAILURE_SR_GENERAL, 3, "",
                     "This storage repository has no images of that format", name);
                return false;
        }
        return true;
}

static json_t *create_in(Directory *directory, json_t *args, Failure *failure)
{
        const char *name = arg_string(args, "name", failure);
        const char *description = name != NULL ? arg_string(args, "description", failure) : NULL;
        char key[IMAGE_KEY_LEN + 1];
        ImageFormat format;
        json_t *document;
        int64_t size;
        bool sharable;
        int r;

        if (description == NULL || !format_of(directory, args, &format, failure) ||
            !arg_int(args, "size", &size, failure) || !arg_bool(args, "sharable", &sharable, failure))
                return NULL;
        if (image_size_round(size, &size) < 0)
                return fail(failure, FAILURE_VDI_SIZE, 3, "", "The size is not between 1 byte and 64 TiB",
                            "");
        if (disk_document_new(name, description, sharable, json_object_get(args, "keys"), &document) < 0)
                return fail(failure, FAILURE_BAD_CALL, 3, "", "A text is too long", "");
        r = key_new(key);
        if (r == 0)
                r = disk_create(directory->fd, key, document, format, size);
        json_decref(document);
        return made(directory, r, key, key, failure);
}

json_t *volume_create(json_t *args, Failure *failure)
{
        const char *sr = arg_string(args, "sr", failure);
        Directory *directory = sr != NULL ? directory_open(sr, failure) : NULL;
        json_t *volume;

        if (directory == NULL)
                return NULL;
        volume = create_in(directory, args, failure);
        directory_close(directory);
        return volume;
}

/* The document of a copy: the source's, less its keys, plus what the call gives. */
static int copy_document(json_t *source, json_t *args, bool read_write, json_t **ret)
{
        json_t *name = json_object_get(args, "name"), *description = json_object_get(args, "description");
        int r;

        if (name == NULL)
                name = json_object_get(source, "name");
        if (description == NULL)
                description = json_object_get(source, "description");
        if (!json_is_string(name) || !json_is_string(description))
                return -EINVAL;
        r = disk_document_new(json_string_value(name), json_string_value(description),
                              json_is_true(json_object_get(source, "sharable")),
                              json_object_get(args, "keys"), ret);
        if (r == 0)
                json_object_set_new(*ret, "read_write", json_boolean(read_write));
        return r;
}

typedef enum CopyKind { COPY_CLONE, COPY_SNAPSHOT, COPY_FULL } CopyKind;

static json_t *copy_of(const Target *target, json_t *source, const Directory *to, json_t *document,
                       CopyKind kind, ImageFormat format, Failure *failure)
{
        const Directory *directory = target->directory;
        char key[IMAGE_KEY_LEN + 1];
        int r;

        r = key_new(key);
        if (r == 0 && directory->type->layers && kind != COPY_FULL)
                r = disk_layer(directory->fd, key, document, target->key,
                               json_is_true(json_object_get(source, "read_write")), kind == COPY_SNAPSHOT);
        else if (r == 0)
                r = disk_copy(directory, target->key, to, key, document, format);
        return made(to, r, key, target->key, failure);
}

static json_t *copy_into(Target *target, const Directory *to, json_t *args, CopyKind kind, Failure *failure)
{
        json_t *source, *document, *volume = NULL;
        ImageFormat format;
        int r;

        r = disk_document_read(target->directory->fd, target->key, &source);
        if (r < 0)
                return fail_disk(failure, r, target->key);
        if (copy_document(source, args, kind != COPY_SNAPSHOT, &document) < 0) {
                fail(failure, FAILURE_BAD_CALL, 3, "", "A text is too long, or none", "");
        } else {
                if (format_of(to, args, &format, failure))
                        volume = copy_of(target, source, to, document, kind, format, failure);
                json_decref(document);
        }
        json_decref(source);
        return volume;
}

static json_t *copy(json_t *args, CopyKind kind, Failure *failure)
{
        json_t *volume;
        Target target;

        if (!target_open(args, &target, failure))
                return NULL;
        volume = copy_into(&target, target.directory, args, kind, failure);
        directory_close(target.directory);
        return volume;
}

json_t *volume_clone(json_t *args, Failure *failure)
{
        return copy(args, COPY_CLONE, failure);
}

json_t *volume_snapshot(json_t *args, Failure *failure)
{
        return copy(args, COPY_SNAPSHOT, failure);
}

json_t *volume_copy(json_t *args, Failure *failure)
{
        const char *place = arg_string(args, "dest_sr", failure);
        json_t *volume = NULL;
        Directory *to;
        Target target;

        if (place == NULL || !target_open(args, &target, failure))
                return NULL;
        to = directory_open_any(place, failure);
        if (to != NULL)
                volume = copy_into(&target, to, args, COPY_FULL, failure);
        directory_close(to);
        directory_close(target.directory);
        return volume;
}

json_t *volume_destroy(json_t *args, Failure *failure)
{
        Target target;

        if (!target_open(args, &target, failure))
                return NULL;
        return target_result(&target, disk_destroy(target.directory, target.key), failure);
}

json_t *volume_resize(json_t *args, Failure *failure)
{
        Target target;
        int64_t size;
        int r;

        if (!arg_int(args, "new_size", &size, failure))
                return NULL;
        if (image_size_round(size, &size) < 0)
                return fail(failure, FAILURE_VDI_SIZE, 3, "", "The size is not between 1 byte and 64 TiB",
                            "");
        if (!target_open(args, &target, failure))
                return NULL;
        r = disk_grow(target.directory->fd, target.key, size);
        if (r == -EINVAL) {
                directory_close(target.directory);
                return fail(failure, FAILURE_VDI_SIZE, 3, "", "A disk cannot be made smaller", target.key);
        }
        return target_result(&target, r, failure);
}

json_t *volume_stat(json_t *args, Failure *failure)
{
        json_t *volume;
        Target target;
        int r;

        if (!target_open(args, &target, failure))
                return NULL;
        r = disk_volume(target.directory, target.key, &volume);
        if (r < 0)
                return target_result(&target, r, failure);
        directory_close(target.directory);
        return volume;
}

/* Changes one text of the document; value NULL removes a key. */
static json_t *change(json_t *args, const char *member, const char *key, const char *value, Failure *failure)
{
        json_t *document;
        Target target;
        int r;

        if (!target_open(args, &target, failure))
                return NULL;
        r = disk_document_read(target.directory->fd, target.key, &document);
        if (r < 0)
                return target_result(&target, r, failure);
        r = disk_document_set(document, member, key, value);
        if (r == 0)
                r = disk_document_write(target.directory->fd, target.key, document);
        json_decref(document);
        return target_result(&target, r, failure);
}

json_t *volume_set_name(json_t *args, Failure *failure)
{
        const char *name = arg_string(args, "new_name", failure);

        return name != NULL ? change(args, "name", NULL, name, failure) : NULL;
}

json_t *volume_set_description(json_t *args, Failure *failure)
{
        const char *description = arg_string(args, "new_description", failure);

        return description != NULL ? change(args, "description", NULL, description, failure) : NULL;
}

json_t *volume_set(json_t *args, Failure *failure)
{
        const char *key = arg_string(args, "k", failure);
        const char *value = key != NULL ? arg_string(args, "v", failure) : NULL;

        return value != NULL ? change(args, "keys", key, value, failure) : NULL;
}

json_t *volume_unset(json_t *args, Failure *failure)
{
        const char *key = arg_string(args, "k", failure);

        return key != NULL ? change(args, "keys", key, NULL, failure) : NULL;
}

json_t *volume_chain(json_t *args, Failure *failure)
{
        json_t *names;
        Target target;
        int r;

        if (!target_open(args, &target, failure))
                return NULL;
        r = chain_names(target.directory->fd, target.key, &names);
        if (r < 0)
                return target_result(&target, r, failure);
        for (size_t i = 0; i < json_array_size(names); i++)
                json_array_set_new(names, i,
                                   json_sprintf("%s/%s", target.directory->location,
                                                json_string_value(json_array_get(names, i))));
        directory_close(target.directory);
        return names;
}

json_t *volume_coalesce(json_t *args, Failure *failure)
{
        Target target;
        int r;

        if (!target_open(args, &target, failure))
                return NULL;
        r = chain_coalesce(target.directory->fd, target.key);
        if (r < 0)
                return target_result(&target, r, failure);
        directory_close(target.directory);
        return json_boolean(r);
}

json_t *volume_set_top(json_t *args, Failure *failure)
{
        const char *path = arg_string(args, "path", failure);
        const char *slash = path != NULL ? strrchr(path, '/') : NULL;
        Target target;
        int r;

        if (path == NULL || !target_open(args, &target, failure))
                return NULL;
        r = chain_set_top(target.directory->fd, target.key, slash != NULL ? slash + 1 : path);
        if (r == -EINVAL) {
                directory_close(target.directory);
                return fail(failure, FAILURE_SR_GENERAL, 3, "", "That image cannot become the disk's", path);
        }
        return target_result(&target, r, failure);
}
