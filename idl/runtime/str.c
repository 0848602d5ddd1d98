/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "str.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "model.h"

typedef struct StrHead {
        uint32_t refs; /* atomic; MEMORY_SHARED: never counted */
        uint32_t len;
        char text[];
} StrHead;

/* The two texts that most string and reference fields hold. */
static struct {
        uint32_t refs, len;
        char text[sizeof(NULL_REF)];
} shared_empty = { MEMORY_SHARED, 0, "" },
  shared_null_ref = { MEMORY_SHARED, sizeof(NULL_REF) - 1, NULL_REF };

static StrHead *head(Str s)
{
        return (StrHead *)(s - offsetof(StrHead, text));
}

Str str_new(const char *text)
{
        return str_new_len(text, strlen(text));
}

Str str_new_len(const char *text, size_t len_bytes)
{
        if (len_bytes == 0)
                return shared_empty.text;
        if (len_bytes == sizeof(NULL_REF) - 1 && memcmp(text, NULL_REF, len_bytes) == 0)
                return shared_null_ref.text;
        assert(len_bytes < UINT32_MAX);
        StrHead *h = g_malloc(sizeof(StrHead) + len_bytes + 1);
        h->refs = 1;
        h->len = (uint32_t)len_bytes;
        memcpy(h->text, text, len_bytes);
        h->text[len_bytes] = '\0';
        return h->text;
}

Str str_printf(const char *format, ...)
{
        va_list args;
        va_start(args, format);
        g_autofree char *text = g_strdup_vprintf(format, args);
        va_end(args);
        return str_new(text);
}

Str str_empty(void)
{
        return shared_empty.text;
}

Str str_ref(Str s)
{
        StrHead *h = head(s);
        if (__atomic_load_n(&h->refs, __ATOMIC_RELAXED) != MEMORY_SHARED)
                __atomic_fetch_add(&h->refs, 1, __ATOMIC_RELAXED);
        return s;
}

void str_unref(Str s)
{
        if (!s)
                return;
        StrHead *h = head(s);
        if (__atomic_load_n(&h->refs, __ATOMIC_RELAXED) == MEMORY_SHARED)
                return;
        uint32_t before = __atomic_fetch_sub(&h->refs, 1, __ATOMIC_ACQ_REL);
        assert(before > 0);
        if (before == 1)
                g_free(h);
}

size_t str_len(Str s)
{
        return head(s)->len;
}

void str_set(Str *slot, const char *text)
{
        Str new = str_new(text);
        str_unref(*slot);
        *slot = new;
}
