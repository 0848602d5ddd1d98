/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies the write-ahead log into the database file beside the writer, so that commits hardly ever wait for it. */
#pragma once

#include <sqlite3.h>

typedef struct Checkpoint Checkpoint;

/* `writer` is the connection that commits. Its log's length is followed from now on. */
Checkpoint *checkpoint_new(const char *path, sqlite3 *writer);
void checkpoint_free(Checkpoint *checkpoint); /* waits for a copy under way; NULL is legal */
/* On the writer's thread, after each commit: starts a copy when the log is long, and ends one that is nearly done. */
void checkpoint_consider(Checkpoint *checkpoint); /* NULL is legal */
