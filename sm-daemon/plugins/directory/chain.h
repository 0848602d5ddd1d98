/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images that lie on each other, in one directory.
 *
 * A volume's own image keeps its name for life: KEY.qcow2 or, until the volume's first copy is made, KEY.raw. What it held
 * at a copy gets a second name, that of the snapshot or one that no volume has, before an empty overlay is renamed over
 * the first; so an image that somebody writes to is never touched, and whoever opens KEY's image by its name finds
 * everything, whenever power goes. An image that lies under another is never written to again, except to take in all of
 * what lies on it, and a volume that may be written to is never under another.
 *
 * Every change but those of chain_collect, chain_set_top and chain_coalesce is made under a shared lock of the directory, those
 * under an exclusive one; two changes of one volume at a time are the caller's to prevent. */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "image.h"

#define CHAIN_MAX 64u /* images on each other */

int key_new(char key[IMAGE_KEY_LEN + 1]); /* a random uuid; 0 or -EIO */

/* Makes the image of the new volume copy_key, which holds what that of `key` holds now; the entries have reached the disk.
 * A volume that may be written to gets a new overlay, if its own was written to since the last copy. -EMLINK: the chain
 * would become longer than CHAIN_MAX. */
int chain_copy(int directory, const char *key, bool writable, const char *copy_key, bool snapshot);

/* The names of an image's chain, itself first. */
int chain_names(int directory, const char *key, json_t **ret);
/* Every image: [{"name","format","backing"?,"volume"?,"virtual_size","physical_size"}]. */
int chain_images(int directory, json_t **ret);
/* Removes the images that no volume needs, unless their name is in `busy` (borrowed; NULL: none), and what killed calls left
 * behind. The number of images, or negative errno; -EBADMSG: one that is needed is damaged, so what it lies on is not known, and nothing is removed. */
int chain_collect(int directory, json_t *busy);
/* All of what `key`'s image holds is in the one that it lies on, `parent`: that becomes its image. -EINVAL: `parent` is
 * not that, or others need it. */
int chain_set_top(int directory, const char *key, const char *parent);
/* Brings the two uppermost images of `key` together, if nobody else needs the lower one and nobody has them open; may be
 * killed at any instant. 1: it was done, and there may be more to do; 0: there was nothing to do. */
int chain_coalesce(int directory, const char *key);
