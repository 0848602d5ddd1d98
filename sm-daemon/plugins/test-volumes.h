/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of the plugin "file" share: its methods called as functions, and disks read and written by QEMU's own
 * tools. Whatever fails ends the test. */
#pragma once

#include <glib.h>

#include "call.h"
#include "directory/chain.h"
#include "directory/directory.h"
#include "directory/disk.h"
#include "directory/volume.h"

#define SR_UUID "11111111-2222-4333-8444-555555555555"
#define MIB     (1024 * 1024)

typedef json_t *(*MethodFunction)(json_t *args, Failure *failure);

extern char *scratch; /* a folder of the test's own */

/* False: what is needed is not installed, and the test is skipped. */
bool volumes_begin(const char *name);
int volumes_end(int result);

/* Arguments are taken. */
json_t *ok(MethodFunction method, json_t *args);
void done(MethodFunction method, json_t *args);
void fails(MethodFunction method, json_t *args, const char *code);
json_t *at(const char *sr, const char *key);
json_t *of_sr(const char *sr);
size_t length(MethodFunction method, json_t *args);

/* All return owned keys or paths. */
char *make_sr_of(const char *name, const char *formats);
char *make_sr(const char *name);
char *make_disk(const char *sr, const char *format, int64_t size);
char *snapshot(const char *sr, const char *key);
char *clone_of(const char *sr, const char *key);
char *take_key(json_t *volume);
/* The path and the format of a volume's image, from its URI. */
char *image_of(const char *sr, const char *key, const char **ret_format);

int64_t number(const char *sr, const char *key, const char *member);
void fill(const char *sr, const char *key, int pattern, int64_t offset, int64_t bytes);
bool holds(const char *sr, const char *key, int pattern, int64_t offset, int64_t bytes);
typedef struct Range {
        int pattern; /* of each byte */
        int64_t offset, bytes;
} Range;
/* All of them, by one look. */
bool holds_all(const char *sr, const char *key, const Range *ranges, size_t n);
void sound(const char *sr, const char *key);
int64_t collect(const char *sr);
bool coalesce(const char *sr, const char *key);
size_t files(const char *sr);
bool run(const char *format, ...) G_GNUC_PRINTF(1, 2);
void remove_tree(const char *path);
