/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sm-daemon must know after it was killed, as JSON files that are whole or absent. They stand in the runtime folder:
 * a reboot takes them, and it takes what they tell of. */
#pragma once

#include <jansson.h>

#define RECORD_SIZE_MAX (4u << 20) /* bytes */

/* Any text as the name of a file: itself where it is short and plain (letters, digits, '-', '_'), else "=" and its
 * SHA-256. Returns owned (g_free). */
char *record_name(const char *text);
int record_write(const char *path, const json_t *record); /* replaces in one step; 0 or negative errno */
int record_read(const char *path, json_t **ret);          /* an owned object; -EBADMSG: damaged */
int record_remove(const char *path);                      /* 0 also when it was not there */
