/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking for repositories. */
#include <stdlib.h>
#include <string.h>

#include "sr.h"

/* ---- asking ---- */

static bool check(Call *call, const char *host, const char *type, XapiError **error)
{
        Txn *txn = txn_begin(call->store);
        bool ok = txn_require(txn, &CLASS_HOST, host, error);

        if (ok && !sm_of_type(txn, type))
                ok = xapi_fail(error, ERR_SR_UNKNOWN_DRIVER, type, NULL);
        txn_abort(txn);
        return ok;
}

static bool ask(Call *call, const char *host, const char *raw_type, const Map *device_config,
                const Map *sm_config, StorageProbeResult *ret, XapiError **error)
{
        g_autofree char *type = g_ascii_strdown(raw_type, -1);
        g_autofree char *queue = g_strdup_printf("%s.%s", STORAGE_QUEUE, type);
        BusDict device, sm;
        StorageError *e = NULL;
        int attempt = 0;
        bool ok;

        if (!check(call, host, type, error))
                return false;
        device = storage_dict(device_config);
        sm = storage_dict(sm_config);
        do
                ok = storage_sr_probe(call->manager->daemon->bus, STORAGE_CALL_USEC, call->task, queue,
                                      &device, &sm, ret, &e);
        while (!ok && storage_retry(&e, &attempt));
        g_free(device.items);
        g_free(sm.items);
        return ok || storage_fail("", "", e, error);
}

/* ---- as text ---- */

static void append(GString *xml, const char *name, const char *text)
{
        g_autofree char *escaped = g_markup_escape_text(text ? text : "", -1);

        g_string_append_printf(xml, "\t\t<%s>\n\t\t\t%s\n\t\t</%s>\n", name, escaped, name);
}

static void append_sr(GString *xml, const StorageSrInfo *sr)
{
        g_autofree char *size = g_strdup_printf("%" G_GINT64_FORMAT, sr->total_space);

        g_string_append(xml, "\t<SR>\n");
        append(xml, "UUID", sr->sr_uuid);
        append(xml, "name_label", sr->name_label);
        append(xml, "name_description", sr->name_description);
        append(xml, "size", size);
        g_string_append(xml, "\t</SR>\n");
}

/* The list that drivers of old print, which clients read. */
static Str list_text(const StorageProbeResult *found)
{
        g_autoptr(GString) xml = g_string_new("<?xml version=\"1.0\" ?>\n<SRlist>\n");

        for (size_t i = 0; i < found->probe.n; i++)
                if (found->probe.items[i].sr)
                        append_sr(xml, found->probe.items[i].sr);
        g_string_append(xml, "</SRlist>\n");
        return str_new(xml->str);
}

bool sr_probe(Call *call, const SrProbeParams *p, XapiError **error)
{
        StorageProbeResult found = { 0 };

        if (!ask(call, p->host, p->type, p->device_config, p->sm_config, &found, error))
                return false;
        str_unref(call->result.s);
        call->result.s =
            found.tag == STORAGE_PROBE_RESULT_RAW ? str_new(found.raw ? found.raw : "") : list_text(&found);
        storage_probe_result_clear(&found);
        return true;
}

/* ---- as records ---- */

_Static_assert((int)STORAGE_SR_HEALTH_HEALTHY == (int)SR_HEALTH_HEALTHY &&
                   (int)STORAGE_SR_HEALTH_UNAVAILABLE == (int)SR_HEALTH_UNAVAILABLE,
               "the bus has the XenAPI's values");

static Row *stat_record(const StorageSrInfo *info)
{
        Row *row = row_new(&CLASS_SR_STAT, "");
        SrStatRow *stat = (SrStatRow *)row;

        slot_str(&stat->name_label, info->name_label ? info->name_label : "");
        slot_str(&stat->name_description, info->name_description ? info->name_description : "");
        stat->total_space = info->total_space;
        stat->free_space = info->free_space;
        stat->clustered = info->clustered;
        stat->health = (int64_t)info->health;
        if (info->sr_uuid) {
                auto_str uuid = str_new(info->sr_uuid);

                slot_set(&stat->uuid, set_new(stat->uuid->element, 1, &(Value){ .s = uuid }));
        }
        return row;
}

static Row *probe_record(const StorageProbe *probe)
{
        Row *row = row_new(&CLASS_PROBE_RESULT, "");
        ProbeResultRow *result = (ProbeResultRow *)row;

        result->complete = probe->complete;
        slot_map(&result->configuration, storage_map(result->configuration->type, &probe->configuration));
        slot_map(&result->extra_info, storage_map(result->extra_info->type, &probe->extra_info));
        if (probe->sr) {
                Row *stat = stat_record(probe->sr);

                slot_set(&result->sr, set_new(result->sr->element, 1, &(Value){ .row = stat }));
                row_unref(stat);
        }
        return row;
}

bool sr_probe_ext(Call *call, const SrProbeExtParams *p, XapiError **error)
{
        StorageProbeResult found = { 0 };
        Value *records;
        size_t n;

        if (!ask(call, p->host, p->type, p->device_config, p->sm_config, &found, error))
                return false;
        n = found.tag == STORAGE_PROBE_RESULT_PROBE ? found.probe.n : 0;
        records = g_new0(Value, n + 1);
        for (size_t i = 0; i < n; i++)
                records[i].row = probe_record(&found.probe.items[i]);
        set_unref(call->result.set);
        call->result.set = set_new(call->message->result->element, n, records);
        for (size_t i = 0; i < n; i++)
                row_unref(records[i].row);
        g_free(records);
        storage_probe_result_clear(&found);
        return true;
}
