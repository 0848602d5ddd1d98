/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows to and from the text that the store keeps on disk: one JSON object of the fields that are not initial. */
#pragma once

#include "buffer.h"
#include "error.h"
#include "model.h"

/* Those fields of which wanted[index] is true and whose value is not the initial one; floats exactly. */
void row_write_persistent(Buffer *b, const Row *row, const bool *wanted);
/* *ret is a new row, owned. Fields that the text does not have get their initial value, and what no field is called is
 * passed over, so that rows of older schemas can be read. INTERNAL_ERROR where the text is damaged. */
bool row_read_persistent(const Class *class, const char *ref, const char *text, size_t len, Row **ret,
                         XapiError **error);
