/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening: rows and tombstones from the database, the set ends of relations from their single ends. */
#include "store-internal.h"

#include "persist.h"

typedef struct Load {
        Store *store;
        GPtrArray *slots; /* in the order of creation, then of generation */
        size_t shown;
        uint64_t restart; /* a generation above every one given out before */
} Load;

/* An item for the set end of a relation. */
typedef struct Member {
        Slot *slot;
        size_t field;
        Str item;
        size_t order;
} Member;

static const Class *load_class(const char *name, const char *ref, XapiError **error)
{
        const Class *class = model_class(name);
        if (class == NULL)
                xapi_fail_internal(error, "The database holds %s of the unknown class %s", ref, name);
        return class;
}

static bool load_object(const DatabaseObject *object, void *data, XapiError **error)
{
        Load *load = data;
        Store *store = load->store;
        const Class *class = load_class(object->class, object->ref, error);
        Row *row;
        if (class == NULL ||
            !row_read_persistent(class, object->ref, object->record, object->record_len, &row, error))
                return false;
        if (slot_find(store, NULL, object->ref) != NULL) {
                row_unref(row);
                return xapi_fail_internal(error, "The database holds %s twice", object->ref);
        }
        store->next_id = object->id;
        Slot *slot = slot_new(store, class, row->ref, NULL);
        slot_index_uuid(slot, row);
        slot->head = row;
        row->generation = object->generation;
        row->created = object->created;
        /* Volatile fields are initial again, which is not what clients may have seen. */
        if (slot->class->has_volatile)
                row->generation = load->restart;
        g_ptr_array_add(load->slots, slot);
        return true;
}

static int member_compare(const void *a, const void *b)
{
        const Member *x = a, *y = b;
        if (x->slot != y->slot)
                return x->slot < y->slot ? -1 : 1;
        if (x->field != y->field)
                return x->field < y->field ? -1 : 1;
        return x->order < y->order ? -1 : x->order > y->order;
}

static GArray *load_members(Load *load)
{
        GArray *members = g_array_new(false, false, sizeof(Member));
        for (size_t i = 0; i < load->slots->len; i++) {
                Slot *slot = load->slots->pdata[i];
                for (size_t r = 0; r < slot->class->n_relations; r++) {
                        const Relation *relation = &slot->class->relations[r];
                        if (relation->many)
                                continue;
                        Slot *other = slot_find(load->store, relation->other->class,
                                                row_values(slot->head)[relation->field].s);
                        if (other == NULL)
                                continue;
                        Member member = {
                                .slot = other, .field = relation->other_field, .item = slot->ref, .order = i
                        };
                        g_array_append_val(members, member);
                }
        }
        return members;
}

static void load_relations(Load *load)
{
        g_autoptr(GArray) members = load_members(load);
        g_autoptr(GArray) items = g_array_new(false, false, sizeof(Value));
        g_array_sort(members, member_compare);
        for (size_t i = 0; i < members->len;) {
                Member first = g_array_index(members, Member, i);
                g_array_set_size(items, 0);
                for (; i < members->len; i++) {
                        Member *member = &g_array_index(members, Member, i);
                        if (member->slot != first.slot || member->field != first.field)
                                break;
                        Value item = { .s = member->item };
                        g_array_append_val(items, item);
                }
                const Type *element = first.slot->class->class->fields[first.field].type->element;
                slot_set(&row_values(first.slot->head)[first.field].set,
                         set_new(element, items->len, (const Value *)(void *)items->data));
        }
}

static int slot_compare_generation(const void *a, const void *b)
{
        const Slot *x = *(Slot *const *)a, *y = *(Slot *const *)b;
        uint64_t gx = x->head->generation, gy = y->head->generation;
        return gx < gy ? -1 : gx > gy;
}

/* Shows what changed before `generation`, so that lists of changes grow in order. */
static void load_show(Load *load, uint64_t generation)
{
        for (; load->shown < load->slots->len; load->shown++) {
                Slot *slot = load->slots->pdata[load->shown];
                if (slot->head->generation >= generation)
                        return;
                slot_show(load->store, slot, row_ref(slot->head), slot->head->generation);
        }
}

static bool load_deletion(const DatabaseDeletion *deletion, void *data, XapiError **error)
{
        Load *load = data;
        const Class *class = load_class(deletion->class, deletion->ref, error);
        if (class == NULL)
                return false;
        load_show(load, deletion->generation);
        store_bury(load->store, store_class(load->store, class), deletion->ref, 0, deletion->generation);
        return true;
}

static bool load_forgotten(Store *store, XapiError **error)
{
        for (size_t i = 0; i < model_n_classes; i++)
                if (!database_read_forgotten(store->database, model_classes[i]->name,
                                             &store->classes[i].forgotten, error))
                        return false;
        return true;
}

bool store_load(Store *store, XapiError **error)
{
        g_autoptr(GPtrArray) slots = g_ptr_array_new();
        Load load = { .store = store, .slots = slots };
        store->next_id = 1;
        if (!database_read_reserved(store->database, &load.restart, error) || !load_forgotten(store, error) ||
            !database_each_object(store->database, load_object, &load, error))
                return false;
        load_relations(&load);
        g_ptr_array_sort(slots, slot_compare_generation);
        if (!database_each_deletion(store->database, load_deletion, &load, error))
                return false;
        load_show(&load, UINT64_MAX);
        store->generation = load.restart;
        return true;
}
