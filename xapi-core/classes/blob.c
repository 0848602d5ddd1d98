/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "blob.h"

#include "rows.h"
#include "xenapi.h"

Str blob_create(Txn *txn, Map **blobs, const char *name, const char *mime_type, bool public_,
                XapiError **error)
{
        auto_str key = str_new(name);
        BlobRow *blob;

        if (map_get(*blobs, (Value){ .s = key })) {
                xapi_fail(error, ERR_INTERNAL_ERROR, "A blob of this name exists", NULL);
                return NULL;
        }
        blob = (BlobRow *)txn_create(txn, &CLASS_BLOB, NULL, NULL);
        slot_str(&blob->mime_type, *mime_type ? mime_type : "application/octet-stream");
        blob->public = public_;
        slot_map(blobs, map_with(*blobs, (Value){ .s = key }, (Value){ .s = blob->row.ref }));
        return str_ref(blob->row.ref);
}

void blobs_delete(Txn *txn, const Map *blobs)
{
        for (uint32_t i = 0; i < blobs->n; i++)
                txn_delete(txn, &CLASS_BLOB, blobs->entries[i].value.s);
}
