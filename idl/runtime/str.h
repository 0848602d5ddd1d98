/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Immutable, reference-counted strings: the text of rows, sets and maps, shared between versions of a row. */
#pragma once

#include <stddef.h>

/* NUL-terminated UTF-8 without NUL inside; its length and count stand before the bytes. Any function that takes
 * `const char *` reads it; only the functions below may be given it where they ask for a Str. The count is atomic. */
typedef const char *Str;

Str str_new(const char *text);                       /* returns owned; never NULL */
Str str_new_len(const char *text, size_t len_bytes); /* returns owned; text needs no NUL */
Str str_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
Str str_empty(void);                       /* returns owned, the shared "" */
Str str_ref(Str s);                        /* returns s, owned once more */
void str_unref(Str s);                     /* NULL is legal */
size_t str_len(Str s);                     /* bytes */
void str_set(Str *slot, const char *text); /* replaces *slot with a new copy of text */

static inline void str_unref_p(Str *s)
{
        str_unref(*s);
}
#define auto_str __attribute__((cleanup(str_unref_p))) Str
