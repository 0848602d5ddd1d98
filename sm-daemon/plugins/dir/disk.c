/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "document.h"
#include "image.h"

#define PART_NAME_SIZE (DISK_KEY_LEN + sizeof(DISK_PART))

bool disk_key_valid(const char *key)
{
        for (size_t i = 0; i < DISK_KEY_LEN; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;

                if (dash ? key[i] != '-' : key[i] == '\0' || strchr("0123456789abcdef", key[i]) == NULL)
                        return false;
        }
        return key[DISK_KEY_LEN] == '\0';
}

static void part_name(char *name, const char *key)
{
        snprintf(name, PART_NAME_SIZE, "%s%s", key, DISK_PART);
}

static int open_folder(int directory, const char *name)
{
        int fd;

        fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int close_with(int fd, int r)
{
        close(fd);
        return r;
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

/* Removes <key>.part, whatever is in it. */
static int remove_part(int directory, const char *part)
{
        int folder;

        folder = open_folder(directory, part);
        if (folder == -ENOENT)
                return 0;
        if (folder < 0)
                return folder;
        if ((unlinkat(folder, DISK_IMAGE, 0) < 0 && errno != ENOENT) ||
            (unlinkat(folder, DISK_DOCUMENT, 0) < 0 && errno != ENOENT) ||
            (unlinkat(folder, DISK_DOCUMENT ".new", 0) < 0 && errno != ENOENT) ||
            unlinkat(directory, part, AT_REMOVEDIR) < 0)
                return close_with(folder, -errno);
        return close_with(folder, 0);
}

static int fill_from(int directory, const char *source, int folder)
{
        int from_folder, from, r;

        from_folder = open_folder(directory, source);
        if (from_folder < 0)
                return from_folder;
        from = openat(from_folder, DISK_IMAGE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (from < 0)
                return close_with(from_folder, -errno);
        r = image_copy(from, folder, DISK_IMAGE);
        close(from);
        return close_with(from_folder, r);
}

static int fill(int directory, const char *part, json_t *document, int64_t size_bytes, const char *source)
{
        int folder, r;

        folder = open_folder(directory, part);
        if (folder < 0)
                return folder;
        r = source != NULL ? fill_from(directory, source, folder)
                           : image_create(folder, DISK_IMAGE, size_bytes);
        if (r == 0)
                r = document_write(folder, DISK_DOCUMENT, document);
        return close_with(folder, r);
}

int disk_make(int directory, const char *key, json_t *document, int64_t size_bytes, const char *source)
{
        char part[PART_NAME_SIZE];
        int r;

        assert((size_bytes > 0) != (source != NULL));
        part_name(part, key);
        if (mkdirat(directory, part, 0700) < 0)
                return -errno;
        r = fill(directory, part, document, size_bytes, source);
        if (r == 0 && renameat(directory, part, directory, key) < 0)
                r = -errno;
        if (r < 0) {
                remove_part(directory, part);
                return r;
        }
        return fsync(directory) < 0 ? -errno : 0;
}

int disk_destroy(int directory, const char *key)
{
        char part[PART_NAME_SIZE];
        int r;

        part_name(part, key);
        /* Of an earlier attempt to destroy it that was killed. */
        r = remove_part(directory, part);
        if (r < 0)
                return r;
        if (renameat(directory, key, directory, part) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (fsync(directory) < 0)
                return -errno;
        return remove_part(directory, part);
}

int disk_grow(int directory, const char *key, int64_t size_bytes)
{
        int folder;

        folder = open_folder(directory, key);
        if (folder < 0)
                return folder;
        return close_with(folder, image_grow(folder, DISK_IMAGE, size_bytes));
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

static int folder_document(int folder, json_t **ret)
{
        json_t *document;
        int r;

        r = document_read(folder, DISK_DOCUMENT, &document);
        if (r < 0)
                return r == -ENOENT ? -EBADMSG : r;
        r = document_check(document);
        if (r < 0) {
                json_decref(document);
                return r;
        }
        *ret = document;
        return 0;
}

int disk_document_read(int directory, const char *key, json_t **ret)
{
        int folder;

        folder = open_folder(directory, key);
        if (folder < 0)
                return folder;
        return close_with(folder, folder_document(folder, ret));
}

int disk_document_write(int directory, const char *key, json_t *document)
{
        int folder;

        folder = open_folder(directory, key);
        if (folder < 0)
                return folder;
        return close_with(folder, document_write(folder, DISK_DOCUMENT, document));
}

static char *image_uri(const char *location, const char *key)
{
        static const char unreserved[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
        size_t len = strlen(location);
        char *uri = malloc(sizeof("file://") + 3 * len + DISK_KEY_LEN + sizeof("//" DISK_IMAGE));
        char *p = stpcpy(uri, "file://");

        for (size_t i = 0; i < len; i++) {
                if (strchr(unreserved, location[i]) != NULL)
                        *p++ = location[i];
                else
                        p += sprintf(p, "%%%02X", (unsigned char)location[i]);
        }
        sprintf(p, "/%s/%s", key, DISK_IMAGE);
        return uri;
}

int disk_volume(int directory, const char *location, const char *key, json_t **ret)
{
        int64_t virtual_bytes, physical_bytes;
        json_t *volume;
        char *uri;
        int folder, r;

        folder = open_folder(directory, key);
        if (folder < 0)
                return folder;
        r = folder_document(folder, &volume);
        if (r < 0)
                return close_with(folder, r);
        r = image_stat(folder, DISK_IMAGE, &virtual_bytes, &physical_bytes);
        close(folder);
        if (r < 0) {
                json_decref(volume);
                return r == -ENOENT ? -EBADMSG : r;
        }
        uri = image_uri(location, key);
        json_object_set_new(volume, "key", json_string(key));
        json_object_set_new(volume, "uuid", json_string(key));
        json_object_set_new(volume, "virtual_size", json_integer(virtual_bytes));
        json_object_set_new(volume, "physical_utilisation", json_integer(physical_bytes));
        json_object_set_new(volume, "uri", json_pack("[s]", uri));
        free(uri);
        *ret = volume;
        return 0;
}

/* Calls `each` with every name in the directory until it returns other than 0. */
static int walk(int directory, int (*each)(int directory, const char *name, void *data), void *data)
{
        struct dirent *entry;
        DIR *dir;
        int fd, r = 0;

        fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (dir == NULL)
                return close_with(fd, -errno);
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
        const char *location;
        json_t *volumes;
};

static int list_one(int directory, const char *name, void *data)
{
        struct listing *listing = data;
        json_t *volume;
        int r;

        if (!disk_key_valid(name))
                return 0;
        r = disk_volume(directory, listing->location, name, &volume);
        if (r < 0) {
                if (r != -ENOENT) /* destroyed meanwhile */
                        fprintf(stderr, "%s/%s is damaged: %s\n", listing->location, name, strerror(-r));
                return 0;
        }
        return json_array_append_new(listing->volumes, volume) < 0 ? -ENOMEM : 0;
}

int disk_list(int directory, const char *location, json_t **ret)
{
        struct listing listing = { .location = location, .volumes = json_array() };
        int r;

        r = walk(directory, list_one, &listing);
        if (r < 0) {
                json_decref(listing.volumes);
                return r;
        }
        *ret = listing.volumes;
        return 0;
}

static int count_one(int directory, const char *name, void *data)
{
        int *count = data;

        (void)directory;
        *count += disk_key_valid(name);
        return 0;
}

int disk_count(int directory)
{
        int count = 0, r;

        r = walk(directory, count_one, &count);
        return r < 0 ? r : count;
}

static int sweep_one(int directory, const char *name, void *data)
{
        char key[DISK_KEY_LEN + 1];

        (void)data;
        if (strlen(name) != PART_NAME_SIZE - 1 || strcmp(name + DISK_KEY_LEN, DISK_PART) != 0)
                return 0;
        memcpy(key, name, DISK_KEY_LEN);
        key[DISK_KEY_LEN] = '\0';
        return disk_key_valid(key) ? remove_part(directory, name) : 0;
}

int disk_sweep(int directory)
{
        return walk(directory, sweep_one, NULL);
}
