/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include <glib.h>

#include "value.h"

static Set *set_alloc(const Type *element, size_t n)
{
        assert(n < UINT32_MAX);
        Set *s = g_malloc(sizeof(Set) + n * sizeof(Value));
        *s = (Set){ .refs = 1, .n = (uint32_t)n, .element = element };
        return s;
}

Set *set_empty(const Type *element)
{
        return element->empty_set ? element->empty_set : set_alloc(element, 0);
}

Set *set_new(const Type *element, size_t n, const Value *items)
{
        if (n == 0)
                return set_empty(element);
        Set *s = set_alloc(element, n);
        for (size_t i = 0; i < n; i++)
                s->items[i] = value_ref(element, items[i]);
        return s;
}

Set *set_of_strings(const Type *element, const char *const *strv)
{
        assert(element->kind == TYPE_STRING || element->kind == TYPE_REF);
        size_t n = 0;
        while (strv[n])
                n++;
        if (n == 0)
                return set_empty(element);
        Set *s = set_alloc(element, n);
        for (size_t i = 0; i < n; i++)
                s->items[i].s = str_new(strv[i]);
        return s;
}

static size_t set_find(const Set *s, Value item)
{
        size_t i = 0;
        while (i < s->n && !value_equal(s->element, s->items[i], item))
                i++;
        return i;
}

bool set_contains(const Set *s, Value item)
{
        return set_find(s, item) < s->n;
}

bool set_contains_str(const Set *s, const char *text)
{
        assert(s->element->kind == TYPE_STRING || s->element->kind == TYPE_REF);
        for (uint32_t i = 0; i < s->n; i++)
                if (strcmp(s->items[i].s, text) == 0)
                        return true;
        return false;
}

Set *set_with(const Set *s, Value item)
{
        if (set_contains(s, item))
                return set_ref((Set *)s);
        Set *new = set_alloc(s->element, (size_t)s->n + 1);
        for (uint32_t i = 0; i < s->n; i++)
                new->items[i] = value_ref(s->element, s->items[i]);
        new->items[s->n] = value_ref(s->element, item);
        return new;
}

Set *set_without(const Set *s, Value item)
{
        size_t at = set_find(s, item);
        if (at == s->n)
                return set_ref((Set *)s);
        size_t n = 0;
        Set *new = set_alloc(s->element, s->n - 1);
        for (size_t i = 0; i < s->n; i++)
                if (i == at || (i > at && value_equal(s->element, s->items[i], item)))
                        continue;
                else
                        new->items[n++] = value_ref(s->element, s->items[i]);
        new->n = (uint32_t)n;
        if (n > 0)
                return new;
        set_unref(new);
        return set_empty(s->element);
}

Set *set_ref(Set *s)
{
        if (__atomic_load_n(&s->refs, __ATOMIC_RELAXED) != MEMORY_SHARED)
                __atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
        return s;
}

void set_unref(Set *s)
{
        if (!s || __atomic_load_n(&s->refs, __ATOMIC_RELAXED) == MEMORY_SHARED)
                return;
        uint32_t before = __atomic_fetch_sub(&s->refs, 1, __ATOMIC_ACQ_REL);
        assert(before > 0);
        if (before > 1)
                return;
        for (uint32_t i = 0; i < s->n; i++)
                value_unref(s->element, s->items[i]);
        g_free(s);
}
