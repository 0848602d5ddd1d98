/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The language of get_all_records_where: which rows of a class a client wants.
 *
 *     field "name__label" = "x" and (not field "is_a_template" = "true" or false)
 *
 * Only equality, of fields (by their database names, or "ref") and literals in double quotes, without escapes, compared
 * in the database's string form. `and` and `or` bind alike, from the left; `not` takes all that follows it, to the next
 * closing parenthesis. Blanks are needed nowhere. */
#pragma once

#include "error.h"
#include "model.h"

#define QUERY_LENGTH_MAX 65536 /* bytes */
#define QUERY_DEPTH_MAX  100   /* parentheses and `not`s within one another */

typedef struct Query Query;

/* NULL with INVALID_VALUE [text; why] where text is not in the language, or beyond the limits. A field that the class
 * lacks is no error yet. Returns owned. */
Query *query_parse(const Class *class, const char *text, XapiError **error);
void query_free(Query *query);
/* Any thread. False with INTERNAL_ERROR: a field was asked for that the class lacks; what `and` and `or` need not look
 * at is not asked for. */
bool query_matches(const Query *query, const Row *row, bool *ret_matches, XapiError **error);
