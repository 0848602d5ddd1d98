/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files that survive a kill -9 at any instant: each is there whole, as it was or as it became. */
#pragma once

#include <stddef.h>

#include <jansson.h>

#define FILE_BYTES_MAX (4u << 20) /* larger ones are not read */

/* 0 or negative errno. Not synced: these files do not outlive the machine's reboot. */
int file_replace(int dir_fd, const char *name, const void *data, size_t len);
int file_replace_json(int dir_fd, const char *name, const json_t *json); /* borrows json */
/* 0 with *ret_text owned (g_free) and NUL-terminated; -EFBIG; or another negative errno. */
int file_read(int dir_fd, const char *name, char **ret_text, size_t *ret_len);
/* -EBADMSG: it is no JSON. */
int file_read_json(int dir_fd, const char *name, json_t **ret_json);
int file_remove(int dir_fd, const char *name); /* -ENOENT: it was not there */

/* Opens the folder base/name, made with its parents if need be. A descriptor or negative errno. */
int folder_open(const char *base, const char *name);
/* The names of its files, NULL-terminated, in no order, after what half-done writes left has been removed. Owned
 * (g_strfreev); NULL, with errno set, when it cannot be read. */
char **folder_list(int dir_fd);
