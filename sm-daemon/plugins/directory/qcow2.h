/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header of qcow2 images (QEMU's docs/interop/qcow2.txt), as far as making an empty one and following a chain go.
 * Only what was made here is read, or changed by QEMU since: a guest's bytes are never taken for a header. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define QCOW2_BACKING_MAX 64u /* bytes of a backing file's name, with its NUL: ours are shorter */

typedef struct Qcow2Header {
        int64_t virtual_bytes;
        int64_t empty_bytes;             /* the file's length as long as nothing was written to the disk */
        char backing[QCOW2_BACKING_MAX]; /* "": none */
        bool backing_is_raw;
} Qcow2Header;

/* Writes an empty image to an empty file. `backing` is relative to the image's folder; NULL: none. Not synced. */
int qcow2_write(int fd, int64_t virtual_bytes, const char *backing, bool backing_is_raw);
/* -EBADMSG: it is none, or none of ours. */
int qcow2_read(int fd, Qcow2Header *ret);
