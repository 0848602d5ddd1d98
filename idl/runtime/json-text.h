/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON text to jansson's trees and back: bounded, and fast enough to stand in every call's way. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "buffer.h"

typedef struct JsonLimits {
        unsigned depth;  /* arrays and objects inside one another, the outermost counted */
        unsigned values; /* in all, with those inside others */
} JsonLimits;

/* Reads the one JSON value (RFC 8259) that the text is. Strings keep their bytes, UTF-8 or not, with NULs; of equal keys the
 * first counts. *ret_dirty (may be NULL): a string holds what is not UTF-8, or a control character other than TAB, LF,
 * CR. NULL: malformed, or past a limit. Returns owned. */
json_t *json_text_read(const char *text, size_t n, const JsonLimits *limits, bool *ret_dirty);

typedef struct JsonMember {
        const char *name;
        json_t *value; /* NULL: there is none of this name */
} JsonMember;
/* Reads the one object that the text is, by the rules and limits of json_text_read, but keeps only these members, whose
 * values must be NULL before. What is not asked for must be right, too. False: malformed, no object, or past a limit; all
 * values are NULL. Otherwise the values are owned by the caller. */
bool json_text_members(const char *text, size_t n, const JsonLimits *limits, JsonMember *members,
                       size_t n_members);

bool json_text_is_clean(const char *text, size_t n); /* what ret_dirty says, of one string */
bool json_text_is_utf8(const char *text, size_t n);  /* a NUL is a character like others */
/* Prints on one line, without blanks; strings keep their bytes. */
void json_text_write(Buffer *b, const json_t *json);
void json_write_string(Buffer *b, const char *text);            /* quoted and escaped */
void json_write_bytes(Buffer *b, const char *text, size_t len); /* the same; may hold NULs */
void json_write_float(Buffer *b, double d); /* with a point; NaN, Infinity and -Infinity as bare words */
