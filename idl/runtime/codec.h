/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values to and from text. Both dialects are decoded from one tree (jansson's), so that they accept alike. */
#pragma once

#include <jansson.h>

#include "buffer.h"
#include "error.h"
#include "json-text.h"
#include "model.h"

typedef enum Dialect { DIALECT_JSON, DIALECT_XML } Dialect;

/* Prints v as upstream's marshallers do (behaviours.md, B). XML includes the surrounding <value>. One line. */
void value_write(Buffer *b, Dialect dialect, const Type *type, Value v);
/* The record of a row, internal fields left out; row_json and row_xml keep this text. */
void record_write(Buffer *b, Dialect dialect, const Row *row);
/* Escaped; control characters below 0x20 dropped but TAB LF CR. */
void xml_write_text(Buffer *b, const char *text);

/* A parameter as it came: a tree in which an XML <int> is an integer, an untyped XML value a string, <nil/> null,
 * a date a string. Accepts what upstream accepts; its error texts are INTERNAL_ERROR "Failure(\"Expected ...\")".
 * *ret is owned, and written on success only. */
#define CODEC_QUOTE_MAX_BYTES 256 /* of what was sent is quoted in an error */
bool value_read(const Type *type, const json_t *tree, Value *ret, XapiError **error);
/* The text of a date: with or without dashes, colons, fraction, and zone ("Z", "+01:00"; none is UTC). */
bool datetime_parse(const char *text, int64_t *ret_seconds);
/* "20260131T12:34:56Z" and NUL. Years outside 0 to 9999 are moved to their edge. */
#define DATETIME_TEXT_BYTES 19
void datetime_format(int64_t seconds, char text[DATETIME_TEXT_BYTES]);
/* The record parameter of a constructor: missing required field or bad type is an error, missing optional its
 * default, unknown members ignored. *ret is an unpublished row of message->class with an empty ref. */
bool record_read(const Message *ctor, const json_t *tree, Row **ret, XapiError **error);

/* Database string form, for queries and migration: "true", "5", enum names, s-expressions for sets and maps. */
void value_write_db(Buffer *b, const Type *type, Value v);
