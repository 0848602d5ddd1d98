/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making a volume once, though sm-daemon may die under it. */
#include <string.h>

#include "storage-internal.h"

/* The volume that an attempt of which nothing was heard has made all the same. */
static bool find_made(const SrOperation *o, const char *id, StorageVdiInfo *ret)
{
        StorageVdiInfoList found = { 0 };
        StorageError *e = NULL;
        int attempt = 0;
        bool ok, made = false;

        do
                ok = storage_sr_scan(o->call->manager->daemon->bus, STORAGE_CALL_USEC, o->call->task,
                                     o->sr_uuid, &found, &e);
        while (!ok && storage_retry(&e, &attempt));
        storage_error_free(e);
        for (size_t i = 0; ok && i < found.n && !made; i++) {
                made = g_strcmp0(found.items[i].content_id, id) == 0;
                if (made) {
                        *ret = found.items[i];
                        found.items[i] = (StorageVdiInfo){ 0 };
                }
        }
        storage_vdi_info_list_clear(&found);
        return made;
}

bool storage_make(const SrOperation *o, StorageMakeFunction make, StorageVdiInfo *info, StorageVdiInfo *ret,
                  XapiError **error)
{
        Bus *bus = o->call->manager->daemon->bus;
        g_autofree char *id = storage_content_id(o->call);
        StorageError *e = NULL;
        int attempt = 0;

        info->content_id = id;
        while (!make(bus, STORAGE_DATA_USEC, o->call->task, o->sr_uuid, info, ret, &e)) {
                if (!storage_retry(&e, &attempt))
                        return storage_fail(o->sr, o->vdi_ref ? o->vdi_ref : "", e, error);
                if (find_made(o, id, ret))
                        return true;
        }
        return true;
}
