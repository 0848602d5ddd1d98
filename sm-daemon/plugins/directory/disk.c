/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "chain.h"
#include "document.h"
#include "location.h"
#include "raw.h"

#define DOCUMENT_SUFFIX    ".json"
#define DOCUMENT_NAME_SIZE (IMAGE_KEY_LEN + sizeof(DOCUMENT_SUFFIX DOCUMENT_PART))

static void document_name(char name[DOCUMENT_NAME_SIZE], const char *key)
{
        snprintf(name, DOCUMENT_NAME_SIZE, "%.*s" DOCUMENT_SUFFIX, (int)IMAGE_KEY_LEN, key);
}

/* Whether the name is a key and then the suffix. */
static bool is_key_with(const char *name, const char *suffix, char key[IMAGE_KEY_LEN + 1])
{
        if (strlen(name) <= IMAGE_KEY_LEN || strcmp(name + IMAGE_KEY_LEN, suffix) != 0)
                return false;
        memcpy(key, name, IMAGE_KEY_LEN);
        key[IMAGE_KEY_LEN] = '\0';
        return image_key_valid(key);
}

bool disk_document_name_parse(const char *name, char key[IMAGE_KEY_LEN + 1])
{
        return is_key_with(name, DOCUMENT_SUFFIX, key);
}

bool disk_leftover(const char *name)
{
        char key[IMAGE_KEY_LEN + 1];

        return is_key_with(name, DOCUMENT_SUFFIX DOCUMENT_PART, key) ||
               is_key_with(name, ".raw" IMAGE_PART, key) || is_key_with(name, ".qcow2" IMAGE_PART, key);
}

static bool text_valid(json_t *text)
{
        return json_is_string(text) && json_string_length(text) <= DISK_TEXT_MAX;
}

int disk_document_new(const char *name, const char *description, bool sharable, json_t *keys, json_t **ret)
{
        const char *key;
        json_t *value;

        if (strlen(name) > DISK_TEXT_MAX || strlen(description) > DISK_TEXT_MAX)
                return -EINVAL;
        json_object_foreach(keys, key, value) if (!text_valid(value)) return -EINVAL;
        *ret = json_pack("{s:s, s:s, s:b, s:b, s:o}", "name", name, "description", description, "read_write",
                         true, "sharable", sharable, "keys", keys != NULL ? json_copy(keys) : json_object());
        return *ret != NULL ? 0 : -EINVAL;
}

int disk_document_set(json_t *document, const char *member, const char *key, const char *value)
{
        json_t *object = key != NULL ? json_object_get(document, member) : document;
        const char *name = key != NULL ? key : member;

        if (value == NULL) {
                assert(key != NULL);
                json_object_del(object, name);
                return 0;
        }
        if (strlen(value) > DISK_TEXT_MAX || strlen(name) > DISK_TEXT_MAX)
                return -EINVAL;
        return json_object_set_new(object, name, json_string(value)) < 0 ? -EINVAL : 0;
}

int disk_document_write(int directory, const char *key, json_t *document)
{
        char name[DOCUMENT_NAME_SIZE];

        document_name(name, key);
        return document_write(directory, name, document);
}

/* What is made between this and `end` is not swept away by others meanwhile. */
static int begin(int directory)
{
        return flock(directory, LOCK_SH) < 0 ? -errno : 0;
}

static int end(int directory, int r)
{
        flock(directory, LOCK_UN);
        return r;
}

/* The image is there; makes a volume of it, or removes it. */
static int make_volume(int directory, const char *key, json_t *document, const char *image)
{
        char name[DOCUMENT_NAME_SIZE];
        int r;

        r = fsync(directory) < 0 ? -errno : disk_document_write(directory, key, document);
        if (r < 0) {
                document_name(name, key);
                unlinkat(directory, name, 0);
                unlinkat(directory, image, 0);
        }
        return r;
}

int disk_create(int directory, const char *key, json_t *document, ImageFormat format, int64_t size_bytes)
{
        char name[IMAGE_NAME_SIZE];
        int r;

        image_name(name, key, format);
        r = begin(directory);
        if (r < 0)
                return r;
        r = image_create(directory, name, format, size_bytes, NULL);
        if (r == 0)
                r = make_volume(directory, key, document, name);
        else if (r != -EEXIST)
                unlinkat(directory, name, 0);
        return end(directory, r);
}

/* By an absolute path, for the program works in the target's directory. */
static int convert(const Directory *from, const Image *image, const Directory *to, const char *name,
                   ImageFormat format)
{
        char *source;
        int r;

        if (asprintf(&source, "%s/%s", from->location, image->name) < 0)
                return -ENOMEM;
        r = image_convert(source, image->format, to->fd, name, format);
        free(source);
        return r;
}

static int fill_copy(const Directory *from, const char *source, const Directory *to, int fd, const char *name,
                     ImageFormat format)
{
        Image image;
        int source_fd, r;

        r = image_find(from->fd, source, &image);
        if (r < 0)
                return r;
        if (image.format != IMAGE_RAW || format != IMAGE_RAW || from->type->layers) {
                r = convert(from, &image, to, name, format);
                return r == 0 && fsync(fd) < 0 ? -errno : r;
        }
        source_fd = openat(from->fd, image.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (source_fd < 0)
                return -errno;
        r = raw_copy(source_fd, fd);
        close(source_fd);
        return r;
}

/* The image is whole, and gets its name. */
static int end_copy(int directory, const char *part, const char *name, const char *key, json_t *document)
{
        int r;

        r = begin(directory);
        if (r < 0)
                return r;
        r = renameat(directory, part, directory, name) < 0 ? -errno
                                                           : make_volume(directory, key, document, name);
        return end(directory, r);
}

/* The file for a half-made image, locked, by which others know that it is nobody's leftover. */
static int begin_copy(int directory, const char *part)
{
        int fd, r;

        r = begin(directory);
        if (r < 0)
                return r;
        fd = openat(directory, part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return end(directory, -errno);
        r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
        if (r < 0)
                close(fd);
        return end(directory, r < 0 ? r : fd);
}

/* It takes long, so others are not kept from sweeping between the two. */
int disk_copy(const Directory *from, const char *source, const Directory *to, const char *key,
              json_t *document, ImageFormat format)
{
        char name[IMAGE_NAME_SIZE], part[IMAGE_NAME_SIZE];
        int fd, r;

        image_name(name, key, format);
        snprintf(part, sizeof(part), "%.*s" IMAGE_PART, (int)(IMAGE_NAME_SIZE - sizeof(IMAGE_PART)), name);
        fd = begin_copy(to->fd, part);
        if (fd < 0)
                return fd;
        r = fill_copy(from, source, to, fd, part, format);
        if (r == 0)
                r = end_copy(to->fd, part, name, key, document);
        if (r < 0)
                unlinkat(to->fd, part, 0);
        close(fd);
        return r;
}

int disk_layer(int directory, const char *key, json_t *document, const char *source, bool source_writable,
               bool snapshot)
{
        int r;

        r = begin(directory);
        if (r < 0)
                return r;
        r = chain_copy(directory, source, source_writable, key, snapshot);
        /* If this fails, chain_collect finds out whether the image has become a part of the source's chain. */
        if (r == 0)
                r = disk_document_write(directory, key, document);
        return end(directory, r);
}

static int remove_images(int directory, const char *key)
{
        for (ImageFormat format = IMAGE_RAW; format <= IMAGE_QCOW2; format++) {
                char name[IMAGE_NAME_SIZE];

                image_name(name, key, format);
                if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
                        return -errno;
        }
        return 0;
}

int disk_destroy(const Directory *directory, const char *key)
{
        char name[DOCUMENT_NAME_SIZE];
        json_t *document;
        bool alone;
        int r;

        r = disk_document_read(directory->fd, key, &document);
        if (r == -ENOENT)
                return 0;
        if (r < 0 && r != -EBADMSG)
                return r;
        alone = !directory->type->layers || (r == 0 && json_is_true(json_object_get(document, "read_write")));
        if (r == 0)
                json_decref(document);
        document_name(name, key);
        if (unlinkat(directory->fd, name, 0) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (fsync(directory->fd) < 0)
                return -errno;
        return alone ? remove_images(directory->fd, key) : 0;
}

int disk_grow(int directory, const char *key, int64_t size_bytes)
{
        Image image;
        int r;

        r = image_find(directory, key, &image);
        return r < 0 ? r : image_grow(directory, &image, size_bytes);
}

static int document_check(json_t *document)
{
        json_t *keys = json_object_get(document, "keys");
        const char *key;
        json_t *value;

        if (!text_valid(json_object_get(document, "name")) ||
            !text_valid(json_object_get(document, "description")) ||
            !json_is_boolean(json_object_get(document, "read_write")) ||
            !json_is_boolean(json_object_get(document, "sharable")) || !json_is_object(keys))
                return -EBADMSG;
        json_object_foreach(keys, key, value) if (!text_valid(value)) return -EBADMSG;
        return 0;
}

int disk_document_read(int directory, const char *key, json_t **ret)
{
        char name[DOCUMENT_NAME_SIZE];
        json_t *document;
        int r;

        document_name(name, key);
        r = document_read(directory, name, &document);
        if (r < 0)
                return r;
        r = document_check(document);
        if (r < 0) {
                json_decref(document);
                return r;
        }
        *ret = document;
        return 0;
}

int disk_volume(const Directory *directory, const char *key, json_t **ret)
{
        json_t *volume;
        Image image;
        const char *scheme;
        char *uri;
        int r;

        r = disk_document_read(directory->fd, key, &volume);
        if (r < 0)
                return r;
        r = image_find(directory->fd, key, &image);
        if (r < 0) {
                json_decref(volume);
                return r == -ENOENT ? -EBADMSG : r;
        }
        scheme = image.format == IMAGE_QCOW2 ? "qcow2+file" : directory->type->raw_scheme;
        uri = location_uri(scheme, directory->location, image.name);
        json_object_set_new(volume, "key", json_string(key));
        json_object_set_new(volume, "uuid", json_string(key));
        json_object_set_new(volume, "virtual_size", json_integer(image.virtual_bytes));
        json_object_set_new(volume, "physical_utilisation", json_integer(image.physical_bytes));
        json_object_set_new(volume, "uri", json_pack("[s]", uri));
        free(uri);
        *ret = volume;
        return 0;
}

int disk_walk(int directory, int (*each)(int directory, const char *name, void *data), void *data)
{
        struct dirent *entry;
        DIR *dir;
        int fd, r = 0;

        fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (dir == NULL) {
                r = -errno;
                close(fd);
                return r;
        }
        for (;;) {
                errno = 0;
                entry = readdir(dir);
                if (entry == NULL) {
                        r = -errno;
                        break;
                }
                r = each(directory, entry->d_name, data);
                if (r != 0)
                        break;
        }
        closedir(dir);
        return r;
}

struct listing {
        const Directory *directory;
        json_t *volumes;
};

static int list_one(int fd, const char *name, void *data)
{
        struct listing *listing = data;
        char key[IMAGE_KEY_LEN + 1];
        json_t *volume;
        int r;

        (void)fd;
        if (!disk_document_name_parse(name, key))
                return 0;
        r = disk_volume(listing->directory, key, &volume);
        if (r < 0) {
                if (r != -ENOENT) /* destroyed meanwhile */
                        fprintf(stderr, "%s/%s is damaged: %s\n", listing->directory->location, key,
                                strerror(-r));
                return 0;
        }
        return json_array_append_new(listing->volumes, volume) < 0 ? -ENOMEM : 0;
}

int disk_list(const Directory *directory, json_t **ret)
{
        struct listing listing = { .directory = directory, .volumes = json_array() };
        int r;

        r = disk_walk(directory->fd, list_one, &listing);
        if (r < 0) {
                json_decref(listing.volumes);
                return r;
        }
        *ret = listing.volumes;
        return 0;
}

static int count_one(int directory, const char *name, void *data)
{
        char key[IMAGE_KEY_LEN + 1];
        int *count = data;

        (void)directory;
        *count += disk_document_name_parse(name, key);
        return 0;
}

int disk_count(int directory)
{
        int count = 0, r;

        r = disk_walk(directory, count_one, &count);
        return r < 0 ? r : count;
}
