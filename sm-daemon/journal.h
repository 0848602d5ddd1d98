/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table of JSON documents in a file that is only appended to, and rewritten when most of it is of the past. It outlives
 * the process, killed at any instant, but is not forced to the disk: on a disk's file system a change is one write, a
 * hundred times as fast as replacing a file. Any thread. */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#define JOURNAL_SLACK 1024u /* changes of the past that are kept before the file is rewritten */

typedef struct Journal Journal;

/* Opens or makes the file. What a killed process wrote in part of its last line is dropped. A line that cannot be read is
 * passed over: what it would have changed stays as it was. 0 or negative errno. */
int journal_open(const char *path, Journal **ret);
size_t journal_damaged(Journal *journal); /* lines that were passed over */
void journal_close(Journal *journal);     /* NULL is legal */
/* Value NULL removes the entry. On failure nothing has changed. 0 or negative errno. */
int journal_set(Journal *journal, const char *key, const json_t *value);
void journal_each(Journal *journal, void (*each)(const char *key, const json_t *value, void *data),
                  void *data);
size_t journal_lines(Journal *journal); /* in the file */
