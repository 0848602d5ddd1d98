/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows as the text that the database keeps: JSON of the durable fields that differ from their initial value. */
#pragma once

#include "store-internal.h"

void record_write(Buffer *b, const ClassState *class, const Row *row);
/* Fields that the text lacks stay initial, members that the class lacks are ignored: what changes between schema
 * versions in any other way is a migration's to mend. */
bool record_parse(const ClassState *class, const char *ref, const char *text, size_t len, Row **ret, XapiError **error);
/* Whether writing `after` gives another text than `before`, or a relation's set end differs. */
bool record_differs(const ClassState *class, const Row *before, const Row *after);
bool row_equal(const ClassState *class, const Row *a, const Row *b);
