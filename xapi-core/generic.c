/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generic.h"

#include <assert.h>
#include <string.h>

#include "codec.h"
#include "manager.h"
#include "query.h"
#include "role.h"
#include "session.h"
#include "xenapi.h"

static bool field_get(Call *call, const Value *params, XapiError **error)
{
        const Message *m = call->message;
        const Row *row = store_require(call->store, m->class, params[0].s, error);

        if (!row)
                return false;
        call_return(call, value_ref(m->field->type, row_values(row)[field_index(m->class, m->field)]));
        row_unref(row);
        return true;
}

/* Puts `taken` in the place of the field's value. */
static void field_replace(Row *row, const Field *field, Value taken)
{
        Value *slot = &row_values(row)[field_index(row->class, field)];

        value_unref(field->type, *slot);
        *slot = taken;
}

bool generic_set(Call *call, const Field *field, const Value *params, XapiError **error)
{
        Row *row = txn_require_edit(call_txn(call), call->message->class, params[0].s, error);

        if (!row)
                return false;
        if (field->type->kind == TYPE_MAP &&
            !role_check_map(call->message, field, row_values(row)[field_index(row->class, field)].map,
                            params[1].map, call->roles, call->local_root, error))
                return false;
        field_replace(row, field, value_ref(field->type, params[1]));
        return true;
}

bool generic_add(Call *call, const Field *field, const Value *params, XapiError **error)
{
        const Class *class = call->message->class;
        Row *row = txn_require_edit(call_txn(call), class, params[0].s, error);
        Value old;

        if (!row)
                return false;
        old = row_values(row)[field_index(class, field)];
        if (field->type->kind == TYPE_SET) {
                field_replace(row, field, (Value){ .set = set_with(old.set, params[1]) });
                return true;
        }
        if (map_get(old.map, params[1])) {
                auto_buffer key = { 0 };

                value_write_db(&key, field->type->key, params[1]);
                return xapi_fail(error, ERR_MAP_DUPLICATE_KEY, class->name, field->name, params[0].s,
                                 buffer_terminate(&key), NULL);
        }
        field_replace(row, field, (Value){ .map = map_with(old.map, params[1], params[2]) });
        return true;
}

bool generic_remove(Call *call, const Field *field, const Value *params, XapiError **error)
{
        Row *row = txn_require_edit(call_txn(call), call->message->class, params[0].s, error);
        Value old;

        if (!row)
                return false;
        old = row_values(row)[field_index(row->class, field)];
        if (field->type->kind == TYPE_SET)
                field_replace(row, field, (Value){ .set = set_without(old.set, params[1]) });
        else
                field_replace(row, field, (Value){ .map = map_without(old.map, params[1]) });
        return true;
}

/* Whether a row is wanted; false with *error ends the walk. */
typedef bool (*RowFilter)(const Row *row, const void *data, bool *ret_wanted, XapiError **error);

static bool filter_query(const Row *row, const void *data, bool *ret_wanted, XapiError **error)
{
        return query_matches(data, row, ret_wanted, error);
}

/* The wanted rows as the message's result: a set of refs, or a map of refs to records. */
static bool collect(Call *call, RowFilter filter, const void *data, XapiError **error)
{
        bool records = call->message->result->kind == TYPE_MAP, wanted = true, ok = true;
        size_t n, n_wanted = 0;
        const Row **rows = store_rows(call->store, call->message->class, &n);
        MapEntry *entries = g_new(MapEntry, n + 1);
        Value *refs = g_new(Value, n + 1);

        for (size_t i = 0; i < n && ok; i++) {
                ok = !filter || filter(rows[i], data, &wanted, error);
                if (!ok || !wanted)
                        continue;
                refs[n_wanted].s = rows[i]->ref;
                entries[n_wanted].key.s = rows[i]->ref;
                entries[n_wanted++].value.row = (Row *)rows[i];
        }
        if (ok && records)
                call_return(call,
                            (Value){ .map = map_new_distinct(call->message->result, n_wanted, entries) });
        else if (ok)
                call_return(call, (Value){ .set = set_new(call->message->result->element, n_wanted, refs) });
        g_free(entries);
        g_free(refs);
        store_rows_free(rows, n);
        return ok;
}

static bool collect_where(Call *call, const Value *params, XapiError **error)
{
        Query *query = query_parse(call->message->class, params[0].s, error);
        bool ok;

        if (!query)
                return false;
        ok = collect(call, filter_query, query, error);
        query_free(query);
        return ok;
}

static bool get_by_uuid(Call *call, const Value *params, XapiError **error)
{
        const Class *class = call->message->class;
        const Row *row = store_get_by_uuid(call->store, class, params[0].s);
        auto_str secret = NULL;

        if (!row)
                return xapi_fail(error, ERR_UUID_INVALID, class->name, params[0].s, NULL);
        /* To whom it is known, and to who may do everything: a uuid is no secret, and is in every copy of the database. */
        if (class == &CLASS_SESSION &&
            ((call->roles & ROLE_POOL_ADMIN) || strcmp(row->ref, call->session) == 0))
                secret = sessions_secret(call->manager->sessions, row->ref);
        call_return_str(call, secret ? secret : row->ref);
        row_unref(row);
        return true;
}

static bool get_by_label(Call *call, const Value *params)
{
        size_t n;
        const Row **rows = store_rows_by_label(call->store, call->message->class, params[0].s, &n);
        Value *refs = g_new(Value, n + 1);

        for (size_t i = 0; i < n; i++)
                refs[i].s = rows[i]->ref;
        call_return(call, (Value){ .set = set_new(call->message->result->element, n, refs) });
        g_free(refs);
        store_rows_free(rows, n);
        return true;
}

static bool get_record(Call *call, const Value *params, XapiError **error)
{
        const Row *row = store_require(call->store, call->message->class, params[0].s, error);

        return row && call_return(call, (Value){ .row = (Row *)row });
}

static bool create(Call *call, const Value *params, XapiError **error)
{
        Row *row = row_copy(params[0].row);

        slot_str((Str *)&row_values(row)[row->class->uuid_field].s, "");
        return call_return_str(call, txn_insert(call_txn(call), row)->ref);
}

static bool destroy(Call *call, const Value *params, XapiError **error)
{
        if (!txn_require(call_txn(call), call->message->class, params[0].s, error))
                return false;
        txn_delete(call->txn, call->message->class, params[0].s);
        return true;
}

bool generic_call(Call *call, const Value *params, XapiError **error)
{
        switch (call->message->tag) {
        case MESSAGE_FIELD_GET:
                return field_get(call, params, error);
        case MESSAGE_FIELD_SET:
                return generic_set(call, call->message->field, params, error);
        case MESSAGE_FIELD_ADD:
                return generic_add(call, call->message->field, params, error);
        case MESSAGE_FIELD_REMOVE:
                return generic_remove(call, call->message->field, params, error);
        case MESSAGE_GET_ALL:
        case MESSAGE_GET_ALL_RECORDS:
                return collect(call, NULL, NULL, error);
        case MESSAGE_GET_ALL_RECORDS_WHERE:
        case MESSAGE_GET_ALL_WHERE:
                return collect_where(call, params, error);
        case MESSAGE_GET_BY_UUID:
                return get_by_uuid(call, params, error);
        case MESSAGE_GET_BY_LABEL:
                return get_by_label(call, params);
        case MESSAGE_GET_RECORD:
                return get_record(call, params, error);
        case MESSAGE_CTOR:
                return create(call, params, error);
        case MESSAGE_DTOR:
                return destroy(call, params, error);
        case MESSAGE_CUSTOM:
                break;
        }
        assert(!"custom messages have handlers");
        return false;
}
