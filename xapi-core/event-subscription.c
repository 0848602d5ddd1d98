/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-subscription.h"

#include <glib.h>

#include "hash.h"

struct Subscriptions {
        unsigned n_refs;
        bool *wanted;      /* by Class.index */
        bool *whole;       /* by Class.index: every object of it */
        GHashTable **refs; /* by Class.index: these objects; NULL: none */
};

static void subscribe(Subscriptions *subscriptions, const Class *class, const char *ref)
{
        subscriptions->wanted[class->index] = true;
        if (ref == NULL) {
                subscriptions->whole[class->index] = true;
                return;
        }
        GHashTable **refs = &subscriptions->refs[class->index];
        if (*refs == NULL)
                *refs = g_hash_table_new_full(hash_text, g_str_equal, g_free, NULL);
        g_hash_table_add(*refs, g_strdup(ref));
}

static void subscribe_text(Subscriptions *subscriptions, const char *text)
{
        bool all = strcmp(text, "*") == 0;
        const char *slash = strchr(text, '/');
        if (slash != NULL && strchr(slash + 1, '/') != NULL)
                return;
        g_autofree char *name = g_ascii_strdown(text, slash == NULL ? -1 : slash - text);
        for (size_t i = 0; i < model_n_classes; i++) {
                const Class *class = model_classes[i];
                if (class->events && (all || strcmp(class->event_name, name) == 0))
                        subscribe(subscriptions, class, slash == NULL ? NULL : slash + 1);
        }
}

Subscriptions *subscriptions_new(const Set *classes)
{
        Subscriptions *subscriptions = g_new(Subscriptions, 1);
        *subscriptions = (Subscriptions){
                .n_refs = 1,
                .wanted = g_new0(bool, model_n_classes),
                .whole = g_new0(bool, model_n_classes),
                .refs = g_new0(GHashTable *, model_n_classes),
        };
        for (uint32_t i = 0; i < classes->n; i++)
                subscribe_text(subscriptions, classes->items[i].s);
        return subscriptions;
}

Subscriptions *subscriptions_ref(Subscriptions *subscriptions)
{
        subscriptions->n_refs++;
        return subscriptions;
}

void subscriptions_unref(Subscriptions *subscriptions)
{
        if (subscriptions == NULL || --subscriptions->n_refs > 0)
                return;
        for (size_t i = 0; i < model_n_classes; i++)
                if (subscriptions->refs[i] != NULL)
                        g_hash_table_unref(subscriptions->refs[i]);
        g_free(subscriptions->refs);
        g_free(subscriptions->whole);
        g_free(subscriptions->wanted);
        g_free(subscriptions);
}

static bool refs_equal(GHashTable *a, GHashTable *b)
{
        GHashTableIter each;
        void *ref;
        if (a == NULL || b == NULL)
                return a == b;
        if (g_hash_table_size(a) != g_hash_table_size(b))
                return false;
        g_hash_table_iter_init(&each, a);
        while (g_hash_table_iter_next(&each, &ref, NULL))
                if (!g_hash_table_contains(b, ref))
                        return false;
        return true;
}

bool subscriptions_equal(const Subscriptions *a, const Subscriptions *b)
{
        if (a == b)
                return true;
        if (memcmp(a->wanted, b->wanted, model_n_classes * sizeof(bool)) != 0 ||
            memcmp(a->whole, b->whole, model_n_classes * sizeof(bool)) != 0)
                return false;
        for (size_t i = 0; i < model_n_classes; i++)
                if (!refs_equal(a->refs[i], b->refs[i]))
                        return false;
        return true;
}

const bool *subscriptions_wanted(const Subscriptions *subscriptions)
{
        return subscriptions->wanted;
}

bool subscriptions_match(const Subscriptions *subscriptions, const Class *class, const char *ref)
{
        GHashTable *refs = subscriptions->refs[class->index];
        return subscriptions->whole[class->index] || (refs != NULL && g_hash_table_contains(refs, ref));
}
