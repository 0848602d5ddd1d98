/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON documents in files that are whole or absent, whatever happens. */
#pragma once

#include <jansson.h>

#define DOCUMENT_SIZE_MAX (1u << 20) /* bytes */
#define DOCUMENT_PART     ".new"     /* what a killed writer may leave behind ends with it */

/* Reads directory/name; a symbolic link is not followed. Returns 0 and an owned object, or negative errno; -EBADMSG: it
 * is no JSON object. */
int document_read(int directory, const char *name, json_t **ret);
/* Replaces directory/name in one step; on return it is on the disk, and so is the directory. -ENOSPC and others leave
 * what was there. */
int document_write(int directory, const char *name, json_t *document);
