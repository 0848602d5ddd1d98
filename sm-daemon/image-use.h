/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images that are brought together, and images that somebody comes to open: a program that has an image open for a merge
 * keeps all others from it, and whoever comes to want one has precedence. Any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct ImageUse ImageUse;
typedef struct ImageMerge ImageMerge;

ImageUse *image_use_new(void);
void image_use_free(ImageUse *images); /* nobody uses any */

/* From before the two are touched. NULL: one of them is just being opened. */
ImageMerge *image_merge_begin(ImageUse *images, const char *upper, const char *lower);
/* Somebody waits for its end. */
bool image_merge_unwanted(ImageMerge *merge);
void image_merge_end(ImageMerge *merge); /* once nobody has them open for it any more; frees */

/* `paths` (of strings) are about to be opened: waits until no merge touches any, and keeps others from beginning until
 * image_use_opened. 0, or -ETIMEDOUT at deadline_usec (clock_usec). */
int image_use_open(ImageUse *images, GPtrArray *paths, uint64_t deadline_usec);
void image_use_opened(ImageUse *images, GPtrArray *paths);
