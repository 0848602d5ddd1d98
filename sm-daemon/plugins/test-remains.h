/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a power cut may leave of a directory: of the recorded steps (test-steps.h), a file system must keep those before the
 * last fsync of the directory, and of the later ones any subset; a file's bytes it must keep after an fsync of the file
 * only. */
#pragma once

#include <glib.h>

/* Makes in the folder `cut`, one after the other, every directory that may be found after the first n steps, and calls `check`;
 * but those that are in `seen`, a set of texts, already. `before` has the files as they were, with their inodes. */
void remains_each(const char *before, size_t n, const char *cut, GHashTable *seen, void (*check)(void *data),
                  void *data);
