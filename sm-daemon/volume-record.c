/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "volume-record.h"

static json_t *encode_datapath(const Datapath *datapath)
{
        return json_pack("{s:s, s:s, s:b, s:b, s:o}", "dp", datapath->name, "vm", datapath->vm, "read_write",
                         datapath->read_write, "activated", datapath->activated, "backend",
                         storage_backend_encode(&datapath->backend));
}

json_t *volume_record_new(const Volume *volume)
{
        json_t *datapaths = json_array();

        for (guint i = 0; i < volume->datapaths->len; i++)
                json_array_append_new(datapaths, encode_datapath(g_ptr_array_index(volume->datapaths, i)));
        return json_pack("{s:s, s:b, s:b, s:b, s:b, s:o}", "uri", volume->uri, "sharable", volume->sharable,
                         "read_only", volume->read_only, "opened", volume->opened, "in_epoch",
                         volume->in_epoch, "datapaths", datapaths);
}

static Datapath *decode_datapath(const json_t *record)
{
        const char *name = json_string_value(json_object_get(record, "dp"));
        const char *vm = json_string_value(json_object_get(record, "vm"));
        Datapath *datapath;
        BusReason reason;

        if (name == NULL || vm == NULL)
                return NULL;
        datapath = datapath_new(name, vm, json_is_true(json_object_get(record, "read_write")));
        datapath->activated = json_is_true(json_object_get(record, "activated"));
        if (!storage_backend_decode(json_object_get(record, "backend"), &datapath->backend, &reason))
                g_clear_pointer(&datapath, datapath_free);
        return datapath;
}

static bool decode_datapaths(const json_t *records, GPtrArray *datapaths)
{
        for (size_t i = 0; i < json_array_size(records); i++) {
                Datapath *datapath = decode_datapath(json_array_get(records, i));

                if (datapath == NULL)
                        return false;
                g_ptr_array_add(datapaths, datapath);
        }
        return true;
}

bool volume_record_load(Repository *repository, const char *key, const json_t *record)
{
        const char *uri = json_string_value(json_object_get(record, "uri"));
        Volume *volume;
        bool good;

        if (uri == NULL)
                return false;
        volume = repository_volume(repository, key);
        good = decode_datapaths(json_object_get(record, "datapaths"), volume->datapaths);
        if (good) {
                volume->uri = g_strdup(uri);
                volume->sharable = json_is_true(json_object_get(record, "sharable"));
                volume->read_only = json_is_true(json_object_get(record, "read_only"));
                volume->opened = json_is_true(json_object_get(record, "opened"));
                volume->in_epoch = json_is_true(json_object_get(record, "in_epoch"));
        } else {
                g_ptr_array_set_size(volume->datapaths, 0);
        }
        volume_release(volume);
        return good;
}
