/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raw disk images: sparse files. What they return has reached the disk, the folder's entry aside. */
#pragma once

#include <stdint.h>

/* Makes directory/name, all hole, of size_bytes. 0 or negative errno (-EEXIST). */
int raw_create(int directory, const char *name, int64_t size_bytes);
/* Copies source to an empty file, both opened: shares blocks where the file system can, else copies what is no hole. -EBUSY: the source was written to meanwhile, so the copy is no state that the source ever had. */
int raw_copy(int source, int target);
/* Grows; -EINVAL when it would shrink. */
int raw_grow(int directory, const char *name, int64_t size_bytes);
