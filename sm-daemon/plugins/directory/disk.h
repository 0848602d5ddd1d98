/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A volume of the directory: KEY.json, which makes it one, and the image KEY.raw or KEY.qcow2. The document appears only
 * once the image has reached the disk, and goes before the image does, so a volume is there whole or not at all, whenever
 * one is killed or power goes. What has no document is no volume: a part of others' chains, or rubbish. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "directory.h"
#include "image.h"

#define DISK_TEXT_MAX (64u << 10) /* bytes of a name, a description, a value of `keys` */

/* What KEY.json holds: {"name","description","read_write","sharable","keys":{text:text}}. Returns owned; -EINVAL when
 * a text is too long or `keys` (borrowed; NULL: none) holds anything but texts. */
int disk_document_new(const char *name, const char *description, bool sharable, json_t *keys, json_t **ret);
/* Sets a member of it or, with `key`, of its `keys`; value NULL removes that. -EINVAL as above. */
int disk_document_set(json_t *document, const char *member, const char *key, const char *value);
bool disk_document_name_parse(const char *name, char key[IMAGE_KEY_LEN + 1]);

/* All borrow `document`, which is the new volume's. */
int disk_create(int directory, const char *key, json_t *document, ImageFormat format, int64_t size_bytes);
/* An image of its own; of the type without layers, it shares blocks with the source's where the file system can, and -EBUSY
 * is as of raw_copy. */
int disk_copy(const Directory *from, const char *source, const Directory *to, const char *key,
              json_t *document, ImageFormat format);
/* A layer on the source's image (chain.h); source_writable is its document's "read_write". */
int disk_layer(int directory, const char *key, json_t *document, const char *source, bool source_writable,
               bool snapshot);
/* 0 also when it was not there. Of a volume that others' chains may need, the image is left to chain_collect. */
int disk_destroy(const Directory *directory, const char *key);
int disk_grow(int directory, const char *key, int64_t size_bytes); /* errors as image_grow */
/* -ENOENT: no such disk; -EBADMSG: damaged. */
int disk_document_read(int directory, const char *key, json_t **ret);
int disk_document_write(int directory, const char *key, json_t *document);

/* The volume as the plugin interface has it. -ENOENT, -EBADMSG as above. */
int disk_volume(const Directory *directory, const char *key, json_t **ret);
/* All volumes, in no order; what is damaged is left out and named on standard error. */
int disk_list(const Directory *directory, json_t **ret);
int disk_count(int directory); /* or negative errno */

/* Calls `each` with every name in the directory until it returns other than 0. */
int disk_walk(int directory, int (*each)(int directory, const char *name, void *data), void *data);
/* Whether the name is of a half-made file, of ours, that a killed call leaves behind. */
bool disk_leftover(const char *name);
