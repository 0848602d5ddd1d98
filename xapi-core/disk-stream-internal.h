/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kinds of descriptors have to do for disk-stream.c. */
#pragma once

#include "disk-stream.h"

typedef struct DiskStreamKind {
        size_t chunk; /* bytes of one request */
        int (*extent)(DiskStream *stream, int64_t at, int64_t max, int64_t *ret_bytes, bool *ret_zero);
        void (*read)(DiskStream *stream, DiskBuffer *buffer);
        void (*write)(DiskStream *stream, DiskBuffer *buffer, size_t from, size_t n);
        int (*wait)(DiskStream *stream, DiskBuffer *buffer);
        int (*zero)(DiskStream *stream, int64_t at, int64_t bytes); /* -EOPNOTSUPP: zeros are to be written */
        int (*flush)(DiskStream *stream);
        void (*cancel)(DiskStream *stream);
        void (*free)(DiskStream *stream);
} DiskStreamKind;

/* Each kind's own struct begins so. */
struct DiskStream {
        const DiskStreamKind *kind;
        DiskBuffer zeros; /* made when first needed */
};

/* Notes a failure, of which the first counts. */
static inline void disk_buffer_fail(DiskBuffer *buffer, int r)
{
        if (buffer->result == 0)
                buffer->result = r;
}
