/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The other ends of relations, from the differences between each edited row and what it was. */
#include "store-internal.h"

/* The set end that `other_ref` has of the relation, to be changed; NULL: there is no such object. */
static Set **relation_end(Txn *txn, const Relation *relation, const char *other_ref)
{
        Slot *other = slot_find(txn->store, relation->other->class, other_ref);
        Row *row = other == NULL ? NULL : txn_edit_slot(txn, other);
        return row == NULL ? NULL : &row_values(row)[relation->other_field].set;
}

/* As set_with, where the item is known not to be in the set: some have ten thousand. */
static Set *set_with_new(const Set *set, Str item)
{
        g_autofree Value *items = g_new(Value, (size_t)set->n + 1);
        memcpy(items, set->items, set->n * sizeof(Value));
        items[set->n].s = item;
        return set_new(set->element, (size_t)set->n + 1, items);
}

static void relation_join(Txn *txn, const Relation *relation, const char *other_ref, const Slot *self)
{
        Set **end = relation_end(txn, relation, other_ref);
        if (end != NULL)
                slot_set(end, relation->many ? set_with(*end, (Value){ .s = self->ref })
                                             : set_with_new(*end, self->ref));
}

static void relation_leave(Txn *txn, const Relation *relation, const char *other_ref, const Slot *self)
{
        Set **end = relation_end(txn, relation, other_ref);
        if (end != NULL)
                slot_set(end, set_without(*end, (Value){ .s = self->ref }));
}

/* The refs of a driving end, one or many. `row` NULL: none. */
static size_t relation_refs(const Relation *relation, const Row *row, const Value **ret)
{
        if (row == NULL)
                return 0;
        const Value *value = &row_values(row)[relation->field];
        *ret = relation->many ? value->set->items : value;
        return relation->many ? value->set->n : 1;
}

static bool refs_contain(const Value *refs, size_t n, const char *ref)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(refs[i].s, ref) == 0)
                        return true;
        return false;
}

static void relation_follow(Txn *txn, const Relation *relation, const Slot *self, const Row *before,
                            const Row *after)
{
        const Value *old_refs = NULL, *new_refs = NULL;
        size_t n_old = relation_refs(relation, before, &old_refs),
               n_new = relation_refs(relation, after, &new_refs);
        if (before != NULL && after != NULL &&
            row_values(before)[relation->field].i == row_values(after)[relation->field].i)
                return;
        for (size_t i = 0; i < n_old; i++)
                if (!refs_contain(new_refs, n_new, old_refs[i].s))
                        relation_leave(txn, relation, old_refs[i].s, self);
        for (size_t i = 0; i < n_new; i++)
                if (!refs_contain(old_refs, n_old, new_refs[i].s))
                        relation_join(txn, relation, new_refs[i].s, self);
}

/* Puts the derived set ends back to what they were: a copied row has its original's. */
static void edit_reset_derived(const Edit *edit)
{
        const ClassState *class = edit->slot->class;
        const Row *before = edit->slot->head;
        for (size_t i = 0; i < class->class->n_fields; i++) {
                if (class->kinds[i] != FIELD_DERIVED)
                        continue;
                const Field *field = &class->class->fields[i];
                Set *set = before != NULL ? row_values(before)[i].set : field->initial.set;
                Set **slot = &row_values(edit->row)[i].set;
                if (*slot != set)
                        slot_set(slot, set_ref(set));
        }
}

void txn_follow_relations(Txn *txn)
{
        size_t n = txn->n; /* the other ends come after these */
        for (size_t i = 0; i < n; i++)
                if (txn->edits[i].row != NULL)
                        edit_reset_derived(&txn->edits[i]);
        for (size_t i = 0; i < n; i++) {
                Slot *slot = txn->edits[i].slot;
                const ClassState *class = slot->class;
                /* Read anew for each relation: an object may be its own other end. */
                for (size_t r = 0; r < class->n_relations; r++)
                        relation_follow(txn, &class->relations[r], slot, slot->head, txn_row(txn, slot));
        }
}
