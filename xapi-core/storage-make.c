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

/* ---- copies, which take long ---- */

typedef struct Stop {
        Bus *bus;
        char *task; /* owned */
} Stop;

static void on_stopped(BusReply *reply, void *data)
{
}

static void ask_to_stop(void *data)
{
        Stop *stop = data;
        json_t *params = json_pack("[{s:s, s:s}]", "dbg", stop->task, "task", stop->task);

        bus_call(stop->bus, &(BusCall){ .queue = STORAGE_QUEUE, .method = "TASK.cancel", .params = params },
                 on_stopped, NULL);
        json_decref(params);
        g_free(stop->task);
        g_free(stop);
}

/* Any thread, and it may not wait. */
static void on_cancel(void *data)
{
        const SrOperation *o = data;
        Daemon *daemon = o->call->manager->daemon;
        Stop *stop = g_new(Stop, 1);

        *stop = (Stop){ .bus = daemon->bus, .task = g_strdup(o->call->task) };
        loop_post(daemon->loop, ask_to_stop, stop);
}

static bool copy(const SrOperation *o, const StorageVdiInfo *info, StorageVdiInfo *ret, StorageError **error)
{
        bool ok;

        call_on_cancel(o->call, on_cancel, (void *)o);
        ok = storage_vdi_copy_full(o->call->manager->daemon->bus, STORAGE_DATA_USEC, o->call->task,
                                   o->sr_uuid, info, o->from_sr, ret, error);
        call_on_cancel(o->call, NULL, NULL);
        return ok;
}

static bool attempt_once(const SrOperation *o, StorageMakeFunction make, const StorageVdiInfo *info,
                         StorageVdiInfo *ret, StorageError **error)
{
        if (!make)
                return copy(o, info, ret, error);
        return make(o->call->manager->daemon->bus, STORAGE_DATA_USEC, o->call->task, o->sr_uuid, info, ret,
                    error);
}

/* On the disk, so that a process after this one knows that it was interrupted. */
static bool keep_task(const Call *call, XapiError **error)
{
        Txn *txn;

        if (!call->task_stored || call->task_kept)
                return true;
        txn = txn_begin(call->store);
        txn_keep(txn, &CLASS_TASK, call->task);
        return txn_commit_wait(txn, error);
}

bool storage_make(const SrOperation *o, StorageMakeFunction make, StorageVdiInfo *info, StorageVdiInfo *ret,
                  XapiError **error)
{
        g_autofree char *id = storage_content_id(o->call);
        StorageError *e = NULL;
        int attempt = 0;

        if (!keep_task(o->call, error))
                return false;
        info->content_id = id;
        while (!attempt_once(o, make, info, ret, &e)) {
                if (!make && call_cancelled(o->call)) {
                        storage_error_free(e);
                        return xapi_fail(error, ERR_TASK_CANCELLED, o->call->task, NULL);
                }
                if (!storage_retry(&e, &attempt))
                        return storage_fail(o->sr, o->vdi_ref ? o->vdi_ref : "", e, error);
                if (find_made(o, id, ret))
                        return true;
        }
        return true;
}
