/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raw disk images: sparse files. */
#pragma once

#include <stdint.h>

#define IMAGE_SECTOR_BYTES 512
#define IMAGE_SIZE_MAX     (INT64_C(64) << 40) /* bytes */

/* Rounds up to whole sectors. -EINVAL: not in 1..IMAGE_SIZE_MAX. */
int image_size_round(int64_t size_bytes, int64_t *ret_bytes);

/* Makes directory/name, all hole, of size_bytes; it is on the disk on return. 0 or negative errno (-EEXIST). */
int image_create(int directory, const char *name, int64_t size_bytes);
/* Copies source (opened) to directory/name, which must not exist: shares blocks where the file system can, else copies
 * what is no hole. -EBUSY: the source was written to meanwhile, so the copy is no state that the source ever had. */
int image_copy(int source, int directory, const char *name);
/* Grows; -EINVAL when it would shrink. */
int image_grow(int directory, const char *name, int64_t size_bytes);
int image_stat(int directory, const char *name, int64_t *ret_virtual_bytes, int64_t *ret_physical_bytes);
