/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

int key_new(char key[IMAGE_KEY_LEN + 1])
{
        unsigned char b[16];

        if (getrandom(b, sizeof(b), 0) != sizeof(b))
                return -EIO;
        b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
        b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
        snprintf(key, IMAGE_KEY_LEN + 1,
                 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
                 b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
        return 0;
}

static int sync_directory(int directory)
{
        return fsync(directory) < 0 ? -errno : 0;
}

/* Calls `each` for the image and all below it, until it returns other than 0. */
static int walk_down(int directory, const Image *top, int (*each)(const Image *image, void *data), void *data)
{
        Image image = *top;

        for (unsigned i = 0; i < CHAIN_MAX; i++) {
                char backing[IMAGE_NAME_SIZE];
                int r;

                r = each(&image, data);
                if (r != 0 || image.backing[0] == '\0')
                        return r;
                memcpy(backing, image.backing, sizeof(backing));
                r = image_stat(directory, backing, &image);
                if (r < 0)
                        return r == -ENOENT ? -EBADMSG : r;
        }
        return -EMLINK;
}

static int count_image(const Image *image, void *data)
{
        (void)image;
        ++*(unsigned *)data;
        return 0;
}

/* Whether one more may lie on the image. 0 or negative errno. */
static int check_depth(int directory, const Image *image)
{
        unsigned depth = 0;
        int r;

        r = walk_down(directory, image, count_image, &depth);
        return r == 0 && depth >= CHAIN_MAX ? -EMLINK : r;
}

static int append_name(const Image *image, void *data)
{
        return json_array_append_new(data, json_string(image->name));
}

int chain_names(int directory, const char *key, json_t **ret)
{
        json_t *names;
        Image top;
        int r;

        r = image_find(directory, key, &top);
        if (r < 0)
                return r;
        names = json_array();
        r = walk_down(directory, &top, append_name, names);
        if (r < 0)
                json_decref(names);
        else
                *ret = names;
        return r;
}

/* Puts the overlay, whole, under the image's name. */
static int cover(int directory, const Image *image, const Image *frozen, const char *part)
{
        char key[IMAGE_KEY_LEN + 1], top[IMAGE_NAME_SIZE];
        ImageFormat format;
        int r;

        image_name_parse(image->name, key, &format);
        image_name(top, key, IMAGE_QCOW2);
        r = image_create(directory, part, IMAGE_QCOW2, image->virtual_bytes, frozen);
        if (r == 0)
                r = sync_directory(directory);
        if (r == 0 && renameat(directory, part, directory, top) < 0)
                r = -errno;
        if (r == 0)
                r = sync_directory(directory);
        /* Of the two names of a raw image that is covered now, this one is out of date. */
        if (r == 0 && image->format == IMAGE_RAW && unlinkat(directory, image->name, 0) < 0)
                r = -errno;
        return r;
}

/* Gives what the image holds a second name, for good, and puts an empty overlay under the first. */
static int freeze(int directory, const Image *image, const char *frozen_key, Image *ret_frozen)
{
        char part[IMAGE_NAME_SIZE];
        Image frozen = *image;
        int r;

        image_name(frozen.name, frozen_key, image->format);
        snprintf(part, sizeof(part), "%.*s" IMAGE_PART, (int)(IMAGE_NAME_SIZE - sizeof(IMAGE_PART)),
                 image->name);
        /* Of an earlier attempt that was killed. */
        if (unlinkat(directory, part, 0) < 0 && errno != ENOENT)
                return -errno;
        if (linkat(directory, image->name, directory, frozen.name, 0) < 0)
                return -errno;
        r = cover(directory, image, &frozen, part);
        if (r < 0) {
                /* Whether the overlay is in place already matters to the second name alone, and that is left to
                 * chain_collect, which sees. */
                unlinkat(directory, part, 0);
                return r;
        }
        *ret_frozen = frozen;
        return 0;
}

/* An image that holds what `key`'s holds, and is never written to again. */
static int immutable(int directory, const char *key, bool writable, const char *frozen_key, Image *ret)
{
        Image image, below;
        int r;

        r = image_find(directory, key, &image);
        if (r == 0 && writable && image.empty) {
                r = image_stat(directory, image.backing, &below);
                if (r == -ENOENT)
                        r = -EBADMSG;
                if (r == 0 && below.virtual_bytes == image.virtual_bytes) {
                        *ret = below;
                        return 0;
                }
        }
        if (r == 0)
                r = check_depth(directory, &image);
        if (r < 0)
                return r;
        if (writable)
                return freeze(directory, &image, frozen_key, ret);
        *ret = image;
        return 0;
}

int chain_copy(int directory, const char *key, bool writable, const char *copy_key, bool snapshot)
{
        char hidden[IMAGE_KEY_LEN + 1], name[IMAGE_NAME_SIZE];
        Image base;
        int r;

        r = key_new(hidden);
        if (r == 0)
                r = immutable(directory, key, writable, snapshot ? copy_key : hidden, &base);
        if (r < 0 || strncmp(base.name, copy_key, IMAGE_KEY_LEN) == 0)
                return r;
        image_name(name, copy_key, IMAGE_QCOW2);
        r = image_create(directory, name, IMAGE_QCOW2, base.virtual_bytes, &base);
        if (r == 0)
                r = sync_directory(directory);
        if (r < 0)
                unlinkat(directory, name, 0);
        return r;
}
