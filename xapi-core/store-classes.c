/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the store needs to know of each class beyond the model: which fields reach the disk, which relations it keeps. */
#include "store-internal.h"

#include <assert.h>

/* Fields that the data model does not persist, and that this store does: clients draw their buttons from them, and what
 * a client has seen must not be taken back by a crash without an event that says so. Nearly every change of them goes
 * with a change that is written anyway. */
static const char *const KEPT_FIELDS[] = { "allowed_operations", "current_operations", NULL };

/* And what it does persist and this store does not: figures that are told anew, again and again. */
static const char *const DROPPED_CLASS = "host_metrics";
static const char *const DROPPED_FIELDS[] = { "last_updated", "memory_free", "memory_total", NULL };

static bool field_is_dropped(const Class *class, const Field *field)
{
        return g_str_equal(class->name, DROPPED_CLASS) && g_strv_contains(DROPPED_FIELDS, field->name);
}

static bool field_is_single(const Field *field)
{
        return field->type->kind == TYPE_REF;
}

static const Field *field_other_end(const Field *field)
{
        return field->other_class == NULL ? NULL : &field->other_class->fields[field->other_field];
}

static FieldKind field_kind(const Class *class, const Field *field)
{
        const Field *other = field_other_end(field);
        if (other != NULL && other != field && !field_is_single(field) && field_is_single(other))
                return FIELD_DERIVED;
        if (field_is_dropped(class, field) || (!field->persist && !g_strv_contains(KEPT_FIELDS, field->name)))
                return FIELD_VOLATILE;
        return FIELD_DURABLE;
}

static void class_find_relations(Store *store, ClassState *state)
{
        const Class *class = state->class;
        for (size_t i = 0; i < class->n_fields; i++) {
                const Field *field = &class->fields[i], *other = field_other_end(field);
                if (other == NULL || other == field || state->kinds[i] == FIELD_DERIVED)
                        continue;
                assert(!field_is_single(other));
                state->relations[state->n_relations++] = (Relation){
                        .field = i,
                        .other = store_class(store, field->other_class),
                        .other_field = (size_t)field->other_field,
                        .many = !field_is_single(field),
                };
        }
}

static void class_init(Store *store, const Class *class)
{
        ClassState *state = store_class(store, class);
        state->class = class;
        state->changes.previous = state->changes.next = &state->changes;
        index_init(&state->by_uuid);
        index_init(&state->by_label);
        state->kinds = g_new0(FieldKind, class->n_fields);
        state->durable = g_new0(bool, class->n_fields);
        state->relations = g_new0(Relation, class->n_fields);
        for (size_t i = 0; i < class->n_fields; i++) {
                state->kinds[i] = field_kind(class, &class->fields[i]);
                state->durable[i] = state->kinds[i] == FIELD_DURABLE;
                if (state->kinds[i] == FIELD_VOLATILE)
                        state->has_volatile = true;
        }
}

ClassState *store_class(Store *store, const Class *class)
{
        return &store->classes[class->index];
}

void store_classes_init(Store *store)
{
        store->classes = g_new0(ClassState, model_n_classes);
        for (size_t i = 0; i < model_n_classes; i++)
                class_init(store, model_classes[i]);
        for (size_t i = 0; i < model_n_classes; i++)
                class_find_relations(store, &store->classes[i]);
}

void store_classes_clear(Store *store)
{
        for (size_t i = 0; i < model_n_classes; i++) {
                ClassState *state = &store->classes[i];
                index_clear(&state->by_uuid);
                index_clear(&state->by_label);
                g_free(state->kinds);
                g_free(state->durable);
                g_free(state->relations);
        }
        g_free(store->classes);
}
