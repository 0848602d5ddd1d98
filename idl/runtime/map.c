/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include <glib.h>

#include "hash.h"
#include "value.h"

/* Above this many entries, duplicates are looked for by hash. */
#define MAP_SCAN_MAX 16

static Map *map_alloc(const Type *type, size_t n)
{
        assert(type->kind == TYPE_MAP && n < UINT32_MAX);
        Map *m = g_malloc(sizeof(Map) + n * sizeof(MapEntry));
        *m = (Map){ .refs = 1, .n = (uint32_t)n, .type = type };
        return m;
}

Map *map_empty(const Type *type)
{
        return type->empty_map ? type->empty_map : map_alloc(type, 0);
}

static MapEntry entry_ref(const Type *type, MapEntry e)
{
        value_ref(type->key, e.key);
        value_ref(type->element, e.value);
        return e;
}

static bool keyed_by_text(const Map *m)
{
        return m->type->key->kind == TYPE_STRING || m->type->key->kind == TYPE_REF;
}

static gconstpointer key_pointer(const Map *m, const Value *key)
{
        return keyed_by_text(m) ? (gconstpointer)key->s : (gconstpointer)key;
}

/* Leaves of each key the place where it first stood and the value that came last. */
static void map_drop_duplicates(Map *m)
{
        g_autoptr(GHashTable) seen = NULL;
        if (m->n > MAP_SCAN_MAX)
                seen = keyed_by_text(m) ? g_hash_table_new(hash_text, g_str_equal)
                                        : g_hash_table_new(hash_int64, g_int64_equal);
        size_t n = 0;
        for (size_t i = 0; i < m->n; i++) {
                MapEntry e = m->entries[i];
                MapEntry *old = NULL;
                if (seen)
                        old = g_hash_table_lookup(seen, key_pointer(m, &e.key));
                else
                        for (size_t j = 0; j < n && !old; j++)
                                if (value_equal(m->type->key, m->entries[j].key, e.key))
                                        old = &m->entries[j];
                if (old) {
                        value_unref(m->type->key, e.key);
                        value_unref(m->type->element, old->value);
                        old->value = e.value;
                        continue;
                }
                m->entries[n] = e;
                if (seen)
                        g_hash_table_insert(seen, (gpointer)key_pointer(m, &m->entries[n].key),
                                            &m->entries[n]);
                n++;
        }
        m->n = (uint32_t)n;
}

Map *map_new_distinct(const Type *type, size_t n, const MapEntry *entries)
{
        if (n == 0)
                return map_empty(type);
        Map *m = map_alloc(type, n);
        for (size_t i = 0; i < n; i++)
                m->entries[i] = entry_ref(type, entries[i]);
        return m;
}

Map *map_new(const Type *type, size_t n, const MapEntry *entries)
{
        Map *m = map_new_distinct(type, n, entries);
        if (n > 1)
                map_drop_duplicates(m);
        return m;
}

Map *map_of_strings(const Type *type, ...)
{
        assert(type->key->kind == TYPE_STRING && type->element->kind == TYPE_STRING);
        g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(MapEntry));
        va_list args;
        va_start(args, type);
        const char *key;
        while ((key = va_arg(args, const char *))) {
                const char *value = va_arg(args, const char *);
                MapEntry e = { .key.s = str_new(key), .value.s = str_new(value) };
                g_array_append_val(entries, e);
        }
        va_end(args);
        Map *m = map_new(type, entries->len, (const MapEntry *)entries->data);
        for (guint i = 0; i < entries->len; i++) {
                str_unref(g_array_index(entries, MapEntry, i).key.s);
                str_unref(g_array_index(entries, MapEntry, i).value.s);
        }
        return m;
}

static size_t map_find(const Map *m, Value key)
{
        size_t i = 0;
        while (i < m->n && !value_equal(m->type->key, m->entries[i].key, key))
                i++;
        return i;
}

const Value *map_get(const Map *m, Value key)
{
        size_t at = map_find(m, key);
        return at < m->n ? &m->entries[at].value : NULL;
}

const char *map_get_str(const Map *m, const char *key)
{
        assert(keyed_by_text(m) &&
               (m->type->element->kind == TYPE_STRING || m->type->element->kind == TYPE_REF));
        for (uint32_t i = 0; i < m->n; i++)
                if (strcmp(m->entries[i].key.s, key) == 0)
                        return m->entries[i].value.s;
        return NULL;
}

Map *map_with(const Map *m, Value key, Value value)
{
        size_t at = map_find(m, key);
        Map *new = map_alloc(m->type, at < m->n ? m->n : (size_t)m->n + 1);
        for (size_t i = 0; i < m->n; i++)
                if (i != at)
                        new->entries[i] = entry_ref(m->type, m->entries[i]);
        new->entries[at] = entry_ref(m->type, (MapEntry){ .key = key, .value = value });
        return new;
}

Map *map_with_str(const Map *m, const char *key, const char *value)
{
        auto_str k = str_new(key);
        auto_str v = str_new(value);
        return map_with(m, (Value){ .s = k }, (Value){ .s = v });
}

Map *map_without(const Map *m, Value key)
{
        size_t at = map_find(m, key);
        if (at == m->n)
                return map_ref((Map *)m);
        if (m->n == 1)
                return map_empty(m->type);
        Map *new = map_alloc(m->type, m->n - 1);
        for (size_t i = 0, n = 0; i < m->n; i++)
                if (i != at)
                        new->entries[n++] = entry_ref(m->type, m->entries[i]);
        return new;
}

Map *map_without_str(const Map *m, const char *key)
{
        auto_str k = str_new(key);
        return map_without(m, (Value){ .s = k });
}

Map *map_ref(Map *m)
{
        if (__atomic_load_n(&m->refs, __ATOMIC_RELAXED) != MEMORY_SHARED)
                __atomic_fetch_add(&m->refs, 1, __ATOMIC_RELAXED);
        return m;
}

void map_unref(Map *m)
{
        if (!m || __atomic_load_n(&m->refs, __ATOMIC_RELAXED) == MEMORY_SHARED)
                return;
        uint32_t before = __atomic_fetch_sub(&m->refs, 1, __ATOMIC_ACQ_REL);
        assert(before > 0);
        if (before > 1)
                return;
        for (uint32_t i = 0; i < m->n; i++) {
                value_unref(m->type->key, m->entries[i].key);
                value_unref(m->type->element, m->entries[i].value);
        }
        g_free(m);
}
