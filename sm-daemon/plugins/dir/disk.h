/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk of the directory: the folder <uuid>/ with disk.raw and disk.json. The folder gets its name only once all of it
 * is on the disk, and loses it before any of it goes, so a disk is there whole or not at all, whenever one is killed.
 * <uuid>.part is what is not there yet or no longer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define DISK_KEY_LEN  36          /* a uuid in small letters */
#define DISK_TEXT_MAX (64u << 10) /* bytes of a name, a description, a value of `keys` */
#define DISK_IMAGE    "disk.raw"
#define DISK_DOCUMENT "disk.json"
#define DISK_PART     ".part"

/* Anything else, with a slash or dots for instance, never reaches a path. */
bool disk_key_valid(const char *key);

/* What disk.json holds: {"name","description","read_write","sharable","keys":{text:text}}. Returns owned; -EINVAL when
 * a text is too long or `keys` (borrowed; NULL: none) holds anything but texts. */
int disk_document_new(const char *name, const char *description, bool sharable, json_t *keys, json_t **ret);
/* Sets a member of it or, with `key`, of its `keys`; value NULL removes that. -EINVAL as above. */
int disk_document_set(json_t *document, const char *member, const char *key, const char *value);

/* `document` is borrowed. Exactly one of size_bytes and source (a disk's key) is given; the other is 0 or NULL. */
int disk_make(int directory, const char *key, json_t *document, int64_t size_bytes, const char *source);
int disk_destroy(int directory, const char *key); /* 0 also when it was not there */
int disk_grow(int directory, const char *key, int64_t size_bytes);
/* -ENOENT: no such disk; -EBADMSG: damaged. */
int disk_document_read(int directory, const char *key, json_t **ret);
int disk_document_write(int directory, const char *key, json_t *document);

/* The volume as the plugin interface has it; `location` is the directory's path. -ENOENT, -EBADMSG as above. */
int disk_volume(int directory, const char *location, const char *key, json_t **ret);
/* All volumes, in no order; what is damaged is left out and named on standard error. */
int disk_list(int directory, const char *location, json_t **ret);
int disk_count(int directory); /* or negative errno */
/* Removes every <uuid>.part. Only where nothing else is at work on the directory. */
int disk_sweep(int directory);
