/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changed since a generation: the tails of the classes' lists of changes. */
#include "store-internal.h"

static void changes_collect(const ClassState *class, uint64_t since, GArray *changes)
{
        const ChangeLink *end = &class->changes;
        for (const ChangeLink *link = end->previous; link != end && link->generation > since;
             link = link->previous) {
                Change change = { .class = class->class, .generation = link->generation };
                if (link->slot != NULL) {
                        change.ref = str_ref(link->slot->ref);
                        change.row = row_ref(link->slot->visible);
                        change.created = link->slot->created;
                } else if (since == 0) {
                        continue;
                } else {
                        change.ref = str_new(((const Tombstone *)link)->ref);
                        change.created = ((const Tombstone *)link)->created;
                }
                g_array_append_val(changes, change);
        }
}

static int change_compare(const void *a, const void *b)
{
        const Change *x = a, *y = b;
        return x->generation < y->generation ? -1 : x->generation > y->generation;
}

bool store_changes(Store *store, uint64_t since, const bool *wanted, Change **ret_changes, size_t *ret_n,
                   uint64_t *ret_generation, size_t *ret_counts)
{
        GArray *changes = g_array_new(false, false, sizeof(Change));
        bool remembered = true;
        pthread_mutex_lock(&store->lock);
        for (size_t i = 0; i < model_n_classes; i++)
                if (wanted[i] && since > 0 && since < store->classes[i].forgotten)
                        remembered = false;
        for (size_t i = 0; i < model_n_classes && remembered; i++)
                if (wanted[i])
                        changes_collect(&store->classes[i], since, changes);
        for (size_t i = 0; i < model_n_classes && ret_counts != NULL; i++)
                ret_counts[i] = store->classes[i].n_visible;
        *ret_generation = store->generation;
        pthread_mutex_unlock(&store->lock);
        if (!remembered) {
                g_array_free(changes, true);
                return false;
        }
        g_array_sort(changes, change_compare);
        *ret_n = changes->len;
        *ret_changes = (Change *)(void *)g_array_free(changes, false);
        return true;
}

void store_changes_free(Change *changes, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                str_unref(changes[i].ref);
                if (changes[i].row != NULL)
                        row_unref(changes[i].row);
        }
        g_free(changes);
}

void store_class_generations(Store *store, uint64_t *ret_generations)
{
        pthread_mutex_lock(&store->lock);
        for (size_t i = 0; i < model_n_classes; i++)
                ret_generations[i] = store->classes[i].generation;
        pthread_mutex_unlock(&store->lock);
}
