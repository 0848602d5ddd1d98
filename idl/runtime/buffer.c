/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <glib.h>

#define BUFFER_FIRST_ROOM_BYTES 256

void buffer_clear(Buffer *b)
{
        free(b->data);
        *b = (Buffer){ 0 };
}

char *buffer_reserve(Buffer *b, size_t more_bytes)
{
        assert(more_bytes <= SIZE_MAX / 2 - b->len);
        size_t needed = b->len + more_bytes;
        if (needed > b->room) {
                size_t room = b->room ? b->room : BUFFER_FIRST_ROOM_BYTES;
                while (room < needed)
                        room *= 2;
                char *data = realloc(b->data, room);
                if (!data)
                        g_error("out of memory: %zu bytes", room);
                b->data = data;
                b->room = room;
        }
        return b->data + b->len;
}

void buffer_printf(Buffer *b, const char *format, ...)
{
        va_list args, again;
        va_start(args, format);
        va_copy(again, args);
        int n = vsnprintf(NULL, 0, format, args);
        va_end(args);
        assert(n >= 0);
        vsnprintf(buffer_reserve(b, (size_t)n + 1), (size_t)n + 1, format, again);
        va_end(again);
        b->len += (size_t)n;
}

void buffer_append_int(Buffer *b, int64_t i)
{
        char digits[20];
        size_t at = sizeof(digits);
        uint64_t rest = i < 0 ? -(uint64_t)i : (uint64_t)i;
        do {
                digits[--at] = (char)('0' + rest % 10);
                rest /= 10;
        } while (rest);
        if (i < 0)
                buffer_append_literal(b, "-");
        buffer_append(b, digits + at, sizeof(digits) - at);
}

void buffer_consume(Buffer *b, size_t n)
{
        assert(n <= b->len);
        b->len -= n;
        if (b->len > 0)
                memmove(b->data, b->data + n, b->len);
}

char *buffer_terminate(Buffer *b)
{
        *buffer_reserve(b, 1) = '\0';
        return b->data;
}

char *buffer_steal(Buffer *b)
{
        char *data = buffer_terminate(b);
        *b = (Buffer){ 0 };
        return data;
}
