/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Image files that lie on each other, as a disk server opens them: which they are, and in which format. A format is said
 * by the URI, by a name's ending and by the header of the image above; it is never guessed from what an image holds, which
 * a guest may have written. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#define LAYERS_MAX 128u /* of one disk; what makes chains keeps them shorter */

typedef enum LayerFormat { LAYER_RAW, LAYER_QCOW2 } LayerFormat;

typedef struct Layer {
        char *path; /* absolute */
        LayerFormat format;
        uint64_t device, inode; /* of the file: its identity, whatever its name has become */
        int64_t virtual_bytes;
} Layer;

/* Whether disk servers serve such a URI: raw+file:///PATH or qcow2+file:///PATH, escaped as file: URIs are. */
bool layer_uri_served(const char *uri);
/* -EINVAL: it is no such URI. *ret_path is owned (g_free). */
int layer_uri_parse(const char *uri, char **ret_path, LayerFormat *ret_format);
const char *layer_format_name(LayerFormat format); /* "raw", "qcow2" */

/* The layers of the disk whose image is `path`, top first; owned Layers. Of KEY.raw and KEY.qcow2 it is
 * the latter, if that is there, whichever is asked for: they follow each other under running servers. Negative errno; -EBADMSG: a header is damaged, or
 * names what is not beside it; -EMLINK: LAYERS_MAX; -EOPNOTSUPP: a file is neither regular nor a block device. */
int layer_chain(const char *path, LayerFormat format, GPtrArray **ret);
