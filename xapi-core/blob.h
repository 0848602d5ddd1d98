/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blobs: small files that belong to an object. */
#pragma once

#include "call.h"

/* A new blob under this name in the map (string -> blob ref) of its owner; a name that is taken is an error.
 * Returns its ref, owned, or NULL. */
Str blob_create(Txn *txn, Map **blobs, const char *name, const char *mime_type, bool public_,
                XapiError **error);
/* Removes the blobs of an owner that goes. */
void blobs_delete(Txn *txn, const Map *blobs);
