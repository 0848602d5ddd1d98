/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages: notes about objects, kept as rows like the others, but with messages of their own to read them. */
#include <time.h>

#include "classes.h"
#include "rows.h"
#include "xenapi.h"

static const Class *class_of(int64_t cls)
{
        static const struct {
                const char *name;
                const Class *class;
        } CLASSES[] = {
                { "VM", &CLASS_VM },
                { "Host", &CLASS_HOST },
                { "SR", &CLASS_SR },
                { "Pool", &CLASS_POOL },
                { "VMPP", &CLASS_VMPP },
                { "VMSS", &CLASS_VMSS },
                { "PVS_proxy", &CLASS_PVS_PROXY },
                { "VDI", &CLASS_VDI },
                { "Certificate", &CLASS_CERTIFICATE },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(CLASSES); i++)
                if (strcmp(CLASSES[i].name, ENUM_CLS.values[cls]) == 0)
                        return CLASSES[i].class;
        return NULL;
}

static bool create(Call *call, const MessageCreateParams *p, XapiError **error)
{
        const Class *class = class_of(p->cls);
        MessageRow *message;

        if (class && !txn_get_by_uuid(call_txn(call), class, p->obj_uuid))
                return xapi_fail(error, ERR_UUID_INVALID, class->name, p->obj_uuid, NULL);
        message = (MessageRow *)txn_create(call_txn(call), &CLASS_MESSAGE, NULL, NULL);
        slot_str(&message->name, p->name);
        message->priority = p->priority;
        message->cls = p->cls;
        slot_str(&message->obj_uuid, p->obj_uuid);
        slot_str(&message->body, p->body);
        message->timestamp = time(NULL);
        return call_return_str(call, message->row.ref);
}

typedef struct Oldest {
        GPtrArray *refs;
        size_t wanted;
} Oldest;

static bool collect_oldest(const Row *row, void *user)
{
        Oldest *oldest = user;

        if (oldest->refs->len == oldest->wanted)
                return false;
        g_ptr_array_add(oldest->refs, (void *)str_ref(row->ref));
        return true;
}

void messages_collect(Store *store)
{
        size_t n = store_count(store, &CLASS_MESSAGE);
        Oldest oldest = { .wanted = n > MESSAGES_MAX ? n - MESSAGES_MAX : 0 };
        Txn *txn;

        if (!oldest.wanted)
                return;
        oldest.refs = g_ptr_array_new();
        txn = txn_begin(store);
        txn_each(txn, &CLASS_MESSAGE, collect_oldest, &oldest);
        for (guint i = 0; i < oldest.refs->len; i++) {
                txn_delete(txn, &CLASS_MESSAGE, oldest.refs->pdata[i]);
                str_unref(oldest.refs->pdata[i]);
        }
        txn_commit(txn, NULL, NULL);
        g_ptr_array_unref(oldest.refs);
}

static bool delete (Call *call, const char *ref, XapiError **error)
{
        if (!txn_require(call_txn(call), &CLASS_MESSAGE, ref, error))
                return false;
        txn_delete(call->txn, &CLASS_MESSAGE, ref);
        return true;
}

static bool destroy(Call *call, const MessageDestroyParams *p, XapiError **error)
{
        return delete (call, p->self, error);
}

static bool destroy_many(Call *call, const MessageDestroyManyParams *p, XapiError **error)
{
        for (uint32_t i = 0; i < p->messages->n; i++)
                if (!delete (call, p->messages->items[i].s, error))
                        return false;
        return true;
}

/* ---- reading ---- */

typedef struct Wanted {
        bool any_object;
        int64_t cls;
        const char *uuid;
        int64_t since; /* seconds */
} Wanted;

static bool is_wanted(const MessageRow *m, const Wanted *w)
{
        return m->timestamp >= w->since &&
               (w->any_object || (m->cls == w->cls && strcmp(m->obj_uuid, w->uuid) == 0));
}

/* As refs or as records, by the message's result. */
static bool collect(Call *call, const Wanted *w)
{
        bool records = call->message->result->kind == TYPE_MAP;
        size_t n, n_wanted = 0;
        const Row **rows = store_rows(call->store, &CLASS_MESSAGE, &n);
        MapEntry *entries = g_new(MapEntry, n + 1);
        Value *refs = g_new(Value, n + 1);

        for (size_t i = 0; i < n; i++) {
                if (!is_wanted((const MessageRow *)rows[i], w))
                        continue;
                refs[n_wanted].s = rows[i]->ref;
                entries[n_wanted].key.s = rows[i]->ref;
                entries[n_wanted++].value.row = (Row *)rows[i];
        }
        if (records)
                slot_map(&call->result.map, map_new(call->message->result, n_wanted, entries));
        else
                slot_set(&call->result.set, set_new(call->message->result->element, n_wanted, refs));
        g_free(entries);
        g_free(refs);
        store_rows_free(rows, n);
        return true;
}

static const Wanted ALL = { .any_object = true, .since = INT64_MIN };

static bool get_all(Call *call, const MessageGetAllParams *p, XapiError **error)
{
        return collect(call, &ALL);
}

static bool get_all_records(Call *call, const MessageGetAllRecordsParams *p, XapiError **error)
{
        return collect(call, &ALL);
}

/* Upstream does not look at the expression. */
static bool get_all_records_where(Call *call, const MessageGetAllRecordsWhereParams *p, XapiError **error)
{
        return collect(call, &ALL);
}

static bool get(Call *call, const MessageGetParams *p, XapiError **error)
{
        return collect(call, &(Wanted){ .cls = p->cls, .uuid = p->obj_uuid, .since = p->since });
}

static bool get_since(Call *call, const MessageGetSinceParams *p, XapiError **error)
{
        return collect(call, &(Wanted){ .any_object = true, .since = p->since });
}

static bool get_by_uuid(Call *call, const MessageGetByUuidParams *p, XapiError **error)
{
        const Row *row = txn_get_by_uuid(call_txn(call), &CLASS_MESSAGE, p->uuid);

        if (!row)
                return xapi_fail(error, ERR_UUID_INVALID, "message", p->uuid, NULL);
        return call_return_str(call, row->ref);
}

static bool get_record(Call *call, const MessageGetRecordParams *p, XapiError **error)
{
        const Row *row = store_require(call->store, &CLASS_MESSAGE, p->self, error);

        if (!row)
                return false;
        return call_return(call, (Value){ .row = (Row *)row });
}

const MessageHandlers message_handlers = {
        .create = { PLACE_LOOP, create },
        .destroy = { PLACE_LOOP, destroy },
        .destroy_many = { PLACE_LOOP, destroy_many },
        .get_all = { PLACE_LOOP, get_all },
        .get_all_records = { PLACE_LOOP, get_all_records },
        .get_all_records_where = { PLACE_LOOP, get_all_records_where },
        .get = { PLACE_LOOP, get },
        .get_since = { PLACE_LOOP, get_since },
        .get_by_uuid = { PLACE_LOOP, get_by_uuid },
        .get_record = { PLACE_LOOP, get_record },
};
