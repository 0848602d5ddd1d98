/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disk images of either format, by name: KEY.raw and KEY.qcow2, KEY being a uuid. The name says the format, and so does
 * the header of what lies on top of it; what is in an image is never asked. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define IMAGE_KEY_LEN      36u     /* a uuid in small letters */
#define IMAGE_PART         ".part" /* what is being made, and has not got its name yet */
#define IMAGE_NAME_SIZE    (IMAGE_KEY_LEN + sizeof(".qcow2" IMAGE_PART))
#define IMAGE_SECTOR_BYTES 512
#define IMAGE_SIZE_MAX     (INT64_C(64) << 40) /* bytes */

typedef enum ImageFormat { IMAGE_RAW, IMAGE_QCOW2 } ImageFormat;

typedef struct Image {
        char name[IMAGE_NAME_SIZE];
        ImageFormat format;
        int64_t virtual_bytes, physical_bytes;
        uint64_t inode;
        bool empty;                    /* an overlay to which nothing was ever written */
        char backing[IMAGE_NAME_SIZE]; /* "": none */
} Image;

/* Anything else, with a slash or dots for instance, never reaches a path. */
bool image_key_valid(const char *key);
void image_name(char name[IMAGE_NAME_SIZE], const char *key, ImageFormat format);
/* Whether it is an image's name; of which key and format. */
bool image_name_parse(const char *name, char key[IMAGE_KEY_LEN + 1], ImageFormat *ret_format);
const char *image_format_name(ImageFormat format); /* "raw", "qcow2" */
bool image_format_parse(const char *name, ImageFormat *ret);

/* Rounds up to whole sectors. -EINVAL: not in 1..IMAGE_SIZE_MAX. */
int image_size_round(int64_t size_bytes, int64_t *ret_bytes);

/* Makes directory/name, which must not exist (-EEXIST). Its contents have reached the disk on return, its entry in the
 * directory not yet. `backing` is the name of an image in the same directory; NULL: none. */
int image_create(int directory, const char *name, ImageFormat format, int64_t size_bytes,
                 const Image *backing);
/* -EINVAL when it would shrink, -EOPNOTSUPP when qemu-img is not installed, -EBUSY when somebody has it open. */
int image_grow(int directory, const Image *image, int64_t size_bytes);
/* Copies what the image shows, and what it lies on, to directory/name, which is there, empty, and becomes an image of that
 * format. Not synced. -EOPNOTSUPP as above; -EIO when somebody writes to it. */
int image_convert(const char *source, ImageFormat source_format, int directory, const char *name,
                  ImageFormat format);
/* Moves what a qcow2 image holds into the one that it lies on, which grows to its size if need be. May be killed at any
 * instant: the two together read the same all the time. Nobody else may use the lower one. Errors as image_grow. */
int image_commit(int directory, const Image *image);
/* -ENOENT; -EBADMSG: damaged, and nothing but its name and format is told. */
int image_stat(int directory, const char *name, Image *ret);
/* The image that `key` has: its qcow2 one, if there are two. */
int image_find(int directory, const char *key, Image *ret);
