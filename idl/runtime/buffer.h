/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A growable run of bytes: what writers print into and sockets send from. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Buffer {
        char *data;  /* not NUL-terminated unless buffer_terminate was called last */
        size_t len;  /* bytes in use */
        size_t room; /* bytes allocated */
} Buffer;

void buffer_clear(Buffer *b); /* frees the bytes; *b is empty and usable again */
/* Returns where more_bytes can be written; advance len yourself. */
char *buffer_reserve(Buffer *b, size_t more_bytes);
static inline void buffer_append(Buffer *b, const void *bytes, size_t n)
{
        if (n == 0)
                return;
        memcpy(n <= b->room - b->len ? b->data + b->len : buffer_reserve(b, n), bytes, n);
        b->len += n;
}
static inline void buffer_append_text(Buffer *b, const char *text)
{
        buffer_append(b, text, strlen(text));
}
void buffer_printf(Buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_append_int(Buffer *b, int64_t i); /* decimal */
void buffer_consume(Buffer *b, size_t n);     /* drops n bytes from the front */
char *buffer_terminate(Buffer *b);            /* appends NUL that is not counted; returns data */
char *buffer_steal(Buffer *b);                /* terminates, returns owned (free()), *b is empty */

#define buffer_append_literal(b, literal) buffer_append((b), (literal), sizeof(literal) - 1)
#define auto_buffer                       __attribute__((cleanup(buffer_clear))) Buffer
