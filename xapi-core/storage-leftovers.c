/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes that belong to an operation which a process before this one did not live to finish.
 *
 * A volume's content_id says by which task it was made, and whether as a part of a VM. Of a task that was interrupted, a
 * volume that has no object goes, for nobody can have heard of it; one that has goes if it was made as a part of a VM
 * that never came to be. Disks that a VM no longer needs once it is reverted are named in the task. */
#include <string.h>

#include "daemon.h"
#include "storage-internal.h"
#include "task.h"
#include "uuid.h"
#include "vdi.h"

#define REF_PREFIX "OpaqueRef:"
#define PART       "vm"
#define WHOLE      "one"
/* In the other_config of a task that goes on to remove disks: their refs, with spaces between. */
#define TASK_REMOVES "removes-disks"

/* ---- what volumes say ---- */

char *storage_content_id(const Call *call)
{
        char id[UUID_TEXT_SIZE];
        bool part = call->message && call->message->class == &CLASS_VM;

        uuid_make(id);
        if (!call->task_stored || !g_str_has_prefix(call->task, REF_PREFIX))
                return g_strdup(id);
        return g_strdup_printf("%s/%s/%s", call->task + strlen(REF_PREFIX), part ? PART : WHOLE, id);
}

void vdi_will_go(Txn *txn, const Call *call, const char *vdi)
{
        TaskRow *task = (TaskRow *)txn_edit(txn, &CLASS_TASK, call->task);
        const char *others = task ? map_get_str(task->other_config, TASK_REMOVES) : NULL;
        g_autofree char *all = g_strconcat(vdi, " ", others, NULL);

        if (!task)
                return;
        slot_map(&task->other_config, map_with_str(task->other_config, TASK_REMOVES, all));
        txn_keep(txn, &CLASS_TASK, call->task);
}

/* Whether one of the tasks (uuids) made it. */
static bool made_by(GHashTable *tasks, const char *content_id, bool *ret_part)
{
        g_auto(GStrv) words = g_strsplit(content_id ? content_id : "", "/", 3);

        if (g_strv_length(words) != 3 || !g_hash_table_contains(tasks, words[0]))
                return false;
        *ret_part = strcmp(words[1], PART) == 0;
        return true;
}

/* ---- what rows say ---- */

/* The uuids of tasks that were interrupted, and the refs of disks that they meant to remove. */
typedef struct Interrupted {
        GHashTable *tasks;
        GPtrArray *removed;
} Interrupted;

static void add_removed(GPtrArray *removed, const TaskRow *task)
{
        const char *list = map_get_str(task->other_config, TASK_REMOVES);
        g_auto(GStrv) refs = g_strsplit(list ? list : "", " ", -1);

        for (char **ref = refs; *ref; ref++)
                if (**ref)
                        g_ptr_array_add(removed, g_strdup(*ref));
}

static bool add_interrupted(const Row *row, void *user)
{
        const TaskRow *task = (const TaskRow *)row;
        Interrupted *found = user;

        if (task_was_interrupted(task) && g_str_has_prefix(row->ref, REF_PREFIX)) {
                g_hash_table_add(found->tasks, g_strdup(row->ref + strlen(REF_PREFIX)));
                add_removed(found->removed, task);
        }
        return true;
}

static Interrupted interrupted_find(Store *store)
{
        Interrupted found = { .tasks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                              .removed = g_ptr_array_new_with_free_func(g_free) };
        Txn *txn = txn_begin(store);

        txn_each(txn, &CLASS_TASK, add_interrupted, &found);
        txn_abort(txn);
        return found;
}

/* Whether it is a part of any VM. */
static bool needed(Txn *txn, const VdiRow *vdi)
{
        return vdi_holds_memory(txn, vdi) || vdi->VBDs->n || vdi->current_operations->n;
}

/* The volume's object if it has one. Returns owned, or NULL. */
static Str object_of(Store *store, const char *sr_ref, const char *location, bool *ret_needed)
{
        Txn *txn = txn_begin(store);
        const SrRow *sr = (const SrRow *)txn_get(txn, &CLASS_SR, sr_ref);
        Str found = NULL;

        for (uint32_t i = 0; sr && i < sr->VDIs->n && !found; i++) {
                const VdiRow *vdi = (const VdiRow *)txn_get(txn, &CLASS_VDI, sr->VDIs->items[i].s);

                if (!vdi || strcmp(vdi->location, location) != 0)
                        continue;
                found = str_ref(vdi->row.ref);
                *ret_needed = needed(txn, vdi);
        }
        txn_abort(txn);
        return found;
}

/* ---- what goes ---- */

static void destroy_volume(Manager *manager, const char *sr_uuid, const char *location)
{
        StorageError *e = NULL;

        log_info("A disk goes that nobody has heard of", "XAPI_SR", sr_uuid, "XAPI_VDI", location, NULL);
        if (!storage_vdi_destroy(manager->daemon->bus, STORAGE_CALL_USEC, "leftovers", sr_uuid, location, &e))
                storage_error_free(e);
}

static void destroy_object(Manager *manager, const char *vdi)
{
        Call call = { .manager = manager, .store = manager->store, .task = str_new("") };
        XapiError *error = NULL;

        log_info("A disk goes that belongs to a VM that was not made", "XAPI_VDI", vdi, NULL);
        if (!vdi_destroy_quietly(&call, vdi, &error))
                log_warning("A disk that is not needed could not be removed", "XAPI_VDI", vdi, NULL);
        xapi_error_free(error);
        str_unref(call.task);
}

static void look_at(Manager *manager, const SrRow *sr, const StorageVdiInfo *info, GHashTable *tasks)
{
        bool part, is_needed = false;
        auto_str object = NULL;

        if (!made_by(tasks, info->content_id, &part))
                return;
        object = object_of(manager->store, sr->row.ref, info->vdi, &is_needed);
        if (!object)
                destroy_volume(manager, sr->uuid, info->vdi);
        else if (part && !is_needed)
                destroy_object(manager, object);
}

static void look_through(Manager *manager, const SrRow *sr, GHashTable *tasks)
{
        StorageVdiInfoList found = { 0 };
        StorageError *e = NULL;

        if (storage_sr_scan(manager->daemon->bus, STORAGE_CALL_USEC, "leftovers", sr->uuid, &found, &e))
                for (size_t i = 0; i < found.n && !storage_stopping(manager->storage); i++)
                        look_at(manager, sr, &found.items[i], tasks);
        storage_error_free(e);
        storage_vdi_info_list_clear(&found);
}

static void remove_unneeded(Manager *manager, const char *ref)
{
        Txn *txn = txn_begin(manager->store);
        const VdiRow *vdi = (const VdiRow *)txn_get(txn, &CLASS_VDI, ref);
        bool unneeded = vdi && !needed(txn, vdi);

        txn_abort(txn);
        if (unneeded)
                destroy_object(manager, ref);
}

typedef struct Unneeded {
        Manager *manager;
        char vdi[];
} Unneeded;

static void remove_on_thread(void *data)
{
        Unneeded *unneeded = data;

        remove_unneeded(unneeded->manager, unneeded->vdi);
        g_free(unneeded);
}

void vdi_remove_later(Manager *manager, const char *vdi)
{
        size_t size = strlen(vdi) + 1;
        Unneeded *unneeded = g_malloc(sizeof(*unneeded) + size);

        unneeded->manager = manager;
        memcpy(unneeded->vdi, vdi, size);
        if (workers_run(manager->daemon->workers, false, remove_on_thread, unneeded))
                return;
        log_warning("No thread for removing a disk that is not needed", "XAPI_VDI", vdi, NULL);
        g_free(unneeded);
}

static bool plugged_here(Manager *manager, const SrRow *sr)
{
        Txn *txn = txn_begin(manager->store);
        const PbdRow *pbd = sr_pbd_of(txn, sr, manager->host);
        bool plugged = pbd && pbd->currently_attached;

        txn_abort(txn);
        return plugged;
}

void storage_remove_leftovers(Manager *manager)
{
        Interrupted interrupted = interrupted_find(manager->store);
        size_t n = 0;
        const Row **srs = NULL;

        if (g_hash_table_size(interrupted.tasks) > 0)
                srs = store_rows(manager->store, &CLASS_SR, &n);
        for (guint i = 0; i < interrupted.removed->len; i++)
                remove_unneeded(manager, interrupted.removed->pdata[i]);
        for (size_t i = 0; i < n; i++)
                if (plugged_here(manager, (const SrRow *)srs[i]))
                        look_through(manager, (const SrRow *)srs[i], interrupted.tasks);
        if (srs)
                store_rows_free(srs, n);
        g_ptr_array_unref(interrupted.removed);
        g_hash_table_unref(interrupted.tasks);
}
